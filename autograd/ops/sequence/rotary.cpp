// rotary: turns pairs of channels by angles that grow with the position
// (RoFormer, arXiv 2104.09864).
//
//   forward   for each position p, each head of h channels and each i < m,
//             m = h/2 rounded down, with the angle a = p base^(-2i/h):
//             y[p, i]     = cos(a) x[p, i] - sin(a) x[p, i + m]
//             y[p, i + m] = sin(a) x[p, i] + cos(a) x[p, i + m]
//             The last channel of an odd h stays as it is
//   adjoint   the transpose of a rotation by a is the rotation by -a, so gx
//             is the same map of gy with -sin(a) in place of sin(a)
//
// Let R(p) be the map of a head at position p. R(p)^T R(s) = R(s - p), so
// <R(p) q, R(s) k> = <q, R(s - p) k>: the scores of attention depend on the
// distance of two positions, not on the positions themselves.
//
// A pair is (i, i + m), the "half" layout of GPT-NeoX, because both runs
// are contiguous; the paper pairs neighbours, (2i, 2i + 1). The two differ
// by an order of the channels, which the maps before q and k learn.

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/sequence.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// cos and sin of every angle: (n, m). In float32 the angle of a large p would lose the digits that
// say where on the circle it is, so angles are float64.
template <class T>
void angles(int64_t width, double base, Tensor& cos_tensor, Tensor& sin_tensor) {
  T *cosine = cos_tensor.data<T>(), *sine = sin_tensor.data<T>();
  const int64_t m = cos_tensor.size(1);
  const double slope = -2 * std::log(base) / double(width);
  parallel_for(cos_tensor.device(), cos_tensor.size(), [=] SKIFF_KERNEL(int64_t e) {
    const double a = double(e / m) * std::exp(slope * double(e % m));
    cosine[e] = T(std::cos(a));
    sine[e] = T(std::sin(a));
  });
}

// sign: 1 turns forward, -1 back.
template <class T>
void turn_rows(const Tensor& x_tensor, const Tensor& cos_tensor, const Tensor& sin_tensor, T sign,
               int64_t width, Tensor& y_tensor) {
  const T *x = x_tensor.data<T>(), *cosine = cos_tensor.data<T>(), *sine = sin_tensor.data<T>();
  T* y = y_tensor.data<T>();
  const int64_t n = x_tensor.size(-2), d = x_tensor.size(-1), m = width / 2;
  parallel_rows(x_tensor.device(), x_tensor.size() / d, 3 * d, [=] SKIFF_KERNEL(Row row) {
    const int64_t angle = row.index % n * m;
    for (int64_t head = row.index * d; head < (row.index + 1) * d; head += width) {
      row.for_each(m, [&](int64_t i) {
        const T a = x[head + i], b = x[head + m + i];
        const T c = cosine[angle + i], s = sign * sine[angle + i];
        y[head + i] = c * a - s * b;
        y[head + m + i] = s * a + c * b;
      });
      row.for_each(width - 2 * m, [&](int64_t i) { y[head + 2 * m + i] = x[head + 2 * m + i]; });
    }
  });
}

struct Rotary {
  static constexpr auto name = "rotary";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t width;                  // of a head
  double base = 10000;            // attributes
  Tensor cosine = {}, sine = {};  // saved

  Tensor turned(const Tensor& x, double sign) const {
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { turn_rows<T>(x, cosine, sine, T(sign), width, y); });
    return y;
  }
  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(x.rank() >= 2 && x.size(-1) >= 1 && width >= 1 && x.size(-1) % width == 0, name,
          ": x (.., n, d) with heads of ", width, " channels is needed, got ", x);
    check(base > 0, name, ": the base must be positive, got ", base);
    cosine = Tensor({x.size(-2), width / 2}, x.dtype(), x.device());
    sine = empty_like(cosine);
    dispatch(x, [&]<class T> { angles<T>(width, base, cosine, sine); });
    return turned(x, 1);
  }
  Grads backward(const Tensor& gy, Needs) const { return {turned(gy, -1)}; }

  Tensor reference(const Tensor& x) const {
    Tensor y = empty_like(x);
    const auto in = reference::elements(x, -2);
    const auto out = reference::elements(y, -2);
    const int64_t m = width / 2;
    out.for_each([&](int64_t o, int64_t p, int64_t d) {
      const int64_t i = d % width;
      out(o, p, d) = in(o, p, d);
      if (i >= 2 * m) return;
      const double a = double(p) * std::pow(base, -2 * double(i % m) / double(width));
      out(o, p, d) = i < m ? std::cos(a) * in(o, p, d) - std::sin(a) * in(o, p, d + m)
                           : std::sin(a) * in(o, p, d - m) + std::cos(a) * in(o, p, d);
    });
    return y;
  }
  static std::vector<Sample<Rotary>> samples() {
    return {{"even length", {.width = 4}, {randn({2, 6, 4})}},
            {"odd length", {.width = 6}, {randn({2, 5, 6})}},
            {"length 1", {.width = 4}, {randn({2, 1, 4})}},
            {"two heads, another base", {.width = 4, .base = 100}, {randn({3, 8})}},
            {"odd width", {.width = 5}, {randn({2, 1, 3, 10})}},
            {"width 1", {.width = 1}, {randn({4, 3})}}};
  }
};

}  // namespace

Variable rotary(const Variable& x, int64_t width, double base) {
  return apply(Rotary{width, base}, x);
}

}  // namespace skiff
