// batch_norm: every channel to mean 0 and variance 1 over all N leading
// positions, then an affine map. Statistics::Running takes the running mean
// and variance in place of the batch's.
//
//   forward   m = 1/N sum_r x[r],  v = 1/N sum_r (x[r] - m)^2
//             i = (v + eps)^(-1/2),   h[r] = (x[r] - m) i,  r < N, per channel
//             y[r] = h[r] w + b
//             running_mean += momentum (m - running_mean), and the same for
//             the variance with v N/(N-1): Statistics::Batch only
//
//   adjoint   gb = sum_r gy[r],   gw = sum_r gy[r] h[r],   gh[r] = w gy[r]
//
// Running: m and i are constants, dh[r] = i dx[r], so gx[r] = w i gy[r].
//
// Batch: m and v move with x. With c[r] = x[r] - m = h[r] / i and sum_r c[r] =
// 0,
//
//   dm = 1/N sum_r dx[r]
//   dv = 2/N sum_r c[r] (dx[r] - dm) = 2/N sum_r c[r] dx[r]
//   di = -1/2 i^3 dv = -i^2 1/N sum_r h[r] dx[r]
//   dh[r] = i (dx[r] - dm) + c[r] di
//         = i (dx[r] - 1/N sum_q dx[q] - h[r] 1/N sum_q h[q] dx[q])
//
// This map of dx is symmetric in r and q, so gx is the same map of gh = w gy,
// in which the two sums are w gb and w gw:
//
//   gx[r] = w i (gy[r] - gb / N - h[r] gw / N)
//
// The statistics are taken in double in one pass, from x - x[0]: with N = B n
// positions a sum of squares in float32 loses its digits, and subtracting a
// member of the batch removes a large mean. With N = 1 the variance is 0 and
// the factor N/(N-1) is taken as 1.

#include <cmath>
#include <utility>

#include "autograd/op.h"
#include "autograd/ops/detail/batch_norm.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/norm.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
struct Moments {  // of x - x[0]
  const T *x, *first;
  SKIFF_HOST_DEVICE Terms<2> operator()(int64_t i, int64_t, int64_t d) const {
    const double c = double(x[i]) - double(first[d]);
    return {{c, c * c}};
  }
};

// Moments -> mean and variance of the batch, in double.
template <class T>
void batch_statistics(const Tensor& x_tensor, const Tensor& sums_tensor, Tensor& mean_tensor,
                      Tensor& var_tensor) {
  const T* first = x_tensor.data<T>();
  const double* sums = sums_tensor.data<double>();
  double *mean = mean_tensor.data<double>(), *var = var_tensor.data<double>();
  const int64_t D = mean_tensor.size();
  const double N = double(x_tensor.size() / D);
  parallel_for(x_tensor.device(), D, [=] SKIFF_KERNEL(int64_t d) {
    const double c = sums[d] / N, v = sums[D + d] / N - c * c;
    mean[d] = double(first[d]) + c;
    var[d] = batch_norms::not_negative(v);
  });
}

template <class R>
void move_running(const Tensor& batch_tensor, double factor, double momentum,
                  Tensor& running_tensor) {
  const double* batch = batch_tensor.data<double>();
  R* running = running_tensor.data<R>();
  parallel_for(batch_tensor.device(), batch_tensor.size(), [=] SKIFF_KERNEL(int64_t d) {
    running[d] = R(running[d] + momentum * (factor * batch[d] - running[d]));
  });
}

struct BatchNorm {
  static constexpr auto name = "batch_norm";
  Statistics statistics = Statistics::Batch;  // attributes
  double momentum = 0.1, eps = 1e-5;
  Tensor running_mean = {}, running_var = {};   // in training they may be absent
  BatchStatistics* found = nullptr;             // of training, where somebody asks for them
  Tensor x = {}, w = {}, m = {}, inverse = {};  // saved

