// layer_norm: every row to mean 0 and variance 1, then an affine map of each channel.
//
//   forward   m = 1/d sum_j x[j],  v = 1/d sum_j (x[j] - m)^2,  r = (v + eps)^(-1/2)
//             h[j] = (x[j] - m) r,   y[j] = h[j] w[j] + b[j],   j < d, for each row
//
// adjoint. gb = sum_rows gy, gw = sum_rows gy h, gh = gy w. For gx let dx move the row, and write
// c[j] = x[j] - m = h[j] / r:
//   dm = 1/d sum dx,   dv = 2/d sum_j c[j] (dx[j] - dm) = 2/d sum_j c[j] dx[j]   (sum c = 0),
//   dr = -1/2 r^3 dv = -r^2 1/d sum_j h[j] dx[j],
//   dh[j] = r (dx[j] - dm) + c[j] dr = r (dx[j] - 1/d sum dx - h[j] 1/d sum_i h[i] dx[i]).
// This map of dx is symmetric, so the adjoint is the same map of gh:
//   gx[j] = r (gh[j] - 1/d sum gh - h[j] 1/d sum_i h[i] gh[i]).

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/norm.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void normalise_rows(const Tensor& x_tensor, const Tensor& w_tensor, const Tensor& b_tensor, T eps,
                    Tensor& mean_tensor, Tensor& rstd_tensor, Tensor& y_tensor) {
  const T *x = x_tensor.data<T>(), *w = w_tensor.data<T>(), *b = b_tensor.data<T>();
  T *mean = mean_tensor.data<T>(), *rstd = rstd_tensor.data<T>(), *y = y_tensor.data<T>();
  const int64_t d = w_tensor.size();
  parallel_rows(x_tensor.device(), mean_tensor.size(), 4 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T m = row.sum(d, [&](int64_t j) { return x[o + j]; }) / T(d);
    const T v = row.sum(d, [&](int64_t j) { return (x[o + j] - m) * (x[o + j] - m); }) / T(d);
    const T r = T(1) / std::sqrt(v + eps);
    row.for_each(d, [&](int64_t j) { y[o + j] = (x[o + j] - m) * r * w[j] + b[j]; });
    mean[row.index] = m;
    rstd[row.index] = r;
  });
}

template <class T>
void rows_gradient(const Tensor& gy_tensor, const Tensor& x_tensor, const Tensor& w_tensor,
                   const Tensor& mean_tensor, const Tensor& rstd_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *x = x_tensor.data<T>(), *w = w_tensor.data<T>();
  const T *mean = mean_tensor.data<T>(), *rstd = rstd_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t d = w_tensor.size();
  parallel_rows(gy_tensor.device(), mean_tensor.size(), 4 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T m = mean[row.index], r = rstd[row.index];
    const T sum_gh = row.sum(d, [&](int64_t j) { return gy[o + j] * w[j]; }) / T(d);
    const T sum_hgh =
        row.sum(d, [&](int64_t j) { return gy[o + j] * w[j] * (x[o + j] - m) * r; }) / T(d);
    row.for_each(d, [&](int64_t j) {
      const T h = (x[o + j] - m) * r;
      gx[o + j] = r * (gy[o + j] * w[j] - sum_gh - h * sum_hgh);
    });
  });
}

template <class T>
struct WeightTerms {  // gy h and gy
  const T *gy, *x, *mean, *rstd;
  SKIFF_HOST_DEVICE Terms<2> operator()(int64_t i, int64_t r, int64_t) const {
    return {{double(gy[i] * (x[i] - mean[r]) * rstd[r]), double(gy[i])}};
  }
};

struct LayerNorm {
  static constexpr auto name = "layer_norm";
  double eps = 1e-5;                            // attribute
  Tensor x = {}, w = {}, mean = {}, rstd = {};  // saved: mean and rstd one number per row

  Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b) {
    check_real(name, "x", x);
    check_like(name, x, w);
    check_like(name, x, b);
    check(x.rank() >= 1 && w.shape() == x.shape().last(1) && b.shape() == w.shape(), name,
          ": x (.., D), weight (D) and bias (D) are needed, got ", x, ", ", w, " and ", b);
    this->x = x;
    this->w = w;
    Tensor y = empty_like(x);
    const Shape rows{x.size() / (w.size() > 0 ? w.size() : 1)};
    mean = Tensor(rows, x.dtype(), x.device());
    rstd = Tensor(rows, x.dtype(), x.device());
    dispatch(x, [&]<class T> { normalise_rows<T>(x, w, b, T(eps), mean, rstd, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor gx, gw, gb;
    dispatch(gy, [&]<class T> {
      if (needs[0]) {
        gx = empty_like(x);
        rows_gradient<T>(gy, x, w, mean, rstd, gx);
      }
      if (needs[1] || needs[2]) {
        const WeightTerms<T> terms{gy.data<T>(), x.data<T>(), mean.data<T>(), rstd.data<T>()};
        const Tensor sums = column_sums<2>(gy.device(), mean.size(), w.size(), terms);
        gw = sums_row(sums, 0, w.shape(), w.dtype());
        gb = sums_row(sums, 1, w.shape(), w.dtype());
      }
    });
    return {gx, gw, gb};
  }
  Tensor reference(const Tensor& x, const Tensor& w, const Tensor& b) const {
    Tensor y = empty_like(x);
    const auto in = reference::elements(x, -1);
    const auto out = reference::elements(y, -1);
    const double d = double(in.n);
    for (int64_t row = 0; row < in.outer; ++row) {
      double m = 0, v = 0;
      for (int64_t j = 0; j < in.n; ++j) m += in(row, j, 0) / d;
      for (int64_t j = 0; j < in.n; ++j) v += (in(row, j, 0) - m) * (in(row, j, 0) - m) / d;
      for (int64_t j = 0; j < in.n; ++j)
        out(row, j, 0) =
            (in(row, j, 0) - m) / std::sqrt(v + eps) * w.data<double>()[j] + b.data<double>()[j];
    }
    return y;
  }
  static std::vector<Sample<LayerNorm>> samples() {
    return {{"rows", {}, {randn({5, 6}), randn({6}), randn({6})}},
            {"odd width", {}, {randn({2, 3, 7}), randn({7}), randn({7})}},
            {"one row", {}, {randn({8}), randn({8}), randn({8})}},
            {"width 1", {.eps = 9}, {randn({3, 1}), randn({1}), randn({1})}},
            {"large eps", {.eps = 0.5}, {randn({2, 2, 1, 4}), randn({4}), randn({4})}}};
  }
};

}  // namespace

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  return apply(LayerNorm{eps}, x, weight, bias);
}

}  // namespace skiff
