// What the lengths of a padded batch of sequences must be.
#pragma once

#include "autograd/op.h"

namespace skiff {

// x (B, n, D), lengths int32 (B) on the same device, 1 <= lengths[b] <= n (looked at on the CPU).
inline void check_lengths(const char* op, const Tensor& x, const Tensor& lengths) {
  check_real(op, "x", x);
  check(lengths && lengths.dtype() == DType::Int32, op, ": lengths must be int32, got ", lengths);
  check(x.rank() == 3 && lengths.shape() == x.shape().first(1) && x.device() == lengths.device(),
        op, ": x (B, n, D) and lengths (B) on one device are needed, got ", x, " and ", lengths);
  if (lengths.device() != Device::CPU) return;
  const int32_t* l = lengths.data<int32_t>();
  for (int64_t b = 0; b < x.size(0); ++b)
    check(l[b] >= 1 && l[b] <= x.size(1), op, ": lengths must lie in 1 .. ", x.size(1), ", got ",
          l[b], " in row ", b);
}

}  // namespace skiff
