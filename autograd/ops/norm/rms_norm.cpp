// simple_rms_norm: every row over its root mean square; rms_norm: the same,
// times a scale for each channel.
//
//   forward   rho = |x| / sqrt d,  s = rho + eps
//             h[j] = x[j] / s,   j < d, for each row
//             y = h in simple_rms_norm,  y[j] = h[j] scale[j] in rms_norm
//
// eps is outside the root: at x = 0 the map is differentiable, with slope 1/eps.
//
//   adjoint   gh[j] = gy[j], or gy[j] scale[j]. From rho^2 = sum_j x[j]^2 / d
//             follows drho = sum_j x[j] dx[j] / (d rho), so
//             dh[j] = dx[j] / s - x[j] / s^2 drho
//                   = dx[j] / s - x[j] sum_i x[i] dx[i] / (s^2 d rho),
//             a symmetric map of dx. Hence
//             gx[j] = gh[j] / s - x[j] <gh, x> / (s^2 d rho),
//             gscale[j] = sum_rows gy[j] x[j] / s
//
// At x = 0 the second term of gx is 0. For a tiny row rho s^2 would underflow:
// <gh, x> / (s^2 d) and x[j] / rho are formed apart.

#include <algorithm>
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/norm.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
struct NoScale {
  SKIFF_HOST_DEVICE T operator()(int64_t) const { return T(1); }
};
template <class T>
struct ChannelScale {
  const T* scale;
  SKIFF_HOST_DEVICE T operator()(int64_t j) const { return scale[j]; }
};

template <class T, class S>
void normalise_rows(const Tensor& x_tensor, S scale, T eps, Tensor& rho_tensor, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T *rho = rho_tensor.data<T>(), *y = y_tensor.data<T>();
  const int64_t d = x_tensor.size(-1);
  parallel_rows(x_tensor.device(), rho_tensor.size(), 2 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T p = std::sqrt(row.sum(d, [&](int64_t j) { return x[o + j] * x[o + j]; }) / T(d));
    const T inverse = T(1) / (p + eps);
    row.for_each(d, [&](int64_t j) { y[o + j] = x[o + j] * inverse * scale(j); });
    rho[row.index] = p;
  });
}

template <class T, class S>
void rows_gradient(const Tensor& gy_tensor, const Tensor& x_tensor, S scale, T eps,
                   const Tensor& rho_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *x = x_tensor.data<T>(), *rho = rho_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t d = x_tensor.size(-1);
  parallel_rows(gy_tensor.device(), rho_tensor.size(), 3 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * d;
    const T p = rho[row.index], s = p + eps, inverse = T(1) / s;
    const T dot = row.sum(d, [&](int64_t j) { return gy[o + j] * scale(j) * x[o + j]; });
    const T along = p > T(0) ? dot / (s * s * T(d)) : T(0), over_rho = p > T(0) ? T(1) / p : T(0);
    row.for_each(d, [&](int64_t j) {
      gx[o + j] = gy[o + j] * scale(j) * inverse - x[o + j] * over_rho * along;
    });
  });
}

template <class T>
struct ScaleTerms {  // gy x / s
  const T *gy, *x, *rho;
  T eps;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t r, int64_t) const {
    return {{double(gy[i] * (x[i] / (rho[r] + eps)))}};
  }
};

Tensor one_per_row(const Tensor& x) {
  return Tensor({x.size() / std::max<int64_t>(x.size(-1), 1)}, x.dtype(), x.device());
}

struct SimpleRmsNorm {
  static constexpr auto name = "simple_rms_norm";
  double eps = 1e-8;        // attribute
  Tensor x = {}, rho = {};  // saved: rho one number per row

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(x.rank() >= 1, name, ": x (.., D) is needed, got ", x);
    this->x = x;
    rho = one_per_row(x);
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { normalise_rows<T>(x, NoScale<T>{}, T(eps), rho, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(x);
    dispatch(gy, [&]<class T> { rows_gradient<T>(gy, x, NoScale<T>{}, T(eps), rho, gx); });
    return {gx};
  }
  static std::vector<Sample<SimpleRmsNorm>> samples() {
    return {{"rows", {}, {randn({5, 6})}},
            {"odd width", {}, {randn({2, 3, 7})}},
            {"one row", {}, {randn({8})}},
            {"width 1", {.eps = 0.5}, {randn({3, 1})}},
            {"large eps", {.eps = 2}, {randn({2, 1, 2, 4})}}};
  }
};

struct RmsNorm {
  static constexpr auto name = "rms_norm";
  double eps = 1e-8;                    // attribute
  Tensor x = {}, scale = {}, rho = {};  // saved

  Tensor forward(const Tensor& x, const Tensor& scale) {
    check_real(name, "x", x);
    check_like(name, x, scale);
    check(x.rank() >= 1 && scale.shape() == x.shape().last(1), name,
          ": x (.., D) and scale (D) are needed, got ", x, " and ", scale);
    this->x = x;
    this->scale = scale;
    rho = one_per_row(x);
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> {
      normalise_rows<T>(x, ChannelScale<T>{scale.data<T>()}, T(eps), rho, y);
    });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor gx, gscale;
    dispatch(gy, [&]<class T> {
      if (needs[0]) {
        gx = empty_like(x);
        rows_gradient<T>(gy, x, ChannelScale<T>{scale.data<T>()}, T(eps), rho, gx);
      }
      if (needs[1]) {
        const ScaleTerms<T> terms{gy.data<T>(), x.data<T>(), rho.data<T>(), T(eps)};
        gscale = sums_row(column_sums<1>(gy.device(), rho.size(), scale.size(), terms), 0,
                          scale.shape(), scale.dtype());
      }
    });
    return {gx, gscale};
  }
  static std::vector<Sample<RmsNorm>> samples() {
    return {{"rows", {}, {randn({5, 6}), randn({6})}},
            {"odd width", {}, {randn({2, 3, 7}), randn({7})}},
            {"one row", {}, {randn({8}), randn({8})}},
            {"width 1", {.eps = 0.5}, {randn({3, 1}), randn({1})}}};
  }
};

}  // namespace

Variable simple_rms_norm(const Variable& x, double eps) { return apply(SimpleRmsNorm{eps}, x); }
Variable rms_norm(const Variable& x, const Variable& scale, double eps) {
  return apply(RmsNorm{eps}, x, scale);
}

}  // namespace skiff
