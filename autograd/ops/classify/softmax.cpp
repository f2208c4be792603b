// softmax over the last axis; causal: row i of a square matrix over its first
// i + 1 elements.
//
//   forward   m = max_j x[j],  s = sum_j e^(x[j] - m),  y[j] = e^(x[j] - m) / s,
//             for each row. Causal: j runs over 0 .. i, and y[j] = 0 beyond,
//             as if x[j] there were minus infinity
//   adjoint   log y[j] = x[j] - log sum_i e^x[i], so
//             dy[j] = y[j] (dx[j] - sum_i y[i] dx[i]).
//             This map of dx is symmetric, diag(y) - y y^T, hence
//             gx[j] = y[j] (gy[j] - <y, gy>)
//             Causal: the same over 0 .. i, and gx[j] = 0 beyond, where x
//             changes nothing
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

// How many elements of a row take part.
SKIFF_HOST_DEVICE inline int64_t length_of(int64_t row, int64_t d, bool causal) {
  return causal ? row % d + 1 : d;
}

template <class T>
void softmax_rows(const Tensor& x_tensor, bool causal, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  const int64_t d = x_tensor.size(-1);
  parallel_rows(x_tensor.device(), x_tensor.size() / d, 8 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d, n = length_of(row.index, d, causal);
    const T m = row.max(n, [&](int64_t j) { return x[o + j]; });
    const T s = row.sum(n, [&](int64_t j) {
      const T e = math::exp(x[o + j] - m);
      y[o + j] = e;
      return e;
    });
    const T inverse = T(1) / s;
    row.for_each(n, [&](int64_t j) { y[o + j] *= inverse; });
    row.for_each(d - n, [&](int64_t j) { y[o + n + j] = 0; });
  });
}

template <class T>
void rows_gradient(const Tensor& gy_tensor, const Tensor& y_tensor, bool causal,
                   Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *y = y_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t d = y_tensor.size(-1);
  parallel_rows(y_tensor.device(), y_tensor.size() / d, 2 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d, n = length_of(row.index, d, causal);
    const T dot = row.sum(n, [&](int64_t j) { return gy[o + j] * y[o + j]; });
    row.for_each(n, [&](int64_t j) { gx[o + j] = y[o + j] * (gy[o + j] - dot); });
    row.for_each(d - n, [&](int64_t j) { gx[o + n + j] = 0; });
  });
}

struct Softmax {
  static constexpr auto name = "softmax";
  bool causal = false;  // attribute
  Tensor y = {};        // saved

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(x.rank() >= 1 && x.size() > 0, name, ": x (.., d) with d >= 1 is needed, got ", x);
    check(!causal || (x.rank() >= 2 && x.size(-2) == x.size(-1)), name,
          ": a causal one needs x (.., n, n), got ", x);
    y = empty_like(x);
    dispatch(x, [&]<class T> { softmax_rows<T>(x, causal, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(gy);
    dispatch(gy, [&]<class T> { rows_gradient<T>(gy, y, causal, gx); });
    return {gx};
  }
  Tensor reference(const Tensor& x) const {
    Tensor y = zeros_like(x);
    const auto in = reference::elements(x, -1);
    const auto out = reference::elements(y, -1);
    for (int64_t r = 0; r < in.outer; ++r) {
      const int64_t n = causal ? r % in.n + 1 : in.n;
      double s = 0;
      for (int64_t j = 0; j < n; ++j) s += std::exp(in(r, j, 0));
      for (int64_t j = 0; j < n; ++j) out(r, j, 0) = std::exp(in(r, j, 0)) / s;
    }
    return y;
  }
  static std::vector<Sample<Softmax>> samples() {
    return {
        {"vector", {}, {randn({6})}},           {"rows", {}, {randn({4, 7})}},
        {"length 1", {}, {randn({3, 1})}},      {"rank 4", {}, {randn({2, 1, 3, 4})}},
        {"causal", {true}, {randn({2, 5, 5})}}, {"causal, length 1", {true}, {randn({3, 1, 1})}}};
  }
};

}  // namespace

Variable softmax(const Variable& x) { return apply(Softmax{}, x); }
Variable causal_softmax(const Variable& x) { return apply(Softmax{.causal = true}, x); }

}  // namespace skiff
