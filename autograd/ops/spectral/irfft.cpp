// irfft: half spectra to real signals of length F; the inverse of rfft.
//
//   forward   x[j] = 1/F sum_{k <= F/2} c[k] Re( X[k] e^(2 pi i jk/F) ),   j = 0 .. F-1
//             c[k] = 1 for k = 0 and 2k = F, otherwise 2 (bin k stands for F - k as well)
//
// With X[k] = a + i b and the angle u = 2 pi jk/F, Re(X e^(iu)) = a cos u - b sin u. So
//
//   adjoint   dL/da[k] = c[k]/F sum_j gx[j] cos u,   dL/db[k] = -c[k]/F sum_j gx[j] sin u
//             gX[k] = dL/da + i dL/db = c[k]/F sum_j gx[j] e^(-iu) = c[k]/F rfft(gx)[k].
//
// At k = 0 and 2k = F the sine is zero for every j: b is ignored forward and has gradient 0, as
// the spectrum of the real gx says by itself.

#include "autograd/op.h"
#include "autograd/ops/detail/half_spectrum.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/spectral.h"
#include "core/fft/fft.h"

namespace skiff {
namespace {

struct Irfft {
  static constexpr auto name = "irfft";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t F, axis = -2;  // attributes

  Tensor forward(const Tensor& X) {
    check_complex(name, "X", X);
    check(F >= 1 && X.size(axis) == F / 2 + 1, "irfft: length F = ", F, " needs ", F / 2 + 1,
          " bins along axis ", axis, ", got ", X);
    // The transform is linear, so 1/F may go to its input.
    const Tensor scaled = scale_bins(X, F, axis, 1.0 / double(F), 1.0 / double(F));
    return fft::c2r(scaled, F, axis, F);
  }
  Grads backward(const Tensor& gx, Needs) const {
    return {scale_bins(fft::r2c(gx, F, axis), F, axis, /*ends=*/1.0 / double(F),
                       /*interior=*/2.0 / double(F))};
  }
  Tensor reference(const Tensor& X) const {
    Tensor x = zeros(X.shape().with(axis, F), DType::Float64);
    const auto in = reference::elements<reference::Bin>(X, axis);
    const auto out = reference::elements(x, axis);
    out.for_each([&](int64_t o, int64_t j, int64_t d) {
      for (int64_t k = 0; k < in.n; ++k)
        out(o, j, d) +=
            reference::bins(k, F) / double(F) * std::real(in(o, k, d) * reference::turn(j * k, F));
    });
    return x;
  }
  static std::vector<Sample<Irfft>> samples() {
    return {{"even", {.F = 8}, {randc({2, 5, 3})}},
            {"odd", {.F = 7}, {randc({2, 4, 3})}},
            {"length 1", {.F = 1}, {randc({2, 1, 2})}},
            {"length 2", {.F = 2}, {randc({1, 2, 2})}},
            {"length 3", {.F = 3}, {randc({1, 2, 2})}},
            {"last axis", {.F = 10, .axis = -1}, {randc({3, 6})}},
            {"columns", {.F = 9, .axis = -3}, {randc({2, 5, 4, 3})}}};
  }
};

}  // namespace

Variable irfft(const Variable& X, int64_t F, int64_t axis) { return apply(Irfft{F, axis}, X); }

}  // namespace skiff
