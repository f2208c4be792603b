// warped_kernel: SKI's kernel at given lags, read from a table over a warped lag axis. It takes the
// place of TNO's position network (arXiv 2305.09028).
//
//   warp      w(l) = sign(l) base^|l|, sign(0) = +1: lag 0 sits at 1, lags -> +-infinity at 0
//   table     V[0 .. 2r] over w = -1 .. 1: [beta_0 .. beta_{r-1}, 0, alpha_0 .. alpha_{r-1}]
//   forward   u = r (1 + w),  j = min(floor(u), 2r - 1),  f = u - j
//             k(l) = (1 - f) V[j] + f V[j+1]
//   causal    V[0 .. r] over w = 0 .. 1: [0, alpha_0 .. alpha_{r-1}],  u = r w
//
// The lags are fixed, so k = M V with two entries a row, and
//
//   adjoint   gV = M^T gk:  gV[j] += (1 - f) gk(l),  gV[j+1] += f gk(l)
//
// The middle node (no influence at infinite distance) is a constant of the caller's table.

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/two_point_map.h"
#include "autograd/ops/ski.h"

namespace skiff {
namespace {

struct WarpedKernel {
  static constexpr auto name = "warped_kernel";
  static constexpr Linearity linear = Linearity::Jointly;
  std::vector<double> lags;
  double base;
  Direction direction;  // attributes
  int64_t nodes = 0;    // saved

  bool causal() const { return direction == Direction::Causal; }
  TwoPointMap matrix() const {
    const double r = causal() ? double(nodes - 1) : double(nodes - 1) / 2;
    std::vector<double> u;
    for (const double lag : lags) {
      const double w = std::pow(base, std::abs(lag));
      u.push_back(causal() ? r * w : lag < 0 ? r - r * w : r + r * w);
    }
    return TwoPointMap::at_coordinates(nodes, u);
  }
  Tensor forward(const Tensor& V) {
    check_real(name, "V", V);
    nodes = V.size(0);
    check(V.rank() == 2 && nodes >= 2 && (causal() || nodes % 2 == 1),
          "warped_kernel: the table must be ", causal() ? "(r + 1, D)" : "(2r + 1, D)", ", got ",
          V);
    check(base > 0 && base <= 1, "warped_kernel: the base must lie in (0, 1], got ", base);
    for (const double lag : lags)
      check(!causal() || lag >= 0, "warped_kernel: a causal kernel has no lag ", lag);
    return matrix().apply(V, 0);
  }
  Grads backward(const Tensor& gk, Needs) const { return {matrix().apply_transposed(gk, 0)}; }

  Tensor reference(const Tensor& V) const {
    Tensor k = zeros({int64_t(lags.size()), V.size(1)}, V.dtype());
    const auto in = reference::elements(V, 0);
    const auto out = reference::elements(k, 0);
    const double middle = causal() ? 0 : double(in.n / 2), r = double(in.n - 1) - middle;
    out.for_each([&](int64_t, int64_t i, int64_t d) {
      const double lag = lags[size_t(i)], w = std::pow(base, std::abs(lag));
      const double u = middle + (lag < 0 ? -r * w : r * w);
      for (int64_t j = 0; j < in.n; ++j)
        out(0, i, d) += reference::hat(u - double(j)) * in(0, j, d);
    });
    return k;
  }
  static std::vector<Sample<WarpedKernel>> samples() {
    constexpr Direction causal = Direction::Causal, both = Direction::Bidirectional;
    return {{"bidirectional", {{0, 3.5, 7, -7, -3.5}, 0.8, both}, {randn({7, 3})}},
            {"causal", {{0, 1.5, 3, 4.5}, 0.9, causal}, {randn({5, 3})}},
            {"one node a side", {{0, 1, -1}, 0.5, both}, {randn({3, 2})}},
            {"base 1", {{0, 1, 2, -1}, 1, both}, {randn({5, 2})}},
            {"one lag", {{0}, 0.7, both}, {randn({5, 2})}}};
  }
};

}  // namespace

Variable warped_kernel(const Variable& V, const std::vector<double>& lags, double base,
                       Direction direction) {
  return apply(WarpedKernel{lags, base, direction}, V);
}

}  // namespace skiff
