// sqrt: the square root; not a number below 0.
//
//   forward   y[i] = x[i]^(1/2),  so x = y^2
//   adjoint   dx = 2 y dy, hence gx[i] = gy[i] / (2 y[i])
//
// At x = 0 the slope is infinite, and so is the gradient.

#include "autograd/ops/detail/elementwise.h"
#include "autograd/ops/elementwise.h"

namespace skiff {
namespace {

struct Sqrt {
  static constexpr auto name = "sqrt";
  static constexpr bool keeps_output = true;
  static constexpr bool of_positive_numbers = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return std::sqrt(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T y) {
    return T(1) / (T(2) * y);
  }
};

}  // namespace

Variable sqrt(const Variable& x) { return apply(Elementwise<Sqrt>{}, x); }

}  // namespace skiff
