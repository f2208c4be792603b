// synchronized_batch_norm: batch_norm (batch_norm.cpp) of one shard of a
// batch, with the mean and the variance of the whole batch. Below, all(s) is
// the sum over the shards of what each of them passes at the same place: the
// only thing that a shard learns of the others. c is a constant shift.
//
//   forward   N  = all(number of x's rows)
//             S1 = all(sum_r (x[r] - c)),   S2 = all(sum_r (x[r] - c)^2)
//             m = c + S1/N,   v = S2/N - (S1/N)^2
//             i = (v + eps)^(-1/2),   h[r] = (x[r] - m) i,   per channel
//             y[r] = h[r] w + b
//
//   adjoint   gb = sum_r gy[r],   gw = sum_r gy[r] h[r],   of this shard
//             A = all(gb),   C = all(gw)
//             gx[r] = w i (gy[r] - A/N - h[r] C/N)
//
// Let q run over the rows of all shards. m and v move with every x[q], so a
// row x[r] of this shard acts on the loss through the outputs of all shards.
// With all of the batch in view, batch_norm.cpp derives
//
//   gx[r] = w i (gy[r] - 1/N sum_q gy[q] - h[r] 1/N sum_q gy[q] h[q]),
//
// and the sums over q are A and C. w and b are the same in all shards; what
// this shard adds to their gradients is its own gb and gw, because those of
// the shards are added up later, like all gradients.
//
// Sums are taken in double. batch_norm subtracts a row of the batch, x[0],
// before it squares; here every shard has to subtract the same, and c is the
// running mean, which all have without asking: near the mean except in the
// first steps. Of v's digits, about 2 log10(|m - c| / sqrt(v)) are lost.

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
struct ShiftedMoments {  // 1, x - c and its square
  const T* x;
  const double* shift;
  SKIFF_HOST_DEVICE Terms<3> operator()(int64_t i, int64_t, int64_t d) const {
    const double c = double(x[i]) - shift[d];
    return {{1, c, c * c}};
  }
};

// Sums of all shards -> their mean and variance.
void statistics_of(const Tensor& sums_tensor, const Tensor& shift_tensor, Tensor& mean_tensor,
                   Tensor& var_tensor) {
  const double *sums = sums_tensor.data<double>(), *shift = shift_tensor.data<double>();
  double *mean = mean_tensor.data<double>(), *var = var_tensor.data<double>();
  const int64_t D = mean_tensor.size();
  parallel_for(mean_tensor.device(), D, [=] SKIFF_KERNEL(int64_t d) {
    const double N = sums[d], c = sums[D + d] / N, v = sums[2 * D + d] / N - c * c;
    mean[d] = shift[d] + c;
    var[d] = batch_norms::not_negative(v);
  });
}

// Row k of sums, divided by N.
template <class T>
Tensor mean_row(const Tensor& sums_tensor, int64_t k, const Tensor& N_tensor, const Tensor& like) {
  Tensor y_tensor = empty_like(like);
  const int64_t D = y_tensor.size();
  const double *sums = sums_tensor.data<double>() + k * D, *N = N_tensor.data<double>();
  T* y = y_tensor.data<T>();
  parallel_for(y_tensor.device(), D, [=] SKIFF_KERNEL(int64_t d) { y[d] = T(sums[d] / N[d]); });
  return y_tensor;
}

struct SynchronizedBatchNorm {
  static constexpr auto name = "synchronized_batch_norm";
  SumOverShards all = {};  // attributes
  Tensor shift = {};
  double eps = kNormEps;
  BatchStatistics* found = nullptr;                     // where somebody asks for them
  Tensor N = {}, x = {}, w = {}, m = {}, inverse = {};  // saved

