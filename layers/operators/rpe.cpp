#include "layers/operators/rpe.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/elementwise.h"

namespace skiff {

// Names follow the published modules: in layers.i and out, 0 is the norm, 1 the activation, 2 the
// linear layer.
Rpe::Rpe(const Scope& s, const RpeOptions& o, int64_t outputs)
    : options(o),
      pos_proj(s / "pos_proj", o.inputs(), o.width),
      out_norm(make_norm(s / "out" / "0", o.norm, o.width)),
      out(s / "out" / "2", o.width, outputs) {
  for (int64_t i = 0; i < o.layers; ++i) {
    norms.push_back(make_norm(s / "layers" / i / "0", o.norm, o.width));
    hidden.emplace_back(s / "layers" / i / "2", o.width, o.width);
  }
}

Variable Rpe::operator()(const Variable& s) const {
  Variable z = pos_proj(s);  // (m, p)
  for (size_t i = 0; i < hidden.size(); ++i) {
    const Variable next = hidden[i](activate(options.activation, (*norms[i])(z)));
    z = options.residual ? next + z : next;
  }
  return out(activate(options.activation, (*out_norm)(z)));
}

LraRpe::LraRpe(const Scope& s, int64_t width, int64_t outputs, int64_t inputs)
    : pos_proj(s / "pos_proj", inputs, width),
      pos1(s / "pos1" / "1", width, width),
      pos2(s / "pos2" / "1", width, width),
      norm(s / "pos3" / "0", width),
      out(s / "pos3" / "2", width, outputs) {}

Variable LraRpe::operator()(const Variable& s) const {
  return out(relu(norm(pos2(relu(pos1(relu(pos_proj(s))))))));
}

Variable position_column(const std::vector<double>& positions, DType dtype, Device device) {
  return tensor_of(positions, {int64_t(positions.size()), 1}, dtype).to(device);
}

Variable position_columns(const std::vector<double>& positions,
                          const std::vector<double>& logarithms, DType dtype, Device device) {
  std::vector<double> pairs;
  for (size_t i = 0; i < positions.size(); ++i)
    pairs.insert(pairs.end(), {positions[i], logarithms[i]});
  return tensor_of(pairs, {int64_t(positions.size()), 2}, dtype).to(device);
}

}  // namespace skiff
