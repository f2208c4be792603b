// gated_linear_unit: two maps of x, the gate of one by the other, and the
// output map. k is the mask of dropout (1 without it), r runs over the leading
// axes.
//
//   forward   a = x W1^T + b1,   b = x W2^T + b2
//             p[r, i] = k[r, i] silu(a[r, i]) b[r, i],   y = p W3^T + b3
//   adjoint   ga, gb, gW3 and gb3 from gy as in gated_linear.cpp; then a and b
//             are affine maps of x, and what x gets from both adds up:
//             gx = ga W1 + gb W2
//             gW1 = ga^T x,   gW2 = gb^T x
//             gb1 = sum_r ga, gb2 = sum_r gb
//
// The composition gated_linear(linear(x, W1, b1), linear(x, W2, b2), W3, b3)
// is the same, but its backward sends ga, gb and both parts of gx through
// memory. Here a piece of rows (affine.h) goes all the way while it is in the
// cache: per layer of the ListOps model the backward makes 6 passes over
// memory (a write counts as two) where it made 19. What is kept is the same:
// x, a and b.

#include <utility>

#include "autograd/op.h"
#include "autograd/ops/detail/affine.h"
#include "autograd/ops/detail/dropout_mask.h"
#include "autograd/ops/detail/gate.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/matrix.h"

namespace skiff {
namespace {

struct GatedLinearUnit {
  static constexpr auto name = "gated_linear_unit";
  DropoutMask mask = {};                                     // attribute
  Tensor x = {}, W1 = {}, W2 = {}, W3 = {}, a = {}, b = {};  // saved

  Tensor forward(const Tensor& x, const Tensor& W1, const Tensor& b1, const Tensor& W2,
                 const Tensor& b2, const Tensor& W3, const Tensor& b3) {
    check_real(name, "x", x);
    for (const Tensor& other : {W1, b1, W2, b2, W3, b3}) check_like(name, x, other);
    check(x.rank() >= 1 && W1.rank() == 2 && W1.shape() == W2.shape() && W1.size(1) == x.size(-1) &&
              W3.rank() == 2 && W3.size(1) == W1.size(0),
          name, ": x (.., in), W1 and W2 (inner, in) and W3 (out, inner) are needed, got ", x, ", ",
          W1, ", ", W2, " and ", W3);
    check(b1.shape() == Shape{W1.size(0)} && b2.shape() == b1.shape() &&
              b3.shape() == Shape{W3.size(0)},
          name, ": a bias has as many elements as its weight has rows, got ", b1, ", ", b2, " and ",
          b3, " for ", W1, ", ", W2, " and ", W3);
    check_mask(name, mask);
    this->x = x;
    this->W1 = W1;
    this->W2 = W2;
    this->W3 = W3;
    a = Tensor(x.shape().with(-1, W1.size(0)), x.dtype(), x.device());
    b = empty_like(a);
    Tensor y(x.shape().with(-1, W3.size(0)), x.dtype(), x.device());
    dispatch(x, [&]<class T> { map<T>(b1, b2, b3, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const affine::Pieces all = pieces();
    affine::RowSums first(W1, x.device(), all, needs[1], needs[2]);
    affine::RowSums second(W2, x.device(), all, needs[3], needs[4]);
    affine::RowSums third(W3, x.device(), all, needs[5], needs[6]);
    Tensor gx = needs[0] ? empty_like(x) : Tensor();
    dispatch(gy, [&]<class T> { gradients<T>(gy, gx, first, second, third); });
    return {gx,
            first.weight_gradient(),
            first.bias_gradient(),
            second.weight_gradient(),
            second.bias_gradient(),
            third.weight_gradient(),
            third.bias_gradient()};
  }

  affine::Pieces pieces() const {
    const int64_t rows = x.shape().first(x.rank() - 1).size();
    return {x.device(), rows, 2 * W1.size(1) + 5 * W1.size(0) + W3.size(0)};
  }

  template <class T>
  void map(const Tensor& b1, const Tensor& b2, const Tensor& b3, Tensor& y_tensor) {
    const int64_t in = W1.size(1), inner = W1.size(0), out = W3.size(0);
    const Device device = x.device();
    const affine::Pieces all = pieces();
    affine::Scratch<T> scratch(all, inner);
    const T* all_x = std::as_const(x).data<T>();  // read alone: no mark of a change
    T *all_a = a.data<T>(), *all_b = b.data<T>(), *y = y_tensor.data<T>();
    affine::check_readable({&W1, &W2, &W3, &b1, &b2, &b3});
    all.for_each([&](const affine::Piece& piece) {
      const int64_t first = piece.first * inner, n = piece.count * inner;
      const T* x_rows = all_x + piece.first * in;
      T *a_rows = all_a + first, *b_rows = all_b + first;
      T* p = scratch.mine();
      affine::map_rows<T>(device, piece.count, W1, b1, x_rows, a_rows);
      affine::map_rows<T>(device, piece.count, W2, b2, x_rows, b_rows);
      gate<T>(device, n, a_rows, b_rows, p);
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, p, p);
      affine::map_rows<T>(device, piece.count, W3, b3, p, y + piece.first * out);
    });
  }

  template <class T>
  void gradients(const Tensor& gy_tensor, Tensor& gx_tensor, affine::RowSums& sums1,
                 affine::RowSums& sums2, affine::RowSums& sums3) const {
    const int64_t in = W1.size(1), inner = W1.size(0), out = W3.size(0);
    const Device device = x.device();
    const affine::Pieces all = pieces();
    affine::Scratch<T> scratch(all, 3 * inner);
    const T *all_x = x.data<T>(), *gy = gy_tensor.data<T>();
    T* all_gx = gx_tensor ? gx_tensor.data<T>() : nullptr;
    affine::check_readable({&W1, &W2, &W3});
    all.for_each([&](const affine::Piece& piece) {
      const int64_t first = piece.first * inner, n = piece.count * inner;
      const T *gy_rows = gy + piece.first * out, *x_rows = all_x + piece.first * in;
      T *ga = scratch.mine(), *gb = ga + all.largest() * inner, *p = gb + all.largest() * inner;
      affine::input_gradient_rows<T>(device, piece.count, W3, gy_rows, ga);  // gp, soon ga
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, ga, ga);
      gate_gradients<T>(device, n, a.data<T>() + first, b.data<T>() + first, ga, gb, p);
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, p, p);
      sums3.add<T>(piece, gy_rows, p);
      sums1.add<T>(piece, ga, x_rows);
      sums2.add<T>(piece, gb, x_rows);
      if (all_gx == nullptr) return;
      T* gx = all_gx + piece.first * in;
      affine::input_gradient_rows<T>(device, piece.count, W1, ga, gx);
      affine::input_gradient_rows<T>(device, piece.count, W2, gb, gx, /*add=*/true);
    });
  }

