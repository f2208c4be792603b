#include "examples/report/dense.h"

#include <algorithm>
#include <cmath>

namespace skiff {

Matrix operator-(const Matrix& a, const Matrix& b) {
  Matrix c = a;
  for (size_t i = 0; i < c.at.size(); ++i) c.at[i] -= b.at[i];
  return c;
}
Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}
Matrix transposed(const Matrix& a) {
  Matrix t(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  return t;
}
double largest_entry(const Matrix& a) {
  double largest = 0;
  for (const double v : a.at) largest = std::max(largest, std::abs(v));
  return largest;
}

std::vector<Matrix> matrices_of(int64_t n, int64_t channels, DType dtype,
                                const std::function<Variable(const Variable&)>& map) {
  Tensor units = zeros({n, n, channels}, DType::Float64);
  for (int64_t j = 0; j < n; ++j)
    for (int64_t d = 0; d < channels; ++d) units.data<double>()[(j * n + j) * channels + d] = 1;
  const Tensor y = map(units.to(dtype)).value();
  const std::vector<double> values = to_vector(y);
  const int64_t rows = y.size(1);
  std::vector<Matrix> all(size_t(channels), Matrix(rows, n));
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t d = 0; d < channels; ++d)
        all[size_t(d)](i, j) = values[size_t((j * rows + i) * channels + d)];
  return all;
}
Matrix matrix_of(int64_t n, const std::function<Variable(const Variable&)>& map) {
  return matrices_of(n, 1, DType::Float64, map).front();
}

// Rotations make the columns orthogonal (one-sided Jacobi).
std::vector<double> singular_values(Matrix a) {
  Matrix t =
      a.rows >= a.columns ? transposed(a) : a;  // rows of t are the vectors to make orthogonal
  const int64_t m = t.rows, n = t.columns;
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool turned = false;
    for (int64_t p = 0; p < m; ++p)
      for (int64_t q = p + 1; q < m; ++q) {
        double *u = &t.at[size_t(p * n)], *v = &t.at[size_t(q * n)], uu = 0, vv = 0, uv = 0;
        for (int64_t i = 0; i < n; ++i) uu += u[i] * u[i], vv += v[i] * v[i], uv += u[i] * v[i];
        if (std::abs(uv) <= 1e-14 * std::sqrt(uu * vv) || uv == 0) continue;
        turned = true;
        const double z = (vv - uu) / (2 * uv),
                     s = (z >= 0 ? 1 : -1) / (std::abs(z) + std::sqrt(1 + z * z));
        const double c = 1 / std::sqrt(1 + s * s), d = c * s;
        for (int64_t i = 0; i < n; ++i) {
          const double x = u[i], y = v[i];
          u[i] = c * x - d * y;
          v[i] = d * x + c * y;
        }
      }
    if (!turned) break;
  }
  std::vector<double> sigma;
  for (int64_t p = 0; p < m; ++p) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += t(p, i) * t(p, i);
    sigma.push_back(std::sqrt(sum));
  }
  std::sort(sigma.rbegin(), sigma.rend());
  return sigma;
}

// 300 steps of the power method from a vector without symmetry.
double spectral_norm(const Matrix& a) {
  std::vector<double> v(size_t(a.columns)), u(size_t(a.rows));
  for (size_t i = 0; i < v.size(); ++i)
    v[i] = 1 + 0.37 * std::sin(1.7 * double(i) * double(i) + 0.3);
  double norm = 0;
  for (int step = 0; step < 300; ++step) {
    double length = 0;
    for (const double x : v) length += x * x;
    length = std::sqrt(length);
    if (length == 0) return 0;
    for (double& x : v) x /= length;
    norm = 0;
    for (int64_t i = 0; i < a.rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < a.columns; ++j) sum += a(i, j) * v[size_t(j)];
      u[size_t(i)] = sum;
      norm += sum * sum;
    }
    norm = std::sqrt(norm);
    std::fill(v.begin(), v.end(), 0.0);
    for (int64_t i = 0; i < a.rows; ++i)
      for (int64_t j = 0; j < a.columns; ++j) v[size_t(j)] += a(i, j) * u[size_t(i)];
  }
  return norm;
}

double effective_rank(const std::vector<double>& sigma) {
  double sum = 0, entropy = 0;
  for (const double s : sigma) sum += s;
  if (!(sum > 0)) return 0;
  for (const double s : sigma)
    if (s > 0) entropy -= s / sum * std::log(s / sum);
  return std::exp(entropy);
}

}  // namespace skiff
