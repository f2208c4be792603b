// softmax over the last axis.
//
//   forward   m = max_j x[j],  s = sum_j e^(x[j] - m),  y[j] = e^(x[j] - m) / s,
//             for each row
//   adjoint   log y[j] = x[j] - log sum_i e^x[i], so
//             dy[j] = y[j] (dx[j] - sum_i y[i] dx[i]).
//             This map of dx is symmetric, diag(y) - y y^T, hence
//             gx[j] = y[j] (gy[j] - <y, gy>)
//
// y is kept: the op that reads it keeps it anyway, and x is not needed.

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/reference.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void softmax_rows(const Tensor& x_tensor, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  const int64_t d = x_tensor.size(-1);
  parallel_rows(x_tensor.device(), x_tensor.size() / d, 8 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T m = row.max(d, [&](int64_t j) { return x[o + j]; });
    const T s = row.sum(d, [&](int64_t j) {
      const T e = math::exp(x[o + j] - m);
      y[o + j] = e;
      return e;
    });
    const T inverse = T(1) / s;
    row.for_each(d, [&](int64_t j) { y[o + j] *= inverse; });
  });
}

template <class T>
void rows_gradient(const Tensor& gy_tensor, const Tensor& y_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *y = y_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t d = y_tensor.size(-1);
  parallel_rows(y_tensor.device(), y_tensor.size() / d, 2 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T dot = row.sum(d, [&](int64_t j) { return gy[o + j] * y[o + j]; });
    row.for_each(d, [&](int64_t j) { gx[o + j] = y[o + j] * (gy[o + j] - dot); });
  });
}

struct Softmax {
  static constexpr auto name = "softmax";
  Tensor y;  // saved

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(x.rank() >= 1 && x.size() > 0, name, ": x (.., d) with d >= 1 is needed, got ", x);
    y = empty_like(x);
    dispatch(x, [&]<class T> { softmax_rows<T>(x, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(gy);
    dispatch(gy, [&]<class T> { rows_gradient<T>(gy, y, gx); });
    return {gx};
  }
  Tensor reference(const Tensor& x) const {
    Tensor y = zeros_like(x);
    const auto in = reference::elements(x, -1);
    const auto out = reference::elements(y, -1);
    for (int64_t r = 0; r < in.outer; ++r) {
      double s = 0;
      for (int64_t j = 0; j < in.n; ++j) s += std::exp(in(r, j, 0));
      for (int64_t j = 0; j < in.n; ++j) out(r, j, 0) = std::exp(in(r, j, 0)) / s;
    }
    return y;
  }
  static std::vector<Sample<Softmax>> samples() {
    return {{"vector", {}, {randn({6})}},
            {"rows", {}, {randn({4, 7})}},
            {"length 1", {}, {randn({3, 1})}},
            {"rank 4", {}, {randn({2, 1, 3, 4})}}};
  }
};

}  // namespace

Variable softmax(const Variable& x) { return apply(Softmax{}, x); }

}  // namespace skiff
