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
  return gated(activation, u_proj(x), mixed(v_proj(x), lengths), o, drop);
}

// What silu and gelu make is forgotten until the backward; the other activations keep it for
// theirs.
Variable Gtu::mixed(const Variable& v, const Tensor& lengths) const {
  const auto activated = [this, lengths](const Variable& x) {
    const Variable y = activate(activation, x);
    return lengths ? mask_positions(y, lengths) : y;
  };
  Remade active = {activated(v)};
  if (activation == Activation::Silu || activation == Activation::Gelu)
    active.make_again = [activated, x = v.value()] { return activated(x).value(); };
  return forgetting(active, [this](const Variable& x) { return (*mixer)(x); });
}

}  // namespace skiff
