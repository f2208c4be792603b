// abs: the absolute value.
//
//   forward   y[i] = |x[i]|
//   adjoint   y = x above 0 and -x below, hence gx[i] = sign(x[i]) gy[i]
//
// At x = 0 every slope from -1 to 1 is a subgradient; 0, the middle, is taken.

#include "autograd/ops/detail/elementwise.h"
#include "autograd/ops/elementwise.h"

namespace skiff {
namespace {

struct Abs {
  static constexpr auto name = "abs";
  static constexpr bool keeps_output = false;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return std::abs(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T x) {
    return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);
  }
};

}  // namespace

Variable abs(const Variable& x) { return apply(Elementwise<Abs>{}, x); }

}  // namespace skiff
