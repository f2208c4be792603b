#include "layers/operators/controls.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "layers/mixers.h"

namespace skiff {

ShortConv::ShortConv(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
                     const SkiOptions& o)
    : causal(kernel.causal) {
  check<UsageError>(o.filter >= 1, "conv: the filter must have at least length 1, got ", o.filter);
  const int64_t m = o.filter | 1, kept = causal ? (m + 1) / 2 : m;
  conv_kernel = s.parameter("conv_kernel", {shape.channels, kept},
                            normal(o.scaled ? 1 / std::sqrt(double(m)) : 1));
}

Variable ShortConv::operator()(const Variable& x, int64_t axis) const {
  const Direction direction = causal ? Direction::Causal : Direction::Bidirectional;
  return conv1d(x, transpose(conv_kernel, 0, 1), direction, axis);
}

Tensor ShortConv::causal_taps(int64_t lags, Beyond) const {
  check<UsageError>(causal, "conv: only a causal operator has a causal kernel");
  check<UsageError>(lags >= 1, "conv: a kernel needs at least 1 lag, got ", lags);
  const Tape::Pause pause;
  const int64_t kept = std::min(conv_kernel.size(1), lags), channels = conv_kernel.size(0);
  const Variable near = slice(transpose(conv_kernel, 0, 1), 0, 0, kept);
  if (kept == lags) return near.value();
  return concat({near, zeros({lags - kept, channels}, near.dtype(), near.device())}, 0).value();
}

NoMixing::NoMixing(const Scope& s, const MixerShape& shape)
    : channels(shape.channels), dtype(s.store().dtype()), device(s.store().device()) {}

Tensor NoMixing::causal_taps(int64_t lags, Beyond) const {
  check<UsageError>(lags >= 1, "none: a kernel needs at least 1 lag, got ", lags);
  const Tape::Pause pause;
  const Variable here = full({1, channels}, 1, dtype, device);
  if (lags == 1) return here.value();
  return concat({here, zeros({lags - 1, channels}, dtype, device)}, 0).value();
}

MixerEntry conv_mixer() {
  return {.name = "conv",
          .hint = "control: the short filter of ski alone",
          .make = [](const Scope& s, const MixerShape& shape,
                     const ModelOptions& o) -> std::unique_ptr<Mixer> {
            return std::make_unique<ShortConv>(s, shape, o.kernel, o.ski);
          },
          .options =
              [](const ModelOptions&) {
                return std::vector<std::string>{"filter", "scaled"};
              }};
}

MixerEntry none_mixer() {
  return {.name = "none",
          .hint = "control: positions are not mixed, only pooled at the end",
          .make = [](const Scope& s, const MixerShape& shape, const ModelOptions&)
              -> std::unique_ptr<Mixer> { return std::make_unique<NoMixing>(s, shape); },
          .options = [](const ModelOptions&) { return std::vector<std::string>{}; }};
}

}  // namespace skiff
