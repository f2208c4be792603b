// interpolate and interpolate_adjoint: the n x r matrix W of structured kernel
// interpolation and its transpose, never formed.
//
// W reads r inducing points, spread evenly over positions 0 .. n-1 with the
// ends aligned, at every position:
//
//   u_i = i (r-1)/(n-1),   u_0 = 0 for n = 1
//   j_i = min(floor(u_i), r-2),   f_i = u_i - j_i
//   W[i, j_i] = 1 - f_i,   W[i, j_i + 1] = f_i,          0 elsewhere
//
//   interpolate          (W s)[i] = (1 - f_i) s[j_i] + f_i s[j_i + 1]
//   interpolate_adjoint  (W^T x)[j] = sum_{i: j_i = j} (1 - f_i) x[i]
//                                   + sum_{i: j_i + 1 = j} f_i x[i]
//
// W is fixed, so <gy, W ds> = <W^T gy, ds>: the adjoint of each of the two ops
// is the forward of the other. u_i is taken as the exact fraction i (r-1) /
// (n-1), so no position is rounded past an inducing point; the weights are
// computed where they are used (inducing_points.h).
//
// `published` is the matrix of the released code, kept to compare with it:
// positions stretched to i n/(n-1), the index of the upper point where the
// lower belongs, the two weights exchanged, and row i scaled by gamma^(n i
// n/(n-1)).

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/inducing_points.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/two_point_map.h"
#include "autograd/ops/ski.h"

namespace skiff {
namespace {

TwoPointMap::Entry published_row(int64_t i, int64_t n, int64_t r, double gamma) {
  const double position = double(i) * double(n) / double(n - 1);
  const double H = double(n - 1) / double(r - 1);
  int64_t upper = 0;  // the first inducing point at or after the position, at most r - 2
  while (upper < r - 2 && double(upper) * H < position) ++upper;
  const double g = (position - double(upper) * H) / H;
  const double fall_off = std::pow(gamma, double(n) * position);
  return {upper, fall_off * g, fall_off * (1 - g)};
}

TwoPointMap published_matrix(const InterpolationMatrix& W) {
  std::vector<TwoPointMap::Entry> rows;
  for (int64_t i = 0; i < W.n; ++i) rows.push_back(published_row(i, W.n, W.r, W.gamma));
  return TwoPointMap(W.r, rows);
}

// W[i, p] of the formula.
double weight(const InterpolationMatrix& W, int64_t i, int64_t p) {
  if (!W.published)
    return reference::hat((W.n > 1 ? double(i * (W.r - 1)) / double(W.n - 1) : 0) - double(p));
  const TwoPointMap::Entry e = published_row(i, W.n, W.r, W.gamma);
  return p == e.left ? e.first : p == e.left + 1 ? e.second : 0;
}

void check_matrix(const char* op, const InterpolationMatrix& W) {
  check(W.r >= 2, op, ": at least 2 inducing points are needed, got r = ", W.r);
  check(W.n >= 1, op, ": at least 1 position is needed, got n = ", W.n);
  check(!W.published || W.n >= 2, op, ": the published matrix needs n >= 2, got n = ", W.n);
}

Tensor product(const InterpolationMatrix& W, const Tensor& s, int64_t axis) {  // W s
  return W.published ? published_matrix(W).apply(s, axis) : from_inducing_points(s, W.n, axis);
}
Tensor transposed_product(const InterpolationMatrix& W, const Tensor& x, int64_t axis) {  // W^T x
  return W.published ? published_matrix(W).apply_transposed(x, axis)
                     : to_inducing_points(x, W.r, axis);
}

struct Interpolate {
  static constexpr auto name = "interpolate";
  static constexpr Linearity linear = Linearity::Jointly;
  InterpolationMatrix W;
  int64_t axis = -2;  // attributes

  Tensor forward(const Tensor& s) {
    check_real(name, "s", s);
    check_matrix(name, W);
    check(s.size(axis) == W.r, "interpolate: ", W.r, " inducing points are needed along axis ",
          axis, ", got ", s);
    return product(W, s, axis);
  }
  Grads backward(const Tensor& gy, Needs) const { return {transposed_product(W, gy, axis)}; }

  Tensor reference(const Tensor& s) const {
    Tensor y = zeros(s.shape().with(axis, W.n), s.dtype());
    const auto in = reference::elements(s, axis);
    const auto out = reference::elements(y, axis);
    out.for_each([&](int64_t o, int64_t i, int64_t d) {
      for (int64_t p = 0; p < W.r; ++p) out(o, i, d) += weight(W, i, p) * in(o, p, d);
    });
    return y;
  }
  static std::vector<Sample<Interpolate>> samples() {
    return {{"odd", {.W = {9, 4}}, {randn({2, 4, 3})}},
            {"even", {.W = {8, 3}}, {randn({2, 3, 3})}},
            {"r = n", {.W = {5, 5}}, {randn({2, 5, 3})}},
            {"more inducing points than positions", {.W = {3, 7}}, {randn({1, 7, 2})}},
            {"length 1", {.W = {1, 4}}, {randn({2, 4, 2})}},
            {"length 2", {.W = {2, 2}}, {randn({2, 2, 2})}},
            {"published",
             {.W = {.n = 9, .r = 4, .published = true, .gamma = 0.99}},
             {randn({2, 4, 3})}},
            {"columns", {.W = {6, 3}, .axis = -3}, {randn({2, 3, 4, 2})}}};
  }
};

struct InterpolateAdjoint {
  static constexpr auto name = "interpolate_adjoint";
  static constexpr Linearity linear = Linearity::Jointly;
  InterpolationMatrix W;
  int64_t axis = -2;  // attributes

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check_matrix(name, W);
    check(x.size(axis) == W.n, "interpolate_adjoint: ", W.n, " positions are needed along axis ",
          axis, ", got ", x);
    return transposed_product(W, x, axis);
  }
  Grads backward(const Tensor& gy, Needs) const { return {product(W, gy, axis)}; }

  Tensor reference(const Tensor& x) const {
    Tensor z = zeros(x.shape().with(axis, W.r), x.dtype());
    const auto in = reference::elements(x, axis);
    const auto out = reference::elements(z, axis);
    out.for_each([&](int64_t o, int64_t p, int64_t d) {
      for (int64_t i = 0; i < W.n; ++i) out(o, p, d) += weight(W, i, p) * in(o, i, d);
    });
    return z;
  }
  static std::vector<Sample<InterpolateAdjoint>> samples() {
    return {{"odd", {.W = {9, 4}}, {randn({2, 9, 3})}},
            {"even", {.W = {8, 3}}, {randn({2, 8, 3})}},
            {"r = n", {.W = {5, 5}}, {randn({2, 5, 3})}},
            {"more inducing points than positions", {.W = {3, 7}}, {randn({1, 3, 2})}},
            {"length 1", {.W = {1, 4}}, {randn({2, 1, 2})}},
            {"published",
             {.W = {.n = 9, .r = 4, .published = true, .gamma = 0.99}},
             {randn({2, 9, 3})}},
            {"columns", {.W = {6, 3}, .axis = -3}, {randn({2, 6, 4, 2})}}};
  }
};

}  // namespace

Variable interpolate(const Variable& s, const InterpolationMatrix& W, int64_t axis) {
  return apply(Interpolate{W, axis}, s);
}
Variable interpolate_adjoint(const Variable& x, const InterpolationMatrix& W, int64_t axis) {
  return apply(InterpolateAdjoint{W, axis}, x);
}

}  // namespace skiff