  bool training() const { return statistics == Statistics::Batch; }
  Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b) {
    batch_norms::check_inputs(name, x, w, b);
    const bool given = running_mean && running_var;
    check(given || (training() && !running_mean && !running_var), name,
          ": a running mean and variance are needed, got ", running_mean, " and ", running_var);
    check(!given || (running_mean.is_real() && running_mean.dtype() == running_var.dtype() &&
                     running_mean.shape() == w.shape() && running_var.shape() == w.shape() &&
                     running_mean.device() == x.device() && running_var.device() == x.device()),
          name, ": running mean and variance (D) are needed for x ", x, ", got ", running_mean,
          " and ", running_var);
    this->x = x;
    this->w = w;
    const int64_t D = w.size(), N = x.size() / D;
    Tensor mean({D}, DType::Float64, x.device()), var = empty_like(mean);
    if (training()) {
      dispatch(x, [&]<class T> {
        const Tensor sums = column_sums<2>(x.device(), N, D, Moments<T>{x.data<T>(), x.data<T>()});
        batch_statistics<T>(x, sums, mean, var);
      });
      const double unbiased = N > 1 ? double(N) / double(N - 1) : 1;
      if (given) {
        dispatch(running_mean, [&]<class R> {
          move_running<R>(mean, 1, momentum, running_mean);
          move_running<R>(var, unbiased, momentum, running_var);
        });
      }
      if (found) *std::exchange(found, nullptr) = {N, mean, var};
    } else {
      dispatch(running_mean, [&]<class R> {
        batch_norms::widen<R>(running_mean, mean);
        batch_norms::widen<R>(running_var, var);
      });
    }
    return batch_norms::normalised(x, w, b, mean, var, eps, m, inverse);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const int64_t D = w.size(), N = x.size() / D;
    Tensor gx, gw, gb;
    dispatch(gy, [&]<class T> {
      const batch_norms::WeightTerms<T> terms{gy.data<T>(), x.data<T>(), m.data<T>(),
                                              inverse.data<T>()};
      const Tensor sums = column_sums<2>(gy.device(), N, D, terms);
      gw = sums_row(sums, 0, w.shape(), w.dtype());
      gb = sums_row(sums, 1, w.shape(), w.dtype());
      if (needs[0]) {
        gx = empty_like(x);
        // In evaluation, where the statistics are constants, 0.
        const T batch_share = training() ? T(1) / T(N) : T(0);
        batch_norms::input_gradient<T>(gy, x, w, m, inverse, gw, gb, batch_share, gx);
      }
    });
    return {gx, gw, gb};
  }
  void move_to(Device device) {
    running_mean = running_mean.to(device);
    running_var = running_var.to(device);
  }
  Tensor reference(const Tensor& x, const Tensor& w, const Tensor& b) const {
    Tensor y = empty_like(x);
    const auto in = reference::elements(x, -1);
    const auto out = reference::elements(y, -1);
    const double N = double(in.outer);
    for (int64_t d = 0; d < in.n; ++d) {
      double m = 0, v = 0;
      for (int64_t r = 0; r < in.outer; ++r) m += in(r, d, 0) / N;
      for (int64_t r = 0; r < in.outer; ++r) v += (in(r, d, 0) - m) * (in(r, d, 0) - m) / N;
      if (!training()) m = running_mean.data<double>()[d], v = running_var.data<double>()[d];
      for (int64_t r = 0; r < in.outer; ++r)
        out(r, d, 0) =
            (in(r, d, 0) - m) / std::sqrt(v + eps) * w.data<double>()[d] + b.data<double>()[d];
    }
    return y;
  }
  static std::vector<Sample<BatchNorm>> samples() {
    const Tensor mean = randn({3}), var = tensor_of({0.5, 1, 2.5}, {3}, DType::Float64);
    const BatchNorm evaluation{
        .statistics = Statistics::Running, .running_mean = mean, .running_var = var};
    return {{"training", {}, {randn({7, 3}), randn({3}), randn({3})}},
            {"training, sequence", {}, {randn({2, 4, 5}), randn({5}), randn({5})}},
            {"training, one channel", {}, {randn({6, 1}), randn({1}), randn({1})}},
            {"training, one position", {.eps = 0.5}, {randn({4}), randn({4}), randn({4})}},
            {"training, many positions", {}, {randn({2, 70, 2}), randn({2}), randn({2})}},
            {"evaluation", evaluation, {randn({5, 3}), randn({3}), randn({3})}},
            {"evaluation, rank 4", evaluation, {randn({2, 1, 2, 3}), randn({3}), randn({3})}}};
  }
};

}  // namespace

Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    const Tensor& running_mean, const Tensor& running_var, Statistics statistics,
                    double momentum, double eps, BatchStatistics* found) {
  return apply(BatchNorm{statistics, momentum, eps, running_mean, running_var, found}, x, weight,
               bias);
}

}  // namespace skiff
