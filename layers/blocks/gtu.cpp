#include "layers/blocks/gtu.h"

#include "autograd/ops.h"
#include "autograd/recompute.h"
#include "layers/blocks/glu.h"
#include "layers/blocks/mixer2d.h"

namespace skiff {
namespace {

std::unique_ptr<Mixer> make_mixer(const Scope& s, const GtuOptions& o, const MakeMixer& make) {
  if (o.height > 0 && o.width > 0)
    return std::make_unique<Mixer2d>(s, o.inner, o.height, o.width, make);
  return make(s / "toep", {.channels = o.inner, .train_length = o.train_length});
}

Initializer start_of(Start start, int64_t in) {
  return start == Start::Small ? normal(0.02) : uniform(1 / std::sqrt(double(in)));
}

}  // namespace

Gtu::Gtu(const Scope& s, const GtuOptions& options, const MakeMixer& make)
    : activation(options.activation),
      u_proj(s / "u_proj", options.dim, options.inner, start_of(options.start, options.dim)),
      v_proj(s / "v_proj", options.dim, options.inner, start_of(options.start, options.dim)),
      o(s / "o", options.inner, options.dim, start_of(options.start, options.inner)),
      mixer(make_mixer(s, options, make)),
      drop(s, options.height > 0 ? options.dropout : 0) {}

Variable Gtu::operator()(const Variable& x, const Tensor& lengths) const {
  const auto activated = [this, lengths](const Variable& v) {
    const Variable active = activate(activation, v);
    return lengths ? mask_positions(active, lengths) : active;
  };
  const Variable v = v_proj(x);  // (B, n, inner)
  Remade active = {activated(v)};
  if (!active.value.value().shares_storage(v.value()))
    active.make_again = [=, v = v.value()] { return activated(v).value(); };
  const Variable mixed = forgetting(active, [this](const Variable& h) { return (*mixer)(h); });
  return gated(activation, u_proj(x), mixed, o, drop);
}

}  // namespace skiff