  // Row by row what the shards pass: N, S1 and S2, or gw and gb.
  Tensor of_all(const Tensor& sums) const {
    const Tensor total = all(sums);
    check(total.shape() == sums.shape() && total.dtype() == sums.dtype(), name,
          ": the sum over shards must look like ", sums, ", got ", total);
    return total;
  }
  Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b) {
    batch_norms::check_inputs(name, x, w, b);
    check(shift && shift.is_real() && shift.shape() == w.shape() && shift.device() == x.device(),
          name, ": a shift (D) is needed for x ", x, ", got ", shift);
    this->x = x;
    this->w = w;
    const int64_t D = w.size(), rows = x.size() / D;
    Tensor c({D}, DType::Float64, x.device()), mean = empty_like(c), var = empty_like(c), sums;
    dispatch(shift, [&]<class R> { batch_norms::widen<R>(shift, c); });
    dispatch(x, [&]<class T> {
      sums = column_sums<3>(x.device(), rows, D, ShiftedMoments<T>{x.data<T>(), c.data<double>()});
    });
    sums = of_all(sums);
    N = sums_row(sums, 0, w.shape(), DType::Float64);
    statistics_of(sums, c, mean, var);
    if (found) *std::exchange(found, nullptr) = {int64_t(to_vector(N)[0]), mean, var};
    return batch_norms::normalised(x, w, b, mean, var, eps, m, inverse);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const int64_t D = w.size();
    Tensor gx, gw, gb;
    dispatch(gy, [&]<class T> {
      const batch_norms::WeightTerms<T> terms{gy.data<T>(), x.data<T>(), m.data<T>(),
                                              inverse.data<T>()};
      const Tensor own = column_sums<2>(gy.device(), x.size() / D, D, terms);
      gw = sums_row(own, 0, w.shape(), w.dtype());
      gb = sums_row(own, 1, w.shape(), w.dtype());
      if (needs[0]) {
        const Tensor sums = of_all(own);
        const Tensor mean_gw = mean_row<T>(sums, 0, N, w), mean_gb = mean_row<T>(sums, 1, N, w);
        gx = empty_like(x);
        batch_norms::input_gradient<T>(gy, x, w, m, inverse, mean_gw, mean_gb, T(1), gx);
      }
    });
    return {gx, gw, gb};
  }
  void move_to(Device device) { shift = shift.to(device); }
  Tensor reference(const Tensor& x, const Tensor& w, const Tensor& b) const {
    Tensor y = empty_like(x), sums = zeros({3, w.size()}, DType::Float64);
    const auto in = reference::elements(x, -1);
    const auto out = reference::elements(y, -1), sum = reference::elements(sums, -1);
    const double* c = shift.data<double>();
    for (int64_t d = 0; d < in.n; ++d)
      for (int64_t r = 0; r < in.outer; ++r) {
        sum(0, d, 0) += 1;
        sum(1, d, 0) += in(r, d, 0) - c[d];
        sum(2, d, 0) += (in(r, d, 0) - c[d]) * (in(r, d, 0) - c[d]);
      }
    const Tensor total = all(sums);
    const auto S = reference::elements(total, -1);
    for (int64_t d = 0; d < in.n; ++d) {
      const double N = S(0, d, 0), m = c[d] + S(1, d, 0) / N;
      const double v = S(2, d, 0) / N - (m - c[d]) * (m - c[d]);
      for (int64_t r = 0; r < in.outer; ++r)
        out(r, d, 0) =
            (in(r, d, 0) - m) / std::sqrt(v + eps) * w.data<double>()[d] + b.data<double>()[d];
    }
    return y;
  }
  // all(..) for a batch of two shards, where no loss depends on the other one: it passes sums of so
  // many rows of 1.5 + d in channel d, and zeros backward.
  static SumOverShards beside(int rows, const Tensor& shift) {
    return [=](const Tensor& sums) {
      if (sums.size(0) == 2) return sums;  // backward
      std::vector<double> total = to_vector(sums);
      const size_t D = size_t(sums.size(1));
      for (size_t d = 0; d < D; ++d) {
        const double other = 1.5 + double(d) - shift.data<double>()[d];
        total[d] += rows, total[D + d] += rows * other, total[2 * D + d] += rows * other * other;
      }
      return tensor_of(total, sums.shape()).to(sums.device());
    };
  }
  static std::vector<Sample<SynchronizedBatchNorm>> samples() {
    const Tensor zero = zeros({3}, DType::Float64), shift = randn({3});
    const auto only = [](const Tensor& sums) { return sums; };
    return {{"one shard", {only, zero}, {randn({7, 3}), randn({3}), randn({3})}},
            {"one shard, sequence", {only, shift}, {randn({2, 4, 3}), randn({3}), randn({3})}},
            {"one position", {only, shift, .5}, {randn({3}), randn({3}), randn({3})}},
            {"beside another shard",
             {beside(4, shift), shift},
             {randn({5, 3}), randn({3}), randn({3})}},
            {"beside a larger one, many positions",
             {beside(200, zero), zero},
             {randn({2, 70, 3}), randn({3}), randn({3})}}};
  }
};

}  // namespace

Variable synchronized_batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                                 const Tensor& shift, const SumOverShards& sum_over_shards,
                                 double eps, BatchStatistics* found) {
  return apply(SynchronizedBatchNorm{sum_over_shards, shift, eps, found}, x, weight, bias);
}

}  // namespace skiff
