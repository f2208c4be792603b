// toeplitz: the product with a Toeplitz matrix per channel, y[i] = sum_j t[i-j] x[j], by FFT.
//
//   forward   a = the taps around a circle of F >= 2n slots: lag l >= 0 in slot l, lag -l in slot
//                 F - l, zeros between. Lags -(n-1) .. n-1 do not meet, so the circular
//                 convolution with the zero-padded x equals the Toeplitz product in its first n
//                 samples.
//             A = rfft(a),   y = irfft(A rfft(x, F)), first n samples = spectral_conv(x, A)
//
//   adjoint   gx[j] = sum_i t[i-j] gy[i]: the correlation, irfft(conj(A) G)
//             gt[l] = sum over the batch of sum_{i-j=l} gy[i] x[j]: slot l of
//             ga = rfft^T gA = irfft(sum conj(X) G): spectral_conv gives gA = c/F sum conj(X) G,
//             and rfft^T takes interior bins once, not c times (rfft.cpp): c and F cancel.
//
// Layout of t. Bidirectional: (2n, D), lag l >= 0 in row l, lag -l in row 2n - l; row n belongs to
// no lag and has gradient 0. Causal: (n, D), row l = lag l; all negative lags are 0.

#include "autograd/op.h"
#include "autograd/ops/detail/half_spectrum.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/sequence.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// circle[slot] = t[row]: row l -> slot l, row 2n - l -> slot F - l
template <class T>
void place_taps(const Tensor& t, Tensor& circle, int64_t n, int64_t F, bool causal) {
  const int64_t D = t.size(1);
  const T* in = t.data<T>();
  T* out = circle.data<T>();
  parallel_rows(t.device(), F, D, [=] SKIFF_KERNEL(Row row) {
    const int64_t slot = row.index;
    const bool past = slot < n, future = !causal && slot > F - n;
    const int64_t from = past ? slot : slot - F + 2 * n;
    row.for_each(D,
                 [&](int64_t d) { out[slot * D + d] = past || future ? in[from * D + d] : T(0); });
  });
}

// The adjoint: t[row] = circle[slot], zero in the row that is no lag.
template <class T>
void take_taps(const Tensor& circle, Tensor& t, int64_t n, int64_t F) {
  const int64_t D = t.size(1);
  const T* in = circle.data<T>();
  T* out = t.data<T>();
  parallel_rows(t.device(), t.size(0), D, [=] SKIFF_KERNEL(Row row) {
    const int64_t r = row.index, from = r < n ? r : r - 2 * n + F;
    row.for_each(D, [&](int64_t d) { out[r * D + d] = r == n ? T(0) : in[from * D + d]; });
  });
}

struct Toeplitz {
  static constexpr auto name = "toeplitz";
  static constexpr Linearity linear = Linearity::InEach;
  Direction direction;
  int64_t axis = -2;     // attributes
  Tensor x, A;           // saved: the input, and the spectrum (F/2 + 1, D) of the taps
  int64_t n = 0, F = 0;  // saved: sequence length, transform length

  bool causal() const { return direction == Direction::Causal; }
  Tensor forward(const Tensor& t, const Tensor& x_in) {
    check_real(name, "x", x_in);
    check_like(name, t, x_in);
    x = x_in;
    n = x.size(axis);
    const int64_t rows = causal() ? n : 2 * n;
    check(t.rank() == 2 && t.size(0) == rows, "toeplitz: x of length ", n, " needs taps (",
          causal() ? "n = " : "2n = ", rows, ", D), got ", t);
    check(t.size(1) >= 1 && axis_view(x, axis).inner % t.size(1) == 0, "toeplitz: ", t.size(1),
          " channels of t do not divide the ", axis_view(x, axis).inner, " of x ", x);
    F = fft::fast_length(2 * n);
    Tensor circle({F, t.size(1)}, t.dtype(), t.device());
    dispatch(t, [&]<class T> { place_taps<T>(t, circle, n, F, causal()); });
    A = fft::r2c(circle, F, 0);
    return spectral_conv_forward(x, A, F, axis);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    auto [gx, gA] = spectral_conv_backward(x, A, gy, F, axis, needs[1], needs[0]);
    Tensor gt;
    if (needs[0]) {
      const Tensor circle = fft::c2r(scale_bins(gA, F, 0, 1, 0.5), F, 0, F);
      gt = Tensor({causal() ? n : 2 * n, gA.size(1)}, gy.dtype(), gy.device());
      dispatch(gt, [&]<class T> { take_taps<T>(circle, gt, n, F); });
    }
    return {gt, gx};
  }
  // The row of lag l is l mod 2n: lag -l has row 2n - l.
  Tensor reference(const Tensor& t, const Tensor& x) const {
    Tensor y = zeros_like(x);
    const auto lag = reference::elements(t, 0), in = reference::elements(x, axis);
    const auto out = reference::elements(y, axis);
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      for (int64_t j = 0; j < (causal() ? i + 1 : in.n); ++j)
        out(o, i, d) += lag(0, (i - j + 2 * in.n) % (2 * in.n), d % lag.inner) * in(o, j, d);
    });
    return y;
  }
  static std::vector<Sample<Toeplitz>> samples() {
    constexpr Direction causal = Direction::Causal, both = Direction::Bidirectional;
    return {{"bidirectional", {.direction = both}, {randn({10, 3}), randn({2, 5, 3})}},
            {"causal", {.direction = causal}, {randn({5, 3}), randn({2, 5, 3})}},
            {"power of two", {.direction = both}, {randn({16, 2}), randn({2, 8, 2})}},
            {"many channels", {.direction = both}, {randn({22, 13}), randn({2, 11, 13})}},
            {"length 1", {.direction = both}, {randn({2, 2}), randn({2, 1, 2})}},
            {"length 1, causal", {.direction = causal}, {randn({1, 2}), randn({2, 1, 2})}},
            {"length 2", {.direction = both}, {randn({4, 2}), randn({1, 2, 2})}},
            {"no batch", {.direction = causal}, {randn({7, 2}), randn({7, 2})}},
            {"columns", {.direction = both, .axis = -3}, {randn({6, 2}), randn({2, 3, 4, 2})}},
            {"rows", {.direction = causal, .axis = -2}, {randn({4, 2}), randn({2, 3, 4, 2})}}};
  }
};

}  // namespace

Variable toeplitz(const Variable& t, const Variable& x, Direction direction, int64_t axis) {
  return apply(Toeplitz{direction, axis}, t, x);
}

}  // namespace skiff
