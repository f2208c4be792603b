// Functions of one number: relu, silu, gelu, sigmoid, tanh, exp, elu. Real tensors of any shape.
//
//   forward   y[i] = f(x[i])
//   adjoint   gx[i] = gy[i] f'(x[i]),  since y[i] depends on x[i] alone
//
// Each function states f and its slope f' in terms of the one tensor it keeps. That is y where f'
// is simple in y: the op that reads y keeps it anyway, so it costs no memory. It is x where f has
// no inverse (silu, gelu).
//
//   relu     max(x, 0)              f' = 1 for y > 0, else 0
//   sigmoid  s = 1 / (1 + e^-x)     f' = e^-x / (1 + e^-x)^2 = s (1 - s)
//   tanh     t                      f' = 1 - t^2
//   exp      e^x                    f' = y
//   elu      x, e^x - 1 for x <= 0  f' = 1 for y > 0, else e^x = y + 1
//   silu     x s(x)                 f' = s + x s (1 - s) = s (1 + x (1 - s))
//   gelu     x P(x)                 f' = P + x p,  P(x) = (1 + erf(x / sqrt 2)) / 2 the normal
//                                   distribution, p(x) = P' = e^(-x^2 / 2) / sqrt(2 pi)

#include "autograd/op.h"
#include "autograd/ops/elementwise.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// The normal distribution at x: P(x) and p(x).
template <class T>
struct Normal {
  T P, p;
};
SKIFF_HOST_DEVICE inline Normal<double> normal(double x) {
  return {0.5 * std::erfc(-0.7071067811865476 * x), 0.3989422804014327 * std::exp(-0.5 * x * x)};
}
// In float with one exp and no branch, so that loops vectorise: for z >= 0 and t = 1 / (1 + z/2),
// erfc(z) = t q(t) e^(-z^2). q interpolates at the Chebyshev points of 0.16 <= t <= 1, relative
// error below 6e-8; it is written in powers of t - 1/2.
SKIFF_HOST_DEVICE inline Normal<float> normal(float x) {
  const float t = 1.0f / (1.0f + 0.35355339f * std::fabs(x)), s = t - 0.5f;
  float q = -0.0599588356f;
  q = q * s + 0.0490783835f;
  q = q * s + 0.095354046f;
  q = q * s - 0.10314955f;
  q = q * s - 0.171853029f;
  q = q * s + 0.145749547f;
  q = q * s + 0.558938345f;
  q = q * s + 0.68716084f;
  q = q * s + 0.510791378f;
  const float e = math::exp(-0.5f * x * x), tail = 0.5f * t * q * e;
  const float right = x < 0 ? 0.0f : 1.0f;
  return {right + (1.0f - 2.0f * right) * tail, 0.39894228f * e};  // tail or 1 - tail
}

struct Relu {
  static constexpr auto name = "relu";
  static constexpr bool keeps_output = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return x < T(0) ? T(0) : x;  // a NaN stays
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T y) {
    return y > T(0) ? T(1) : T(0);
  }
};

struct Sigmoid {
  static constexpr auto name = "sigmoid";
  static constexpr bool keeps_output = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return math::sigmoid(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T s) {
    return s * (T(1) - s);
  }
};

struct Tanh {
  static constexpr auto name = "tanh";
  static constexpr bool keeps_output = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return std::tanh(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T t) {
    return T(1) - t * t;
  }
};

struct Exp {
  static constexpr auto name = "exp";
  static constexpr bool keeps_output = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return math::exp(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T y) {
    return y;
  }
};

struct Elu {
  static constexpr auto name = "elu";
  static constexpr bool keeps_output = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return x > T(0) ? x : std::expm1(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T y) {
    return y > T(0) ? T(1) : y + T(1);
  }
};

struct Silu {
  static constexpr auto name = "silu";
  static constexpr bool keeps_output = false;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return math::silu(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T x) {
    const T s = math::sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
  }
};

struct Gelu {
  static constexpr auto name = "gelu";
  static constexpr bool keeps_output = false;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return x * normal(x).P;
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T x) {
    const Normal<T> n = normal(x);
    return n.P + x * n.p;
  }
};

template <class T, class F>
void run_value(const Tensor& x_tensor, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  parallel_for(x_tensor.device(), x_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { y[i] = F::value(x[i]); });
}

template <class T, class F>
void run_slope(const Tensor& gy_tensor, const Tensor& kept_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *kept = kept_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  parallel_for(gy_tensor.device(), gy_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { gx[i] = gy[i] * F::slope(kept[i]); });
}

template <class F>
struct Elementwise {
  static constexpr auto name = F::name;
  Tensor kept;  // saved: y or x

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { run_value<T, F>(x, y); });
    kept = F::keeps_output ? y : x;
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(gy);
    dispatch(gy, [&]<class T> { run_slope<T, F>(gy, kept, gx); });
    return {gx};
  }
  static std::vector<Sample<Elementwise>> samples() {
    return {{"odd", {}, {randn({7})}},
            {"even", {}, {randn({2, 8})}},
            {"length 1", {}, {randn({1})}},
            {"number", {}, {randn({})}},
            {"rank 4", {}, {randn({2, 3, 1, 3})}},
            {"far from 0", {}, {tensor_of({-9, -4.5, -2, 2, 4.5, 9}, {6}, DType::Float64)}}};
  }
};

}  // namespace

Variable relu(const Variable& x) { return apply(Elementwise<Relu>{}, x); }
Variable silu(const Variable& x) { return apply(Elementwise<Silu>{}, x); }
Variable gelu(const Variable& x) { return apply(Elementwise<Gelu>{}, x); }
Variable sigmoid(const Variable& x) { return apply(Elementwise<Sigmoid>{}, x); }
Variable tanh(const Variable& x) { return apply(Elementwise<Tanh>{}, x); }
Variable exp(const Variable& x) { return apply(Elementwise<Exp>{}, x); }
Variable elu(const Variable& x) { return apply(Elementwise<Elu>{}, x); }

}  // namespace skiff
