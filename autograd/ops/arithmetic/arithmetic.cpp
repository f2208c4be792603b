// add, sub, mul, div: a op b, where b is repeated over the leading axes of a
// (its shape is the end of a's) or is a single number. scale: s x.
//
//   forward   y[r, d] = a[r, d] op b[d],   r over the leading axes
//
// adjoint. With da and db the loss moves by sum_{r,d} gy[r,d] (dy/da da[r,d] +
// dy/db db[d]). The coefficient of db[d] collects every r, so
//
//   ga[r, d] = gy[r, d] dy/da,          gb[d] = sum_r gy[r, d] dy/db:
//
//   add   ga = gy,       gb = sum_r gy
//   sub   ga = gy,       gb = -sum_r gy
//   mul   ga = gy b,     gb = sum_r gy a
//   div   ga = gy / b,   gb = -sum_r gy a / b^2 = -sum_r ga y
//   scale gx = s gy
//
// mul and div take real numbers only: the complex product has a file of its
// own.

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/detail/combine.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct Plus {
  template <class E>
  SKIFF_HOST_DEVICE E operator()(E a, E b) const {
    return a + b;
  }
};
struct Minus {
  template <class E>
  SKIFF_HOST_DEVICE E operator()(E a, E b) const {
    return a - b;
  }
};
struct Times {
  template <class E>
  SKIFF_HOST_DEVICE E operator()(E a, E b) const {
    return a * b;
  }
};
struct Over {
  template <class E>
  SKIFF_HOST_DEVICE E operator()(E a, E b) const {
    return a / b;
  }
};

template <class F>
Tensor combined(const Tensor& a, const Tensor& b, F f) {
  Tensor y = empty_like(a);
  if (y.size() == 0) return y;
  dispatch(a, [&]<class T> { combine<T>(a, b, y, f); });
  return y;
}

template <class F>
Tensor combined_or_complex(const Tensor& a, const Tensor& b, F f) {
  if (!a.is_complex()) return combined(a, b, f);
  Tensor y = empty_like(a);
  if (y.size() == 0) return y;
  dispatch(a, [&]<class T> { combine<Complex<T>>(a, b, y, f); });
  return y;
}

template <class T>
void scale_reals(const Tensor& x_tensor, Tensor& y_tensor, T s) {
  const T* x = static_cast<const T*>(x_tensor.raw());
  T* y = static_cast<T*>(y_tensor.raw());
  const int64_t reals = x_tensor.size() * (x_tensor.is_complex() ? 2 : 1);
  parallel_for(x_tensor.device(), reals, [=] SKIFF_KERNEL(int64_t i) { y[i] = s * x[i]; });
}

Tensor scaled(const Tensor& x, double s) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> { scale_reals<T>(x, y, T(s)); });
  return y;
}

Tensor product_over_leading(const Tensor& a, const Tensor& b, const Shape& suffix) {
  if (suffix.size() == a.size()) return combined(a, b, Times{}).reshape(suffix);
  return sum_leading_product(a, b, suffix);
}

struct Add {
  static constexpr auto name = "add";
  static constexpr Linearity linear = Linearity::Jointly;
  Shape b_shape;  // saved

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_floating(name, a);
    check_operands(name, a, b);
    b_shape = b.shape();
    return combined_or_complex(a, b, Plus{});
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    return {gy, needs[1] ? sum_leading(gy, b_shape) : Tensor()};
  }
  static std::vector<Sample<Add>> samples() {
    return {{"same shape", {}, {randn({3, 5}), randn({3, 5})}},
            {"bias", {}, {randn({4, 3, 5}), randn({5})}},
            {"table", {}, {randn({4, 3, 5}), randn({3, 5})}},
            {"number", {}, {randn({3, 5}), randn({})}},
            {"number of shape (1)", {}, {randn({7}), randn({1})}},
            {"length 1", {}, {randn({1}), randn({1})}},
            {"many rows", {}, {randn({70, 2}), randn({2})}},
            {"complex", {}, {randc({3, 5}), randc({3, 5})}},
            {"complex bias", {}, {randc({2, 4, 3}), randc({3})}},
            {"complex number", {}, {randc({4, 3}), randc({})}}};
  }
};

