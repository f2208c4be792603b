// The kernels that batch_norm and synchronized_batch_norm share, in the symbols of their files.
#pragma once

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/parallel.h"

namespace skiff::batch_norms {

// x (.., D), weight (D) and bias (D)
inline void check_inputs(const char* name, const Tensor& x, const Tensor& w, const Tensor& b) {
  check_real(name, "x", x);
  check_like(name, x, w);
  check_like(name, x, b);
  check(x.rank() >= 1 && x.size() > 0 && w.shape() == x.shape().last(1) && b.shape() == w.shape(),
        name, ": x (.., D), weight (D) and bias (D) are needed, got ", x, ", ", w, " and ", b);
}

// A variance that rounding may have made negative; a NaN stays.
SKIFF_HOST_DEVICE inline double not_negative(double v) { return v > 0 ? v : v < 0 ? 0 : v; }

template <class R>
void widen(const Tensor& running_tensor, Tensor& wide_tensor) {
  const R* running = running_tensor.data<R>();
  double* wide = wide_tensor.data<double>();
  parallel_for(running_tensor.device(), running_tensor.size(),
               [=] SKIFF_KERNEL(int64_t d) { wide[d] = double(running[d]); });
}

template <class T>
void center_and_scale(const Tensor& mean_tensor, const Tensor& var_tensor, double eps,
                      Tensor& m_tensor, Tensor& inverse_tensor) {
  const double *mean = mean_tensor.data<double>(), *var = var_tensor.data<double>();
  T *m = m_tensor.data<T>(), *inverse = inverse_tensor.data<T>();
  parallel_for(mean_tensor.device(), mean_tensor.size(), [=] SKIFF_KERNEL(int64_t d) {
    m[d] = T(mean[d]);
    inverse[d] = T(1 / std::sqrt(var[d] + eps));
  });
}

template <class T>
void normalise(const Tensor& x_tensor, const Tensor& w_tensor, const Tensor& b_tensor,
               const Tensor& m_tensor, const Tensor& inverse_tensor, Tensor& y_tensor) {
  const T *x = x_tensor.data<T>(), *w = w_tensor.data<T>(), *b = b_tensor.data<T>();
  const T *m = m_tensor.data<T>(), *inverse = inverse_tensor.data<T>();
  T* y = y_tensor.data<T>();
  const int64_t D = w_tensor.size();
  parallel_rows(x_tensor.device(), x_tensor.size() / D, D, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * D;
    row.for_each(D, [&](int64_t d) { y[o + d] = (x[o + d] - m[d]) * inverse[d] * w[d] + b[d]; });
  });
}

// y, and what backward keeps: m and the inverse deviation (D) in x's type.
inline Tensor normalised(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                         const Tensor& var, double eps, Tensor& m, Tensor& inverse) {
  Tensor y = empty_like(x);
  m = empty_like(w);
  inverse = empty_like(w);
  dispatch(x, [&]<class T> {
    center_and_scale<T>(mean, var, eps, m, inverse);
    normalise<T>(x, w, b, m, inverse, y);
  });
  return y;
}

template <class T>
struct WeightTerms {  // gy h and gy
  const T *gy, *x, *m, *inverse;
  SKIFF_HOST_DEVICE Terms<2> operator()(int64_t i, int64_t, int64_t d) const {
    return {{double(gy[i] * (x[i] - m[d]) * inverse[d]), double(gy[i])}};
  }
};

// gx = w i (gy - share (sum of gy + h sum of gy h))
template <class T>
void input_gradient(const Tensor& gy_tensor, const Tensor& x_tensor, const Tensor& w_tensor,
                    const Tensor& m_tensor, const Tensor& inverse_tensor, const Tensor& gw_tensor,
                    const Tensor& gb_tensor, T share, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *x = x_tensor.data<T>(), *w = w_tensor.data<T>();
  const T *m = m_tensor.data<T>(), *inverse = inverse_tensor.data<T>();
  const T *gw = gw_tensor.data<T>(), *gb = gb_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t D = w_tensor.size();
  parallel_rows(gy_tensor.device(), gy_tensor.size() / D, D, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * D;
    row.for_each(D, [&](int64_t d) {
      const T h = (x[o + d] - m[d]) * inverse[d];
      gx[o + d] = w[d] * inverse[d] * (gy[o + d] - share * (gb[d] + h * gw[d]));
    });
  });
}

}  // namespace skiff::batch_norms
