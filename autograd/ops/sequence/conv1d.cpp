// conv1d: a short convolution per channel, the banded part of SKI; x = 0 outside 0 .. n-1.
//
//   bidirectional  y[i] = sum_q c[q] x[i + q - (K-1)/2],  K odd: tap q acts at lag (K-1)/2 - q
//   causal         y[i] = sum_q c[q] x[i - q]:            tap q acts at lag q
//
// Both are y[i] = sum_q c[q] x[i + s q + o], with (s, o) = (1, -(K-1)/2) or (-1, 0).
//
//   adjoint   gx[j] = sum_q c[q] gy[j - s q - o]       the same sum with (-s, -o)
//             gc[q] = sum over batch and i of gy[i] x[i + s q + o]
//
// One pass over memory each: a row of x is small (D channels) and its K neighbours are in cache.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/sequence.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct Lags {  // tap q reads position i + s q + o
  int64_t s, o;
  Lags reversed() const { return {-s, -o}; }
};

// Rows are (outer, i, group) of D channels each; neighbours in the sequence are `inner` apart.
template <class T>
void correlate(const Tensor& x, const Tensor& c, Tensor& y, AxisView v, Lags lags) {
  const int64_t K = c.size(0), D = c.size(1), groups = v.inner / D, n = v.n, inner = v.inner;
  const int64_t s = lags.s, o = lags.o;
  const T *in = x.data<T>(), *taps = c.data<T>();
  T* out = y.data<T>();
  parallel_rows(x.device(), v.outer * n * groups, K * D, [=] SKIFF_KERNEL(Row row) {
    const int64_t i = row.index / groups % n, at = row.index * D;
    // 0 <= i + s q + o < n for q in [first, last)
    int64_t first = s > 0 ? -i - o : i + o - n + 1;
    int64_t last = s > 0 ? n - i - o : i + o + 1;
    first = first < 0 ? 0 : first;
    last = last > K ? K : last;
    T* sum = out + at;  // D sums in cache: q outside, so that the loop over channels vectorises
    row.for_each(D, [&](int64_t d) { sum[d] = 0; });
    for (int64_t q = first; q < last; ++q) {
      const T *tap = taps + q * D, *from = in + at + (s * q + o) * inner;
      row.for_each(D, [&](int64_t d) { sum[d] += tap[d] * from[d]; });
    }
  });
}

// part[b, q, d] = sum over the rows of block b of g[row, d] x[row shifted by tap q, d]
template <class T>
void tap_gradient(const Tensor& x, const Tensor& gy, Tensor& part, AxisView v, Lags lags) {
  const int64_t blocks = part.size(0), K = part.size(1), D = part.size(2);
  const int64_t groups = v.inner / D, n = v.n, inner = v.inner, rows = v.outer * n * groups;
  const int64_t s = lags.s, o = lags.o;
  const T *in = x.data<T>(), *g = gy.data<T>();
  T* out = part.data<T>();
  // A row of work is one tap of one block: every block's x and gy stay in cache over its taps.
  parallel_rows(x.device(), blocks * K, rows / blocks * D, [=] SKIFF_KERNEL(Row row) {
    const int64_t b = row.index / K, q = row.index % K, shift = s * q + o;
    const int64_t begin = b * rows / blocks, end = (b + 1) * rows / blocks;
    T* sum = out + row.index * D;
    row.for_each(D, [&](int64_t d) { sum[d] = 0; });
    for (int64_t r = begin; r < end; ++r) {
      const int64_t j = r / groups % n + shift;
      if (j < 0 || j >= n) continue;
      const T *gr = g + r * D, *xr = in + r * D + shift * inner;
      row.for_each(D, [&](int64_t d) { sum[d] += gr[d] * xr[d]; });
    }
  });
}

template <class T>
void add_blocks(const Tensor& part, Tensor& gc) {
  const int64_t blocks = part.size(0), size = gc.size();
  const T* in = part.data<T>();
  T* out = gc.data<T>();
  parallel_for(part.device(), size, [=] SKIFF_KERNEL(int64_t i) {
    double sum = 0;
    for (int64_t b = 0; b < blocks; ++b) sum += double(in[b * size + i]);
    out[i] = T(sum);
  });
}

