// The mask of dropout: what dropout, gated_linear and gated_linear_unit share (dropout.cpp has the
// rule).
#pragma once

#include <cstdint>

#include "core/device.h"

namespace skiff {

// k[i] = 0 with probability `rate`, otherwise 1 / (1 - rate). The mask depends on (seed, step,
// call) alone; the rate is rounded to a multiple of 2^-16.
struct DropoutMask {
  double rate = 0;
  uint64_t seed = 0, step = 0, call = 0;
};

// y = k x for `count` elements from the one with index `first`, a multiple of 128; y may be x.
template <class T>
void multiply_by_mask(const DropoutMask& mask, Device device, int64_t first, int64_t count,
                      const T* x, T* y);

}  // namespace skiff
