#include "layers/operators/rpe.h"

namespace skiff {

// Names follow the published modules: in layers.i and out, 0 is the norm, 1 the activation, 2 the
// linear layer.
Rpe::Rpe(Scope s, const RpeConfig& c, int64_t outputs)
    : config(c),
      pos_proj(s / "pos_proj", 1, c.width),
      out_norm(s / "out" / "0", c.norm, c.width),
      out(s / "out" / "2", c.width, outputs) {
  for (int64_t i = 0; i < c.layers; ++i) {
    norms.emplace_back(s / "layers" / i / "0", c.norm, c.width);
    hidden.emplace_back(s / "layers" / i / "2", c.width, c.width);
  }
}

Variable Rpe::operator()(const Variable& s) const {
  Variable z = pos_proj(s);  // (m, p)
  for (size_t i = 0; i < hidden.size(); ++i) {
    const Variable next = hidden[i](activate(config.activation, norms[i](z)));
    z = config.residual ? next + z : next;
  }
  return out(activate(config.activation, out_norm(z)));
}

LraRpe::LraRpe(Scope s, int64_t width, int64_t outputs)
    : pos_proj(s / "pos_proj", 1, width),
      pos1(s / "pos1" / "1", width, width),
      pos2(s / "pos2" / "1", width, width),
      norm(s / "pos3" / "0", NormKind::Layer, width),
      out(s / "pos3" / "2", width, outputs) {}

Variable LraRpe::operator()(const Variable& s) const {
  return out(relu(norm(pos2(relu(pos1(relu(pos_proj(s))))))));
}

Variable position_column(const std::vector<double>& positions, DType dtype, Device device) {
  return tensor_of(positions, {int64_t(positions.size()), 1}, dtype).to(device);
}

}  // namespace skiff
