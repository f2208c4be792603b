// Kernels as functions of the lag, and the matrices that the ops of the library make of them.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "autograd/ops.h"
#include "core/random.h"
#include "examples/charts/charts.h"
#include "examples/report/dense.h"

namespace skiff::report {

using charts::Series;
using Kernel = std::function<double(double)>;  // of the lag

Tensor column(const std::vector<double>& v);
std::vector<double> integers(int64_t first, int64_t last);
std::vector<double> values_of(const Kernel& k, const std::vector<double>& lags);
std::vector<double> random_signal(int64_t n, uint64_t seed, uint64_t stream);
charts::HeatMap heat_map(const Matrix& m, double limit = 0);

// A kernel around a circle of F slots: lag l in slot l mod F. Lags that meet are added.
std::vector<double> circle_of(const Kernel& k, int64_t n, int64_t F);
// A kernel as toeplitz() wants it: lags 0 .. n-1, a zero, lags -(n-1) .. -1.
Tensor lags_of(const Kernel& k, int64_t n, double step = 1);
Matrix toeplitz_matrix(const Kernel& k, int64_t n);
// W A W^T: A holds the kernel at r inducing points.
Matrix low_rank_matrix(const Kernel& k, int64_t n, int64_t r);
// The centred filter of K numbers that makes up for the mean of each diagonal of E.
Tensor band_filter(const Matrix& E, int64_t K);
Matrix band_matrix(const Tensor& filter, int64_t n);

// The kernel of the first two sections: smooth, with spikes at lags -2 .. 2.
struct ExampleKernel {
  int64_t n = 32;
  std::vector<double> spikes;
  explicit ExampleKernel(uint64_t seed);
  static double smooth(double l);
  double operator()(double l) const;
};

}  // namespace skiff::report
