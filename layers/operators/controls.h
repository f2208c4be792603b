// Controls: what a Toeplitz operator is compared with in the same trunk, to see what its long lags
// are worth. ShortConv is SKI's filter alone, without the interpolated part:
//   y[i] = sum_k c[k] x[i-k] over the lags |k| <= (m-1)/2;  causal: 0 <= k <= (m-1)/2
// NoMixing leaves every position as it is.
#pragma once

#include "layers/operators/mixer.h"
#include "layers/operators/rpe.h"
#include "layers/operators/ski_tno.h"

namespace skiff {

struct ShortConv : Mixer {
  bool causal;
  Variable conv_kernel;  // (channels, m), column q is lag (m-1)/2 - q; causal: ((m+1)/2), lag q
  // Of the options: filter and scaled.
  ShortConv(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
            const SkiOptions& o);
  Variable operator()(const Variable& x, int64_t axis = -2) const override;
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;
};

struct NoMixing : Mixer {
  int64_t channels;
  DType dtype;
  Device device;
  NoMixing(const Scope& s, const MixerShape& shape);
  Variable operator()(const Variable& x, int64_t) const override { return x; }
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;
};

}  // namespace skiff
