// What several test files share: comparing tensors, random data, numbers with a derivative.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "core/random.h"

namespace skiff::testing {

// The larger one; NaN if one of them is, which std::max would lose.
inline double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

// Largest |a - b|, relative to the largest |b| (at least 1e-2).
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0, largest = 1e-2;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    if (std::isnan(d)) return d;  // a NaN is below no limit
    worst = std::max(worst, d);
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}
inline double distance(const Tensor& a, const std::vector<double>& b) {
  return distance(to_vector(a), b);
}
inline double distance(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() ? distance(to_vector(a), to_vector(b)) : INFINITY;
}

inline Tensor random64(Shape shape, uint64_t seed) {
  return random_normal(shape, DType::Float64, seed);
}
inline Tensor complex128(Shape shape, uint64_t seed) {
  return random_normal(shape, DType::Complex128, seed);
}
inline Tensor values(const std::vector<double>& numbers, Shape shape) {
  return tensor_of(numbers, shape);
}

// The message of the Error that f throws; "" if it throws none.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The identity, with the gradient that `gradient` makes of gy. Not in the table of ops, where a
// wrong one would fail the tests of all ops.
struct WithGradient {
  static constexpr auto name = "with_gradient";
  Tensor (*gradient)(const Tensor& gy);
  Tensor forward(const Tensor& x) { return x.clone(); }
  Grads backward(const Tensor& gy, Needs) const { return {gradient(gy)}; }
};
inline Variable with_gradient(const Variable& x, Tensor (*gradient)(const Tensor& gy)) {
  WithGradient op{gradient};
  const Recorder recorder({x});
  Tensor y = op.forward(x.value());
  return recorder.finish(op.name, std::move(y), {x},
                         [&] { return std::make_unique<skiff::detail::OpNode<WithGradient>>(op); });
}
inline Tensor first_entry(const Tensor& x) {
  return tensor_of(std::vector<double>{to_vector(x)[0]}, {1}, x.dtype());
}

// A number and its derivative in one direction: the exact derivative of a slow reference.
struct Dual {
  double v = 0, d = 0;
  Dual() = default;
  Dual(double v) : v(v) {}
  Dual(double v, double d) : v(v), d(d) {}
};
inline Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
inline Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
inline Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v)}; }
inline Dual& operator+=(Dual& a, Dual b) { return a = a + b; }
inline Dual square_root(Dual a) {
  const double r = std::sqrt(a.v);
  return {r, a.v == 0 ? 0 : a.d / (2 * r)};
}
inline Dual positive_part(Dual a) { return a.v > 0 ? a : Dual(0); }
inline Dual logistic(Dual a) {
  const double s = 1 / (1 + std::exp(-a.v));
  return {s, s * (1 - s) * a.d};
}
inline Dual power(Dual a, double e) {
  if (e == 0) return {1, 0};
  return {std::pow(a.v, e), e * std::pow(a.v, e - 1) * a.d};
}

}  // namespace skiff::testing
