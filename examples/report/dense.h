// Small dense matrices, to look at operators with: an operator as its matrix, norms, singular
// values.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "autograd/tape.h"

namespace skiff {

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> at = {};  // row-major
  Matrix() = default;
  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), at(size_t(rows * columns), 0.0) {}
  double& operator()(int64_t i, int64_t j) { return at[size_t(i * columns + j)]; }
  double operator()(int64_t i, int64_t j) const { return at[size_t(i * columns + j)]; }
};

Matrix operator-(const Matrix& a, const Matrix& b);
Matrix operator*(const Matrix& a, const Matrix& b);
Matrix transposed(const Matrix& a);
double largest_entry(const Matrix& a);  // by its absolute value

// Matrices of a linear map of (B, n, D) along axis 1, one per channel: the map is applied to the n
// unit vectors, as a batch. Entry (i, j) is output i of unit vector j.
std::vector<Matrix> matrices_of(int64_t n, int64_t channels, DType dtype,
                                const std::function<Variable(const Variable&)>& map);
Matrix matrix_of(int64_t n, const std::function<Variable(const Variable&)>& map);

std::vector<double> singular_values(Matrix a);  // largest first
// The largest singular value from below, to about five digits.
double spectral_norm(const Matrix& a);
// exp of the entropy of the singular values as shares of their sum: n if all are equal, 1 if only
// one is not zero (Roy and Vetterli 2007).
double effective_rank(const std::vector<double>& sigma);

}  // namespace skiff
