// The factor that separates a half spectrum from a whole one: bins 0 and F/2 (F even) count once,
// every other bin k counts twice, for itself and for its conjugate at F - k. What rfft, irfft,
// hilbert and toeplitz share.
#pragma once

#include "core/tensor.h"

namespace skiff {

// X with bins 0 and F/2 (F even) times `ends`, the others times `interior`; a copy.
Tensor scale_bins(const Tensor& X, int64_t F, int64_t axis, double ends, double interior);

}  // namespace skiff
