// Sums and means, and what leaves the padding of a batch of sequences out.
#pragma once

#include "autograd/tape.h"

namespace skiff {

Variable sum(const Variable& x);                // all elements -> ()
Variable sum(const Variable& x, int64_t axis);  // the axis disappears
Variable mean(const Variable& x);
Variable mean(const Variable& x, int64_t axis);
// y[b] = 1/l_b sum_{i < l_b} x[b, i];  x (B, n, D), lengths int32 (B), 1 <= l_b <= n -> (B, D)
Variable mean_over_length(const Variable& x, const Tensor& lengths);
// y[b, c] = max_{i < l_b} x[b, i, c];  x (B, n, D), lengths int32 (B), 1 <= l_b <= n -> (B, D). The
// gradient goes to the first position that has the maximum; NaN counts as larger than all numbers.
Variable max_over_length(const Variable& x, const Tensor& lengths);
Variable last_position(const Variable& x);  // x[b, n-1];  (B, n, D) -> (B, D)
// y[b, i] = x[b, i] for i < l_b, otherwise 0;  x (B, n, D), lengths int32 (B)
Variable mask_positions(const Variable& x, const Tensor& lengths);

}  // namespace skiff
