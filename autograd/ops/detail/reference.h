// What the plain references of ops are written with: the elements of a float64 or complex128 tensor
// on the CPU, by index.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>

#include "core/tensor.h"

namespace skiff::reference {

using Bin = std::complex<double>;

// x seen as (outer, n, inner) around an axis.
template <class E>
struct Elements {
  E* data;
  int64_t outer, n, inner;
  E& operator()(int64_t o, int64_t i, int64_t d) const { return data[(o * n + i) * inner + d]; }
  template <class F>
  void for_each(const F& f) const {  // f(o, i, d)
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t d = 0; d < inner; ++d) f(o, i, d);
  }
};

template <class E = double>
Elements<const E> elements(const Tensor& x, int64_t axis) {
  const AxisView v = axis_view(x, axis);
  return {static_cast<const E*>(x.raw()), v.outer, v.n, v.inner};
}
template <class E = double>
Elements<E> elements(Tensor& x, int64_t axis) {
  const AxisView v = axis_view(x, axis);
  return {static_cast<E*>(x.raw()), v.outer, v.n, v.inner};
}

// The weight that linear interpolation gives to a point at distance u.
inline double hat(double u) { return std::max(0.0, 1 - std::abs(u)); }

// e^(2 pi i jk/F)
inline Bin turn(int64_t jk, int64_t F) {
  return std::polar(1.0, 2 * 3.14159265358979323846 * double(jk % F) / double(F));
}

// How many bins of the whole spectrum bin k of the half stands for.
inline double bins(int64_t k, int64_t F) { return k == 0 || 2 * k == F ? 1 : 2; }

inline double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace skiff::reference
