// The mask of dropout: what dropout, gated_linear and gated_linear_unit share (dropout.cpp has the
// rule).
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace skiff {

// Which rows of a whole batch the rows of a tensor are, by its leading axis of R rows. half = 0:
// the tensor is the whole batch. Else row r is row first + r for r < half; of a batch of two halves
// (pairs) it is row whole + first + (r - half) after that.
struct BatchRows {
  int64_t first = 0;            // only with half > 0
  int64_t half = 0, whole = 0;  // rows of a half, in the tensor and in the whole batch; of a batch
                                // without halves, all rows
};

// k[i] = 0 with probability `rate`, otherwise 1 / (1 - rate). The mask depends on (seed, step,
// call) and on the place of an element in the whole batch; the rate is rounded to a multiple of
// 2^-16.
struct DropoutMask {
  double rate = 0;
  uint64_t seed = 0, step = 0, call = 0;
  BatchRows rows = {};
};

// Error that names the op, before any of its threads begins.
inline void check_mask(const char* op, const DropoutMask& mask) {
  check(mask.rate >= 0 && mask.rate < 1, op, ": the rate must lie in [0, 1), got ", mask.rate);
  check(mask.rows.half > 0 || mask.rows.first == 0, op, ": rows from ", mask.rows.first,
        " on of a batch need their number, half, got 0");
}

// Elements per row of the leading axis, to which `rows` gives a place; 1 where there are none.
inline int64_t mask_row(const Tensor& x) {
  return x.rank() > 0 && x.size() > 0 ? x.size() / x.size(0) : 1;
}

// y = k x for `count` elements of a tensor from the one with index `first` on; y may be x. row: its
// mask_row.
template <class T>
void multiply_by_mask(const DropoutMask& mask, Device device, int64_t row, int64_t first,
                      int64_t count, const T* x, T* y);

}  // namespace skiff