struct Sub {
  static constexpr auto name = "sub";
  static constexpr Linearity linear = Linearity::Jointly;
  Shape b_shape;  // saved

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_floating(name, a);
    check_operands(name, a, b);
    b_shape = b.shape();
    return combined_or_complex(a, b, Minus{});
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    return {gy, needs[1] ? scaled(sum_leading(gy, b_shape), -1) : Tensor()};
  }
  static std::vector<Sample<Sub>> samples() {
    return {{"same shape", {}, {randn({2, 6}), randn({2, 6})}},
            {"bias", {}, {randn({2, 3, 4}), randn({4})}},
            {"number", {}, {randn({3, 5}), randn({})}},
            {"length 1", {}, {randn({1, 1}), randn({1})}},
            {"complex", {}, {randc({7}), randc({7})}},
            {"complex bias", {}, {randc({3, 2}), randc({2})}}};
  }
};

struct Mul {
  static constexpr auto name = "mul";
  static constexpr Linearity linear = Linearity::InEach;
  Tensor a, b;  // saved

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_real(name, "a", a);
    check_operands(name, a, b);
    this->a = a;
    this->b = b;
    return combined(a, b, Times{});
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    return {needs[0] ? combined(gy, b, Times{}) : Tensor(),
            needs[1] ? product_over_leading(gy, a, b.shape()) : Tensor()};
  }
  static std::vector<Sample<Mul>> samples() {
    return {{"same shape", {}, {randn({3, 5}), randn({3, 5})}},
            {"bias", {}, {randn({4, 3, 5}), randn({5})}},
            {"table", {}, {randn({2, 1, 3, 4}), randn({3, 4})}},
            {"number", {}, {randn({3, 5}), randn({})}},
            {"many rows", {}, {randn({65, 3}), randn({3})}},
            {"length 1", {}, {randn({1}), randn({1, 1})}}};
  }
};

struct Div {
  static constexpr auto name = "div";
  Tensor b, y;  // saved

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_real(name, "a", a);
    check_operands(name, a, b);
    this->b = b;
    return y = combined(a, b, Over{});
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const Tensor ga = combined(gy, b, Over{});
    return {ga, needs[1] ? scaled(product_over_leading(ga, y, b.shape()), -1) : Tensor()};
  }
  static std::vector<Sample<Div>> samples() {  // divisors e^z are away from 0
    const auto positive = [](Shape shape) {
      Tensor z = randn(shape);
      for (int64_t i = 0; i < z.size(); ++i) z.data<double>()[i] = std::exp(z.data<double>()[i]);
      return z;
    };
    return {{"same shape", {}, {randn({3, 4}), positive({3, 4})}},
            {"bias", {}, {randn({2, 3, 5}), positive({5})}},
            {"number", {}, {randn({7}), positive({})}},
            {"length 1", {}, {randn({1}), positive({1})}}};
  }
};

struct Scale {
  static constexpr auto name = "scale";
  static constexpr Linearity linear = Linearity::Jointly;
  double s = 1;  // attribute

  Tensor forward(const Tensor& x) {
    check_floating(name, x);
    return scaled(x, s);
  }
  Grads backward(const Tensor& gy, Needs) const { return {scaled(gy, s)}; }
  static std::vector<Sample<Scale>> samples() {
    return {{"real", {.s = -0.75}, {randn({3, 5})}},
            {"number", {.s = 3}, {randn({})}},
            {"length 1", {.s = 0}, {randn({1})}},
            {"complex", {.s = 2.5}, {randc({2, 3, 2})}}};
  }
};

}  // namespace

Variable add(const Variable& a, const Variable& b) { return apply(Add{}, a, b); }
Variable sub(const Variable& a, const Variable& b) { return apply(Sub{}, a, b); }
Variable mul(const Variable& a, const Variable& b) { return apply(Mul{}, a, b); }
Variable div(const Variable& a, const Variable& b) { return apply(Div{}, a, b); }
Variable scale(const Variable& x, double s) { return apply(Scale{s}, x); }

namespace {
Tensor number_like(const char* op, const Variable& x, double s) {
  check_real(op, "x", x.value());
  return full({}, s, x.dtype(), x.device());
}
}  // namespace

Variable operator+(const Variable& x, double s) { return add(x, number_like("add", x, s)); }
Variable operator-(const Variable& x, double s) { return sub(x, number_like("sub", x, s)); }
Variable operator-(double s, const Variable& x) { return -x + s; }
Variable operator/(const Variable& x, double s) { return div(x, number_like("div", x, s)); }

}  // namespace skiff
