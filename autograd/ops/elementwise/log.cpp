// log: the natural logarithm; -infinity at 0, and not a number below.
//
//   forward   y[i] = log x[i],  so x = e^y
//   adjoint   dx = e^y dy = x dy, hence dy = dx / x and gx[i] = gy[i] / x[i]

#include "autograd/ops/detail/elementwise.h"
#include "autograd/ops/elementwise.h"

namespace skiff {
namespace {

struct Log {
  static constexpr auto name = "log";
  static constexpr bool keeps_output = false;
  static constexpr bool of_positive_numbers = true;
  template <class T>
  static SKIFF_HOST_DEVICE T value(T x) {
    return std::log(x);
  }
  template <class T>
  static SKIFF_HOST_DEVICE T slope(T x) {
    return T(1) / x;
  }
};

}  // namespace

Variable log(const Variable& x) { return apply(Elementwise<Log>{}, x); }

}  // namespace skiff
