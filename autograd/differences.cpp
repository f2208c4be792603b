#include "autograd/differences.h"

#include <algorithm>
#include <cmath>

namespace skiff {

double inner(const Tensor& a, const Tensor& b) {
  const std::vector<double> left = to_vector(a), right = to_vector(b);
  check(left.size() == right.size(), "inner: ", a, " and ", b, " have different sizes");
  double sum = 0;
  for (size_t i = 0; i < left.size(); ++i) sum += left[i] * right[i];
  return sum;
}

Tensor central_differences(const std::function<double(const Tensor& x)>& loss, const Tensor& x,
                           double step_size) {
  check(real_part_type(x.dtype()) == DType::Float64 && x.device() == Device::CPU,
        "central_differences: float64 or complex128 on the CPU is needed, got ", x);
  Tensor slopes = empty_like(x);
  const int64_t reals = x.size() * (x.is_complex() ? 2 : 1);
  for (int64_t e = 0; e < reals; ++e) {
    const double entry = static_cast<const double*>(x.raw())[e];
    const auto moved = [&](double h) {
      Tensor at = x.clone();
      static_cast<double*>(at.raw())[e] += h;
      return loss(at);
    };
    static_cast<double*>(slopes.raw())[e] =
        central_difference(moved, step_size * std::max(1.0, std::abs(entry)));
  }
  return slopes;
}

}  // namespace skiff