struct Conv1d {
  static constexpr auto name = "conv1d";
  static constexpr Linearity linear = Linearity::InEach;
  Direction direction;
  int64_t axis = -2;  // attributes
  Tensor x, c;        // saved

  bool causal() const { return direction == Direction::Causal; }
  Lags lags() const { return causal() ? Lags{-1, 0} : Lags{1, -(c.size(0) - 1) / 2}; }
  Tensor forward(const Tensor& x_in, const Tensor& c_in) {
    check_real(name, "x", x_in);
    check_like(name, x_in, c_in);
    x = x_in;
    c = c_in;
    const AxisView v = axis_view(x, axis);
    check(c.rank() == 2 && c.size(1) >= 1 && v.inner % c.size(1) == 0,
          "conv1d: c must be (K, D) with D dividing the ", v.inner, " channels of x ", x, ", got ",
          c);
    check(causal() || c.size(0) % 2 == 1, "conv1d: a centred convolution needs an odd number of ",
          "taps, got ", c);
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { correlate<T>(x, c, y, v, lags()); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const AxisView v = axis_view(x, axis);
    Tensor gx, gc;
    if (needs[0]) {
      gx = empty_like(x);
      dispatch(x, [&]<class T> { correlate<T>(gy, c, gx, v, lags().reversed()); });
    }
    if (needs[1]) {
      const int64_t rows = x.size() / c.size(1);
      const int64_t blocks = std::clamp<int64_t>(rows / 128, 1, 512);  // by size alone
      Tensor part({blocks, c.size(0), c.size(1)}, c.dtype(), c.device());
      gc = empty_like(c);
      dispatch(x, [&]<class T> {
        tap_gradient<T>(x, gy, part, v, lags());
        add_blocks<T>(part, gc);
      });
    }
    return {gx, gc};
  }
  Tensor reference(const Tensor& x, const Tensor& c) const {
    Tensor y = zeros_like(x);
    const auto tap = reference::elements(c, 0), in = reference::elements(x, axis);
    const auto out = reference::elements(y, axis);
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      for (int64_t q = 0; q < tap.n; ++q) {
        const int64_t j = causal() ? i - q : i + q - (tap.n - 1) / 2;
        if (0 <= j && j < in.n) out(o, i, d) += tap(0, q, d % tap.inner) * in(o, j, d);
      }
    });
    return y;
  }
  static std::vector<Sample<Conv1d>> samples() {
    constexpr Direction causal = Direction::Causal, both = Direction::Bidirectional;
    return {{"centred", {.direction = both}, {randn({2, 7, 3}), randn({5, 3})}},
            {"causal", {.direction = causal}, {randn({2, 7, 3}), randn({4, 3})}},
            {"one tap", {.direction = both}, {randn({2, 4, 3}), randn({1, 3})}},
            {"length 1", {.direction = both}, {randn({2, 1, 3}), randn({3, 3})}},
            {"length 1, causal", {.direction = causal}, {randn({2, 1, 3}), randn({3, 3})}},
            {"more taps than positions", {.direction = both}, {randn({2, 3, 2}), randn({9, 2})}},
            {"more taps, causal", {.direction = causal}, {randn({2, 3, 2}), randn({6, 2})}},
            {"even length", {.direction = both}, {randn({1, 8, 17}), randn({3, 17})}},
            {"several blocks", {.direction = causal}, {randn({3, 100, 1}), randn({3, 1})}},
            {"columns", {.direction = both, .axis = -3}, {randn({2, 4, 3, 2}), randn({3, 2})}},
            {"rows", {.direction = causal, .axis = -2}, {randn({2, 4, 3, 2}), randn({3, 2})}}};
  }
};

}  // namespace

Variable conv1d(const Variable& x, const Variable& c, Direction direction, int64_t axis) {
  return apply(Conv1d{direction, axis}, x, c);
}

}  // namespace skiff
