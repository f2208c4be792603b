// rfft: real signals along one axis, zero-padded or cut to length F, to their
// half spectra; unnormalised, as in NumPy and PyTorch.
//
//   forward   X[k]  = sum_j x[j] e^(-2 pi i jk/F),  k = 0 .. F/2,  j < min(n, F)
//   adjoint   dx is real, so in <gX, dX> = Re sum_k conj(gX[k]) dX[k] the number
//             that multiplies dx[j] is Re sum_k conj(gX[k]) e^(-2 pi i jk/F).
//             A number and its conjugate have the same real part:
//             gx[j] = Re sum_{k <= F/2} gX[k] e^(2 pi i jk/F) for j < F,
//             0 for j >= F, which the forward cut off
//
// c2r, the unnormalised inverse, sums over all F bins, taking bin F-k as the
// conjugate of bin k: together they give 2 Re(..). An interior bin then counts
// twice, bins 0 and F/2 (F even) once. So
//
//   gx = c2r(h) cut or padded back to n
//   h[k] = gX[k] for k = 0 or 2k = F,   gX[k] / 2 otherwise

#include "autograd/op.h"
#include "autograd/ops/detail/half_spectrum.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/spectral.h"
#include "core/fft/fft.h"

namespace skiff {
namespace {

struct Rfft {
  static constexpr auto name = "rfft";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t F, axis = -2;  // attributes
  int64_t n = 0;         // saved: signal length

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(F >= 1, "rfft: F must be at least 1, got ", F);
    n = x.size(axis);
    return fft::r2c(x, F, axis);
  }
  Grads backward(const Tensor& gX, Needs) const {
    const Tensor h = scale_bins(gX, F, axis, /*ends=*/1, /*interior=*/0.5);
    return {fft::c2r(h, F, axis, n)};  // first n samples, zeros beyond F
  }
  Tensor reference(const Tensor& x) const {
    Tensor X = zeros(x.shape().with(axis, F / 2 + 1), DType::Complex128);
    const auto in = reference::elements(x, axis);
    const auto out = reference::elements<reference::Bin>(X, axis);
    out.for_each([&](int64_t o, int64_t k, int64_t d) {
      for (int64_t j = 0; j < std::min(in.n, F); ++j)
        out(o, k, d) += in(o, j, d) * std::conj(reference::turn(j * k, F));
    });
    return X;
  }
  static std::vector<Sample<Rfft>> samples() {
    return {{"even", {.F = 8}, {randn({2, 8, 3})}},
            {"odd", {.F = 7}, {randn({2, 7, 3})}},
            {"length 1", {.F = 1}, {randn({1, 1, 2})}},
            {"length 2", {.F = 2}, {randn({1, 2, 2})}},
            {"padded", {.F = 16}, {randn({2, 5, 3})}},
            {"padded, odd", {.F = 9}, {randn({2, 5, 3})}},
            {"cut", {.F = 4}, {randn({2, 9, 3})}},
            {"cut, odd", {.F = 3}, {randn({2, 8, 3})}},
            {"more channels than one block", {.F = 6}, {randn({2, 6, 19})}},
            {"last axis", {.F = 6, .axis = -1}, {randn({3, 6})}},
            {"columns", {.F = 6, .axis = -3}, {randn({2, 6, 4, 3})}}};
  }
};

}  // namespace

Variable rfft(const Variable& x, int64_t F, int64_t axis) { return apply(Rfft{F, axis}, x); }

}  // namespace skiff
