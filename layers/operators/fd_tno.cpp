#include "layers/operators/fd_tno.h"

#include <numbers>

#include "core/fft/fft.h"

namespace skiff {

FdTno::FdTno(Scope s, const FdTnoConfig& c)
    : config(c), rpe(s / "rpe", c.rpe, c.causal ? c.channels : 2 * c.channels) {
  check<UsageError>(c.heads >= 1 && c.channels % c.heads == 0, "fd: ", c.heads,
                    " heads do not divide ", c.channels, " channels");
}

Variable FdTno::response(int64_t F) const {
  const int64_t bins = F / 2 + 1, d = config.channels / config.heads;
  std::vector<double> frequencies;
  for (int64_t k = 0; k < bins; ++k)
    frequencies.push_back(std::numbers::pi * double(k) / double(F / 2));
  const Variable& weight = rpe.pos_proj.weight;
  const Variable out = rpe(position_column(frequencies, weight.dtype(), weight.device()));
  if (config.causal) return hilbert(out, F, 0);
  // The imaginary parts of bins 0 and F/2, zero in the published code, never reach a real output:
  // spectral_conv ignores them and gives them no gradient.
  const Variable parts = reshape(out, {bins, config.heads, 2, d});
  const Variable re = reshape(slice(parts, 2, 0, 1), {bins, config.channels});
  const Variable im = reshape(slice(parts, 2, 1, 2), {bins, config.channels});
  return to_complex(re, im);
}

Variable FdTno::operator()(const Variable& x, int64_t axis) const {
  const int64_t F = fft::fast_length(2 * x.size(axis));
  return spectral_conv(x, response(F), F, axis);
}

FdTnoFree::FdTnoFree(Scope s, const FdTnoFreeConfig& c)
    : config(c), dc(s.parameter("dc", {c.channels, 1}, constant(1))) {
  const Shape shape{c.channels, c.points};
  re = s.parameter(c.causal ? "coeffs" : "coeffs_re", shape, normal(1));
  if (!c.causal) im = s.parameter("coeffs_im", shape, normal(1));
}

Variable FdTnoFree::response(int64_t F) const {
  const auto bins = [&](const Variable& first, const Variable& coefficients) {
    const Variable rest = linear_resize(transpose(coefficients, 0, 1), F / 2, Resize::HalfPixel, 0);
    return concat({reshape(first, {1, config.channels}), rest}, 0);
  };
  if (config.causal) return hilbert(bins(dc, re), F, 0);
  return to_complex(bins(dc, re), bins(zeros_like(dc.value()), im));
}

Variable FdTnoFree::operator()(const Variable& x, int64_t axis) const {
  const int64_t F = fft::fast_length(2 * x.size(axis));
  return spectral_conv(x, response(F), F, axis);
}

}  // namespace skiff
