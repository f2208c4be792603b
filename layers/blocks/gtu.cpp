#include "layers/blocks/gtu.h"

namespace skiff {
namespace {

std::variant<Tno, SkiTno, FdTno, FdTnoFree> make_operator(Scope s, MixerConfig config,
                                                          int64_t channels) {
  std::visit([&](auto& c) { c.channels = channels; }, config);
  if (const auto* c = std::get_if<TnoConfig>(&config)) return Tno(s, *c);
  if (const auto* c = std::get_if<SkiTnoConfig>(&config)) return SkiTno(s, *c);
  if (const auto* c = std::get_if<FdTnoConfig>(&config)) return FdTno(s, *c);
  return FdTnoFree(s, std::get<FdTnoFreeConfig>(config));
}

std::variant<Mixer, Mixer2d> make_mixer(Scope s, const GtuConfig& c) {
  if (c.height > 0 && c.width > 0) return Mixer2d(s, c.mixer, c.inner, c.height, c.width);
  return Mixer(s / "toep", c.mixer, c.inner);
}

// A mixer's warp is made for the length it is trained on: along an image's axis, that axis.
MixerConfig for_length(MixerConfig config, int64_t n) {
  if (auto* ski = std::get_if<SkiTnoConfig>(&config)) ski->train_length = n;
  return config;
}

Initializer start_of(Start start, int64_t in) {
  return start == Start::Small ? normal(0.02) : uniform(1 / std::sqrt(double(in)));
}

// out(dropout(act(a)) * b): one op for the usual activation.
Variable gated(Activation activation, const Variable& a, const Variable& b, const Linear& out,
               const Dropout& drop) {
  if (activation != Activation::Silu) return out(drop(activate(activation, a)) * b);
  return gated_linear(a, b, out.weight, out.bias, drop.mask());
}

}  // namespace

Mixer::Mixer(Scope s, MixerConfig config, int64_t channels)
    : op(make_operator(s, std::move(config), channels)) {}

Variable Mixer::operator()(const Variable& x, int64_t axis) const {
  return std::visit([&](const auto& layer) { return layer(x, axis); }, op);
}

Mixer2d::Mixer2d(Scope s, const MixerConfig& config, int64_t channels, int64_t height,
                 int64_t width)
    : height(height),
      width(width),
      toep1(s / "toep1", for_length(config, width), channels),
      toep2(s / "toep2", for_length(config, height), channels) {}

Variable Mixer2d::operator()(const Variable& x) const {
  const int64_t n = x.size(-2), channels = x.size(-1);
  check(x.rank() == 3 && n == height * width, "mixer2d: an image of ", height, " x ", width,
        " has ", height * width, " positions, got ", x.value());
  const Variable image = reshape(x, {x.size(0), height, width, channels});
  const Variable mixed = toep2(toep1(image, /*axis=*/-2), /*axis=*/-3);
  return 2.0 * reshape(mixed, x.shape());
}

Gtu::Gtu(Scope s, const GtuConfig& c)
    : activation(c.activation),
      u_proj(s / "u_proj", c.dim, c.inner, start_of(c.start, c.dim)),
      v_proj(s / "v_proj", c.dim, c.inner, start_of(c.start, c.dim)),
      o(s / "o", c.inner, c.dim, start_of(c.start, c.inner)),
      toep(make_mixer(s, c)),
      drop(s, c.height > 0 ? c.dropout : 0) {}

Variable Gtu::operator()(const Variable& x, const Tensor& lengths) const {
  Variable v = activate(activation, v_proj(x));  // (B, n, inner)
  if (lengths) v = mask_positions(v, lengths);
  const Variable mixed = std::visit([&](const auto& mixer) { return mixer(v); }, toep);
  return gated(activation, u_proj(x), mixed, o, drop);
}

Glu::Glu(Scope s, int64_t dim, int64_t inner, double dropout, Activation activation)
    : activation(activation),
      l1(s / "l1", dim, inner),
      l2(s / "l2", dim, inner),
      l3(s / "l3", inner, dim),
      drop(s, dropout) {}

Variable Glu::operator()(const Variable& x) const {
  if (activation != Activation::Silu) return gated(activation, l1(x), l2(x), l3, drop);
  return gated_linear_unit(x, {l1.weight, l1.bias, l2.weight, l2.bias, l3.weight, l3.bias},
                           drop.mask());
}

}  // namespace skiff
