// A matrix M (rows x columns) with two entries per row, in neighbouring columns: linear
// interpolation at any coordinates. What interpolate (as published), linear_resize and
// warped_kernel share.
//
//   forward   y[i] = a_i x[j_i] + b_i x[j_i + 1]
//   adjoint   <gy, M dx> = sum_i gy[i] (a_i dx[j_i] + b_i dx[j_i + 1]). What multiplies dx[j] is
//             gx[j] = sum_{i: j_i = j} a_i gy[i] + sum_{i: j_i + 1 = j} b_i gy[i],  gx = M^T gy
//
// Written like this, both are gathers: every element of the result is written by one task. The
// adjoint takes the rows i that touch column j from a list per column.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace skiff {

class TwoPointMap {
 public:
  struct Entry {  // row i = first e[left] + second e[left + 1]
    int64_t left;
    double first, second;
  };
  TwoPointMap(int64_t columns, const std::vector<Entry>& rows);

  // Reads a table of `columns` entries linearly at coordinates u: 0 <= u <= columns - 1.
  static TwoPointMap at_coordinates(int64_t columns, const std::vector<double>& u);

  Tensor apply(const Tensor& x, int64_t axis) const;  // (.., columns, ..) -> (.., rows, ..)
  // (.., rows, ..) -> (.., columns, ..)
  Tensor apply_transposed(const Tensor& g, int64_t axis) const;

 private:
  int64_t rows_, columns_;
  Tensor left_, weights_;        // int32 (rows), float64 (rows, 2)
  Tensor start_, row_, weight_;  // by column: int32 (columns + 1), int32 (..), float64 (..)
};

}  // namespace skiff
