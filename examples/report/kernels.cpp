#include "examples/report/kernels.h"

namespace skiff::report {

Tensor column(const std::vector<double>& v) { return tensor_of(v, {int64_t(v.size()), 1}); }

std::vector<double> integers(int64_t first, int64_t last) {
  std::vector<double> v;
  for (int64_t i = first; i <= last; ++i) v.push_back(double(i));
  return v;
}

std::vector<double> values_of(const Kernel& k, const std::vector<double>& lags) {
  std::vector<double> v;
  for (const double l : lags) v.push_back(k(l));
  return v;
}

std::vector<double> random_signal(int64_t n, uint64_t seed, uint64_t stream) {
  Random random(seed, stream);
  std::vector<double> x;
  for (int64_t i = 0; i < n; ++i) x.push_back(random.normal());
  return x;
}

charts::HeatMap heat_map(const Matrix& m, double limit) {
  return {.rows = m.rows, .columns = m.columns, .values = m.at, .limit = limit};
}

std::vector<double> circle_of(const Kernel& k, int64_t n, int64_t F) {
  std::vector<double> a(size_t(F), 0);
  for (int64_t l = -(n - 1); l < n; ++l) a[size_t(((l % F) + F) % F)] += k(double(l));
  return a;
}

Tensor lags_of(const Kernel& k, int64_t n, double step) {
  std::vector<double> t(size_t(2 * n), 0);
  for (int64_t l = -(n - 1); l < n; ++l) t[size_t(l >= 0 ? l : 2 * n + l)] = k(double(l) * step);
  return column(t);
}

Matrix toeplitz_matrix(const Kernel& k, int64_t n) {
  Matrix T(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) T(i, j) = k(double(i - j));
  return T;
}

Matrix low_rank_matrix(const Kernel& k, int64_t n, int64_t r) {
  const InterpolationMatrix W{n, r};
  const Tensor between = lags_of(k, r, double(n - 1) / double(r - 1));
  return matrix_of(n, [&](const Variable& x) {
    return interpolate(toeplitz(between, interpolate_adjoint(x, W), Direction::Bidirectional), W);
  });
}

Tensor band_filter(const Matrix& E, int64_t K) {
  std::vector<double> c;
  for (int64_t q = 0; q < K; ++q) {
    const int64_t lag = (K - 1) / 2 - q;
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < E.rows; ++i)
      if (i - lag >= 0 && i - lag < E.columns) sum += E(i, i - lag), ++count;
    c.push_back(sum / double(count));
  }
  return column(c);
}

Matrix band_matrix(const Tensor& filter, int64_t n) {
  return matrix_of(n,
                   [&](const Variable& x) { return conv1d(x, filter, Direction::Bidirectional); });
}

ExampleKernel::ExampleKernel(uint64_t seed) {
  Random random(seed, 1);
  for (int i = 0; i < 5; ++i) spikes.push_back(0.9 * random.normal());
}

double ExampleKernel::smooth(double l) {
  return 0.9 * std::exp(-std::pow((l - 4) / 11, 2)) - 0.4 * std::exp(-std::pow((l + 10) / 7, 2));
}

double ExampleKernel::operator()(double l) const {
  const bool near = std::abs(l) <= 2 && l == std::floor(l);
  return smooth(l) + (near ? spikes[size_t(l + 2)] : 0);
}

}  // namespace skiff::report
