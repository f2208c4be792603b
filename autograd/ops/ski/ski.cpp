// ski: the operator of SKI-TNN, a short filter and a low-rank part in one
// pass.
//
// W (n, r) interpolates linearly between r inducing points (interpolate.cpp),
// A[p, q] = k[p - q] is the small Toeplitz matrix of the kernel at lags
// between them, c is the filter, m = (K-1)/2.
//
//   forward   z = W^T x                                       one pass over x
//             s = A z,   s[p] = sum_q k[p - q] z[q]           r^2, not n
//             y[i] = sum_q c[q] x[i + q - m] + (W s)[i]       one pass over x,
//                                                             writing y
//
//   adjoint   dL = <gy, dy>, and y is linear in each of x, c, k: with gy held
//             fixed, the gradients are those of <gy, y>. Its low-rank part is
//             <gy, W A W^T x> = <h, A z> with h = W^T gy      one pass over gy
//               gk[l] = sum over the batch and p - q = l of h[p] z[q]
//               u = A^T h,   u[q] = sum_p k[p - q] h[p]      the gradient of z;
//                                                            that of x is W u
//             and the banded part sum_i gy[i] sum_q c[q] x[i + q - m] gives
//               gx[j] = sum_q c[q] gy[j - q + m] + (W u)[j]
//               gc[q] = sum over the batch and i of gy[i] x[i + q - m]
//             both from one pass over gy and x.
//
// k is laid out as the kernel of toeplitz: (2r, D), lag l >= 0 in row l, lag
// -l in row 2r - l; row r is no lag and has gradient 0. A z is computed
// densely: with r <= 64 and channels in the registers, r^2 multiply-adds cost
// less than the transforms. In a long sequence they are few beside the n K of
// the filter. Of a short one, or for r in the hundreds, they are most.
//
// On a CPU, with at most 128 positions, 128 inducing points and 128 taps, all
// of this is done to one sequence after the other, while it is in the cache
// (core/conv/ski_short_cpu.cpp).

#include "core/conv/ski.h"
#include "autograd/op.h"
#include "autograd/ops/detail/affine.h"
#include "autograd/ops/detail/inducing_points.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/ski.h"

namespace skiff {
namespace {

struct Ski {
  static constexpr auto name = "ski";
  static constexpr Linearity linear = Linearity::InEach;
  int64_t axis = -2;  // attribute
  Tensor x, c, k, z;  // saved

