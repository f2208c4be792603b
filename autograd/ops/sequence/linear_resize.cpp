// linear_resize: n values along an axis read linearly at m equally spaced
// places.
//
//   AlignedEnds   u_i = i (n-1)/(m-1), 0 for m = 1     the ends are kept
//   HalfPixel     u_i = (i + 1/2) n/m - 1/2, at least 0 and at most n-1:
//                 every value stands at the centre of a cell
//   forward       j_i = min(floor(u_i), n-2),  f_i = u_i - j_i
//                 y[i] = (1 - f_i) x[j_i] + f_i x[j_i + 1];  n = 1: y[i] = x[0]
//   adjoint       the weights are fixed, y = M x, so gx = M^T gy: every x[j]
//                 gets gy[i] times the weight with which place i read it
//                 (two_point_map.h)
//
// Causal SKI takes its kernel from r inducing points to all lags with
// AlignedEnds; FD without a network takes its coefficients to all bins with
// HalfPixel.

#include <algorithm>
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/two_point_map.h"
#include "autograd/ops/sequence.h"

namespace skiff {
namespace {

struct LinearResize {
  static constexpr auto name = "linear_resize";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t m;
  Resize mode;
  int64_t axis = -2;  // attributes
  int64_t n = 0;      // saved

  TwoPointMap matrix() const {
    std::vector<TwoPointMap::Entry> rows;
    for (int64_t i = 0; i < m; ++i) {
      // u = numerator / denominator, exactly: no place is rounded past a value.
      int64_t numerator = i * (n - 1), denominator = std::max<int64_t>(m - 1, 1);
      if (mode == Resize::HalfPixel) {
        numerator = std::max<int64_t>((2 * i + 1) * n - m, 0);
        denominator = 2 * m;
      }
      const int64_t j = std::min(numerator / denominator, std::max<int64_t>(n - 2, 0));
      const double f =
          std::min(double(numerator - j * denominator) / double(denominator), n > 1 ? 1.0 : 0.0);
      rows.push_back({j, 1 - f, f});
    }
    return TwoPointMap(n, rows);
  }
  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    n = x.size(axis);
    check(n >= 1 && m >= 1, "linear_resize: sizes must be positive, got ", n, " to ", m);
    check(n <= int64_t(1) << 30 && m <= int64_t(1) << 30,
          "linear_resize: sizes up to 2^30 are supported, got ", n, " to ", m);
    return matrix().apply(x, axis);
  }
  Grads backward(const Tensor& gy, Needs) const { return {matrix().apply_transposed(gy, axis)}; }

  Tensor reference(const Tensor& x) const {
    Tensor y(x.shape().with(axis, m), x.dtype());
    const auto in = reference::elements(x, axis);
    const auto out = reference::elements(y, axis);
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      double u = m > 1 ? double(i * (in.n - 1)) / double(m - 1) : 0;
      if (mode == Resize::HalfPixel)
        u = std::clamp((double(i) + 0.5) * double(in.n) / double(m) - 0.5, 0.0, double(in.n - 1));
      out(o, i, d) = 0;
      for (int64_t j = 0; j < in.n; ++j)
        out(o, i, d) += reference::hat(u - double(j)) * in(o, j, d);
    });
    return y;
  }
  static std::vector<Sample<LinearResize>> samples() {
    const Resize aligned = Resize::AlignedEnds, half = Resize::HalfPixel;
    return {{"aligned, up", {.m = 9, .mode = aligned}, {randn({2, 4, 3})}},
            {"aligned, down", {.m = 3, .mode = aligned}, {randn({2, 8, 3})}},
            {"aligned, same", {.m = 5, .mode = aligned}, {randn({5, 3})}},
            {"aligned, to 1", {.m = 1, .mode = aligned}, {randn({2, 4, 3})}},
            {"aligned, from 1", {.m = 4, .mode = aligned}, {randn({2, 1, 3})}},
            {"half pixel, up", {.m = 9, .mode = half}, {randn({2, 4, 3})}},
            {"half pixel, down", {.m = 3, .mode = half}, {randn({2, 8, 3})}},
            {"half pixel, from 1", {.m = 3, .mode = half}, {randn({2, 1, 3})}},
            {"columns", {.m = 6, .mode = half, .axis = -3}, {randn({3, 4, 2})}}};
  }
};

}  // namespace

Variable linear_resize(const Variable& x, int64_t m, Resize mode, int64_t axis) {
  return apply(LinearResize{m, mode, axis}, x);
}

}  // namespace skiff
