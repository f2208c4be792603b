// Multiplies by the mask of dropout: what dropout and gated_linear share (dropout.cpp has the
// rule).
#pragma once

#include "autograd/ops.h"

namespace skiff {

// y = k x for `count` elements from the one with index `first`, a multiple of 128; y may be x.
template <class T>
void multiply_by_mask(const DropoutMask& mask, Device device, int64_t first, int64_t count,
                      const T* x, T* y);

}  // namespace skiff
