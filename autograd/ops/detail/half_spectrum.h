// The factor that separates a half spectrum from a whole one: bins 0 and F/2 (F even) stand for
// themselves, every other bin k also for its conjugate at F - k.
#pragma once

#include "core/tensor.h"

namespace skiff {

// X with bins 0 and F/2 (F even) times `ends`, the others times `interior`; a copy.
Tensor scale_bins(const Tensor& X, int64_t F, int64_t axis, double ends, double interior);

}  // namespace skiff
