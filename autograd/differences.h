// Central differences, (f(h) - f(-h)) / 2h: the slope of f at 0 up to an error of O(h^2).
#pragma once

#include <functional>

#include "core/tensor.h"

namespace skiff {

// The sum of the products of all entries. A complex number is a pair of reals, so this is
// sum Re a Re b + Im a Im b.
double inner(const Tensor& a, const Tensor& b);

template <class F>
double central_difference(const F& f, double h) {
  return (f(h) - f(-h)) / (2 * h);
}

// The gradient of `loss` at x (float64 or complex128, on the CPU), entry by entry. The step is
// step_size max(1, |entry|).
Tensor central_differences(const std::function<double(const Tensor& x)>& loss, const Tensor& x,
                           double step_size);

}  // namespace skiff