  Tensor forward(const Tensor& x_in, const Tensor& c_in, const Tensor& k_in) {
    x = x_in;
    c = c_in;
    k = k_in;
    check_inputs();
    affine::check_readable({&x, &c, &k});
    if (ski_parts::is_short(x, c, k, axis)) return ski_cpu::short_forward(x, c, k, axis);
    z = to_inducing_points(x, k.size(0) / 2, axis);
    return ski_parts::output(x, c, ski_parts::kernel_product(k, z, axis, /*transposed=*/false),
                             axis);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    affine::check_readable({&x, &c, &k});
    if (ski_parts::is_short(x, c, k, axis)) {
      auto [gx, gc, gk] = ski_cpu::short_backward(x, c, k, gy, axis, needs[0], needs[1], needs[2]);
      return {gx, gc, gk};
    }
    Tensor u, gk;
    if (needs[0] || needs[2]) {
      const Tensor h = to_inducing_points(gy, k.size(0) / 2, axis);
      if (needs[0]) u = ski_parts::kernel_product(k, h, axis, /*transposed=*/true);
      if (needs[2]) gk = ski_parts::kernel_gradient(h, z, k.size(1), axis);
    }
    auto [gx, gc] = ski_parts::gradients(x, c, gy, u, axis, needs[0], needs[1]);
    return {gx, gc, gk};
  }
  void check_inputs() const {
    check_real(name, "x", x);
    check_like(name, x, c);
    check_like(name, x, k);
    check(c.rank() == 2 && c.size(0) % 2 == 1, "ski: c must be (K, D) with K odd, got ", c);
    check(c.size(1) >= 1 && axis_view(x, axis).inner % c.size(1) == 0, "ski: ", c.size(1),
          " channels of c do not divide the ", axis_view(x, axis).inner, " of x ", x);
    check(k.rank() == 2 && k.size(0) % 2 == 0 && k.size(0) >= 4 && k.size(1) == c.size(1),
          "ski: k must be (2r, D) with r >= 2 and D = ", c.size(1), ", got ", k);
    check(x.size(axis) >= 1, "ski: a sequence needs at least 1 position, got ", x);
  }
  Tensor reference(const Tensor& x, const Tensor& c, const Tensor& k) const {
    Tensor y = zeros_like(x);
    const auto in = reference::elements(x, axis);
    const auto tap = reference::elements(c, 0), lag = reference::elements(k, 0);
    const auto out = reference::elements(y, axis);
    const int64_t n = in.n, m = tap.n / 2, r = lag.n / 2, D = tap.inner;
    const double H = n > 1 ? double(r - 1) / double(n - 1) : 0;
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      for (int64_t j = 0; j < n; ++j) {
        double T = std::abs(j - i) <= m ? tap(0, j - i + m, d % D) : 0;  // + (W A W^T)[i, j]
        for (int64_t p = 0; p < r; ++p)
          for (int64_t q = 0; q < r; ++q)
            T += reference::hat(double(i) * H - double(p)) *
                 lag(0, (p - q + 2 * r) % (2 * r), d % D) *
                 reference::hat(double(j) * H - double(q));
        out(o, i, d) += T * in(o, j, d);
      }
    });
    return y;
  }
  static std::vector<Sample<Ski>> samples() {
    return {{"odd", {}, {randn({2, 9, 3}), randn({3, 3}), randn({8, 3})}},
            {"even", {}, {randn({2, 8, 3}), randn({5, 3}), randn({6, 3})}},
            {"r = n", {}, {randn({2, 5, 3}), randn({3, 3}), randn({10, 3})}},
            {"length 1", {}, {randn({2, 1, 3}), randn({3, 3}), randn({8, 3})}},
            {"length 2", {}, {randn({2, 2, 3}), randn({3, 3}), randn({4, 3})}},
            {"more inducing points than positions",
             {},
             {randn({2, 3, 2}), randn({3, 2}), randn({14, 2})}},
            {"more taps than positions", {}, {randn({2, 3, 2}), randn({9, 2}), randn({4, 2})}},
            {"one tap", {}, {randn({2, 6, 2}), randn({1, 2}), randn({6, 2})}},
            {"one channel", {}, {randn({2, 11, 1}), randn({5, 1}), randn({8, 1})}},
            {"17 channels", {}, {randn({2, 10, 17}), randn({17, 17}), randn({8, 17})}},
            {"several blocks", {}, {randn({1, 300, 2}), randn({5, 2}), randn({10, 2})}},
            {"columns", {.axis = -3}, {randn({2, 6, 3, 2}), randn({3, 2}), randn({8, 2})}},
            {"rows", {.axis = -2}, {randn({2, 3, 6, 2}), randn({3, 2}), randn({8, 2})}},
            {"blocks of channels", {}, {randn({3, 4, 130}), randn({3, 130}), randn({4, 130})}},
            {"long, odd", {}, {randn({2, 131, 3}), randn({5, 3}), randn({8, 3})}},
            {"long columns", {.axis = -3}, {randn({1, 130, 2, 2}), randn({3, 2}), randn({6, 2})}},
            {"many points", {}, {randn({2, 3, 2}), randn({3, 2}), randn({258, 2})}},
            {"length 1, many taps", {}, {randn({2, 1, 2}), randn({129, 2}), randn({6, 2})}}};
  }
};

}  // namespace

Variable ski(const Variable& x, const Variable& c, const Variable& k, int64_t axis) {
  return apply(Ski{axis}, x, c, k);
}

}  // namespace skiff
