// spectral_conv: a signal times a frequency response, per channel.
//
//   forward   X = rfft(x, F)    x zero-padded to F
//             Y = S X
//             y = irfft(Y, F)   its first n samples
//
//   adjoint   The chain rule backward through the three, with G = rfft(gy, F),
//             gy zero-padded because cutting and padding are each other's
//             adjoint (irfft.cpp and rfft.cpp have the two transforms):
//
//             gY = c/F G       c[k] = 1 at k = 0 and 2k = F, otherwise 2
//             gS = sum over the batch of conj(X) gY = c/F sum conj(X) G
//             gX = conj(S) gY
//             gx = rfft^T gX
//
// rfft^T sums each bin once, where irfft would count interior bins c times and
// divide by F; so with gX = c/F conj(S) G, gx = irfft(conj(S) G), its first n
// samples.
//
// The imaginary parts of S at bins 0 and F/2 meet a real X there; irfft
// ignores what they make, and conj(X) G is real: gradient 0.
//
// Fused because the spectra of a batch are twice as large as the batch: one
// block of channels is transformed, multiplied and transformed back at a time,
// and backward recomputes X.

#include "core/conv/spectral_conv.h"

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/spectral.h"

namespace skiff {
namespace {

struct SpectralConv {
  static constexpr auto name = "spectral_conv";
  static constexpr Linearity linear = Linearity::InEach;
  int64_t F, axis = -2;  // attributes
  Tensor x, S;           // saved

  Tensor forward(const Tensor& x_in, const Tensor& S_in) {
    x = x_in;
    S = S_in;
    check_real(name, "x", x);
    return spectral_conv_forward(x, S, F, axis);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    auto [gx, gS] = spectral_conv_backward(x, S, gy, F, axis, needs[0], needs[1]);
    return {gx, gS};
  }
  Tensor reference(const Tensor& x, const Tensor& S) const {
    Tensor y = zeros_like(x);
    const auto in = reference::elements(x, axis);
    const auto response = reference::elements<reference::Bin>(S, 0);
    const auto out = reference::elements(y, axis);
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      for (int64_t k = 0; k < response.n; ++k) {
        reference::Bin X = 0;
        for (int64_t j = 0; j < in.n; ++j) X += in(o, j, d) * std::conj(reference::turn(j * k, F));
        out(o, i, d) +=
            reference::bins(k, F) / double(F) *
            std::real(response(0, k, d % response.inner) * X * reference::turn(i * k, F));
      }
    });
    return y;
  }
  static std::vector<Sample<SpectralConv>> samples() {
    return {{"even", {.F = 8}, {randn({2, 4, 3}), randc({5, 3})}},
            {"odd", {.F = 7}, {randn({2, 4, 3}), randc({4, 3})}},
            {"circular", {.F = 6}, {randn({2, 6, 3}), randc({4, 3})}},
            {"length 1", {.F = 1}, {randn({2, 1, 2}), randc({1, 2})}},
            {"length 2", {.F = 2}, {randn({2, 1, 2}), randc({2, 2})}},
            {"much padding", {.F = 16}, {randn({1, 3, 2}), randc({9, 2})}},
            {"power of two, many channels", {.F = 32}, {randn({2, 12, 19}), randc({17, 19})}},
            {"more channels than one block", {.F = 4}, {randn({2, 2, 19}), randc({3, 19})}},
            {"columns", {.F = 8, .axis = -3}, {randn({2, 4, 3, 2}), randc({5, 2})}},
            {"rows", {.F = 6, .axis = -2}, {randn({2, 4, 3, 2}), randc({4, 2})}}};
  }
};

}  // namespace

Variable spectral_conv(const Variable& x, const Variable& S, int64_t F, int64_t axis) {
  return apply(SpectralConv{F, axis}, x, S);
}

}  // namespace skiff
