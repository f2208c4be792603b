// A sparse matrix M (rows x columns) with two entries a row, at neighbouring columns: what linear
// interpolation is. It is fixed, so only M x and M^T g are needed, each a gather: row i of M x
// reads two elements; row j of M^T g reads those rows i of g that touch column j, from a list by
// column.
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

  // Reads a table of `columns` nodes linearly at coordinates u: 0 <= u <= columns - 1.
  static TwoPointMap at_coordinates(int64_t columns, const std::vector<double>& u);

  Tensor apply(const Tensor& x, int64_t axis) const;  // (.., columns, ..) -> (.., rows, ..)
  Tensor apply_transposed(const Tensor& g,
                          int64_t axis) const;  // (.., rows, ..) -> (.., columns, ..)
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

 private:
  int64_t rows_, columns_;
  Tensor left_, weights_;        // int32 (rows), float64 (rows, 2)
  Tensor start_, row_, weight_;  // by column: int32 (columns + 1), int32 (..), float64 (..)
};

}  // namespace skiff