  double flops() const {
    const int64_t rows = x.shape().first(x.rank() - 1).size();
    return 2.0 * double(rows * W1.size(0)) * double(2 * W1.size(1) + W3.size(0));
  }
  Tensor reference(const Tensor& x, const Tensor& W1, const Tensor& b1, const Tensor& W2,
                   const Tensor& b2, const Tensor& W3, const Tensor& b3) const {
    const auto map = [](const Tensor& in, const Tensor& W, const Tensor& b) {  // in W^T + b
      Tensor y = zeros(in.shape().with(-1, W.size(0)), in.dtype());
      const auto from = reference::elements(in, -1), weight = reference::elements(W, -1);
      const auto out = reference::elements(y, -1);
      out.for_each([&](int64_t r, int64_t o, int64_t) {
        out(r, o, 0) = b.data<double>()[o];
        for (int64_t i = 0; i < from.n; ++i) out(r, o, 0) += from(r, i, 0) * weight(o, i, 0);
      });
      return y;
    };
    const Tensor a = map(x, W1, b1), b = map(x, W2, b2);
    Tensor p = empty_like(a);
    for (int64_t i = 0; i < p.size(); ++i)
      p.data<double>()[i] = reference::silu(a.data<double>()[i]) * b.data<double>()[i];
    multiply_by_mask<double>(mask, p.device(), mask_row(p), 0, p.size(), p.data<double>(),
                             p.data<double>());
    return map(p, W3, b3);
  }
  static std::vector<Sample<GatedLinearUnit>> samples() {
    const auto inputs = [](const Shape& x, int64_t inner, int64_t out) -> std::vector<Tensor> {
      const int64_t in = x[-1];
      return {randn(x),       randn({inner, in}),  randn({inner}), randn({inner, in}),
              randn({inner}), randn({out, inner}), randn({out})};
    };
    const DropoutMask mask{.rate = 0.4, .seed = 1, .step = 2, .call = 3};
    return {{"rows", {}, inputs({5, 4}, 3, 2)},
            {"sequence", {}, inputs({2, 3, 5}, 4, 5)},
            {"length 1", {}, inputs({1, 1}, 1, 1)},
            {"one row", {}, inputs({6}, 2, 3)},
            {"dropout", {mask}, inputs({2, 3, 4}, 7, 4)}};
  }
};

}  // namespace

Variable gated_linear_unit(const Variable& x, const GatedUnitWeights& w, const DropoutMask& mask) {
  return apply(GatedLinearUnit{mask}, x, w.W1, w.b1, w.W2, w.b2, w.W3, w.b3);
}

}  // namespace skiff
