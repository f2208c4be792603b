#include "layers/operators/fd_tno.h"

#include <cmath>
#include <numbers>

#include "autograd/ops.h"
#include "core/fft/fft.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

// What irfft makes of the response of a causal operator for sequences of `lags` positions.
template <class Operator>
Tensor taps_of(const Operator& op, int64_t lags) {
  check<UsageError>(op.causal, "fd: only a causal operator has a causal kernel");
  check<UsageError>(lags >= 1, "fd: a kernel needs at least 1 lag, got ", lags);
  const Tape::Pause pause;
  const int64_t F = fft::fast_length(2 * lags);
  return slice(irfft(op.response(F), F, 0), 0, 0, lags).value();
}

}  // namespace

FdTno::FdTno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
             const FdOptions& o)
    : channels(shape.channels),
      heads(o.heads),
      causal(kernel.causal),
      rpe(s / "rpe", kernel.rpe, causal ? channels : 2 * channels) {
  check<UsageError>(heads >= 1 && channels % heads == 0, "fd: ", heads, " heads do not divide ",
                    channels, " channels");
}

Variable FdTno::response(int64_t F) const {
  const int64_t bins = F / 2 + 1, d = channels / heads;
  std::vector<double> frequencies, logarithms;
  for (int64_t k = 0; k < bins; ++k) {
    frequencies.push_back(std::numbers::pi * double(k) / double(F / 2));
    logarithms.push_back(std::log(2 * std::numbers::pi * double(k + 1) / double(F)));
  }
  const Variable& weight = rpe.pos_proj.weight;
  const Variable out =
      rpe(rpe.options.input == KernelInput::Log
              ? position_columns(frequencies, logarithms, weight.dtype(), weight.device())
              : position_column(frequencies, weight.dtype(), weight.device()));
  if (causal) return hilbert(out, F, 0);
  // The imaginary parts of bins 0 and F/2, zero in the published code, never reach a real output:
  // spectral_conv ignores them and gives them no gradient.
  const Variable parts = reshape(out, {bins, heads, 2, d});
  const Variable re = reshape(slice(parts, 2, 0, 1), {bins, channels});
  const Variable im = reshape(slice(parts, 2, 1, 2), {bins, channels});
  return to_complex(re, im);
}

Variable FdTno::operator()(const Variable& x, int64_t axis) const {
  check(x.size(axis) >= 1, "fd: a sequence needs at least 1 position, got ", x.value());
  const int64_t F = fft::fast_length(2 * x.size(axis));
  return spectral_conv(x, response(F), F, axis);
}

Tensor FdTno::causal_taps(int64_t lags, Beyond) const { return taps_of(*this, lags); }

FdTnoFree::FdTnoFree(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
                     const FdOptions& o)
    : channels(shape.channels),
      causal(kernel.causal),
      dc(s.parameter("dc", {channels, 1}, constant(1))) {
  check<UsageError>(o.points >= 1, "fd: at least 1 free coefficient is needed, got ", o.points);
  re = s.parameter(causal ? "coeffs" : "coeffs_re", {channels, o.points}, normal(1));
  if (!causal) im = s.parameter("coeffs_im", {channels, o.points}, normal(1));
}

Variable FdTnoFree::response(int64_t F) const {
  const auto bins = [&](const Variable& first, const Variable& coefficients) {
    const Variable rest = linear_resize(transpose(coefficients, 0, 1), F / 2, Resize::HalfPixel, 0);
    return concat({reshape(first, {1, channels}), rest}, 0);
  };
  if (causal) return hilbert(bins(dc, re), F, 0);
  return to_complex(bins(dc, re), bins(zeros_like(dc.value()), im));
}

Variable FdTnoFree::operator()(const Variable& x, int64_t axis) const {
  check(x.size(axis) >= 1, "fd: a sequence needs at least 1 position, got ", x.value());
  const int64_t F = fft::fast_length(2 * x.size(axis));
  return spectral_conv(x, response(F), F, axis);
}

Tensor FdTnoFree::causal_taps(int64_t lags, Beyond) const { return taps_of(*this, lags); }

MixerEntry fd_mixer() {
  return {.name = "fd",
          .hint = "Toeplitz operator whose frequency response is a network of the frequency",
          .make = [](const Scope& s, const MixerShape& shape,
                     const ModelOptions& o) -> std::unique_ptr<Mixer> {
            if (o.fd.points > 0) return std::make_unique<FdTnoFree>(s, shape, o.kernel, o.fd);
            return std::make_unique<FdTno>(s, shape, o.kernel, o.fd);
          },
          .options =
              [](const ModelOptions& o) {
                if (o.fd.points > 0) return std::vector<std::string>{"fd-points"};
                std::vector<std::string> names = field_names(o.fd);
                for (const std::string& name : field_names(o.kernel.rpe)) names.push_back(name);
                return names;
              }};
}

}  // namespace skiff
