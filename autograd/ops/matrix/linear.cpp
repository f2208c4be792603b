// linear: the affine map of every row, as in PyTorch.
//
//   forward   y[r, o] = sum_i x[r, i] W[o, i] + b[o],  r the leading axes
//   adjoint   gx[r, i] = sum_o gy[r, o] W[o, i]         gx = gy W
//             gW[o, i] = sum_r gy[r, o] x[r, i]         gW = gy^T x
//             gb[o]    = sum_r gy[r, o]
//
// each of them the sum of gy over the outputs that one entry of x, W or b
// takes part in.
//
// One op in place of matmul and add. The products are in affine.cpp, for some
// hundred rows at a time, since gy and x are read three times in the backward.

#include "autograd/op.h"
#include "autograd/ops/detail/affine.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/matrix.h"

namespace skiff {
namespace {

struct LinearMap {
  static constexpr auto name = "linear";
  static constexpr Linearity linear = Linearity::InEach;
  Tensor x, W;  // saved

  Tensor forward(const Tensor& x, const Tensor& W, const Tensor& b) {
    check_real(name, "x", x);
    check_like(name, x, W);
    check(W.rank() == 2 && x.rank() >= 1 && x.size(-1) == W.size(1), name,
          ": x (.., in) and W (out, in) are needed, got ", x, " and ", W);
    this->x = x;
    this->W = W;
    if (b) {
      check_like(name, x, b);
      check(b.shape() == Shape{W.size(0)}, name, ": the bias of W ", W, " must have ", W.size(0),
            " elements, got ", b);
    }
    Tensor y(x.shape().with(-1, W.size(0)), x.dtype(), x.device());
    dispatch(x, [&]<class T> { map<T>(b, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor gx = needs[0] ? empty_like(x) : Tensor();
    affine::RowSums sums(W, x.device(), pieces(), needs[1], needs[2]);
    dispatch(gy, [&]<class T> { gradients<T>(gy, gx, sums); });
    return {gx, sums.weight_gradient(), sums.bias_gradient()};
  }

  int64_t rows() const { return x.shape().first(x.rank() - 1).size(); }
  affine::Pieces pieces() const { return {x.device(), rows(), 2 * W.size(1) + W.size(0)}; }

  template <class T>
  void map(const Tensor& b, Tensor& y_tensor) const {
    const int64_t in = W.size(1), out = W.size(0);
    const T* from = x.data<T>();
    T* y = y_tensor.data<T>();
    affine::check_readable({&W, &b});
    pieces().for_each([&](const affine::Piece& p) {
      affine::map_rows<T>(x.device(), p.count, W, b, from + p.first * in, y + p.first * out);
    });
  }
  template <class T>
  void gradients(const Tensor& gy_tensor, Tensor& gx_tensor, affine::RowSums& sums) const {
    const int64_t in = W.size(1), out = W.size(0);
    const T *gy = gy_tensor.data<T>(), *from = x.data<T>();
    T* gx = gx_tensor ? gx_tensor.data<T>() : nullptr;
    affine::check_readable({&W});
    pieces().for_each([&](const affine::Piece& p) {
      const T* gy_rows = gy + p.first * out;
      if (gx) affine::input_gradient_rows<T>(x.device(), p.count, W, gy_rows, gx + p.first * in);
      sums.add<T>(p, gy_rows, from + p.first * in);
    });
  }

  double flops() const { return 2.0 * double(rows() * W.size(0) * W.size(1)); }
  Tensor reference(const Tensor& x, const Tensor& W, const Tensor& b) const {
    Tensor y = zeros(x.shape().with(-1, W.size(0)), x.dtype());
    const auto in = reference::elements(x, -1), weight = reference::elements(W, -1);
    const auto out = reference::elements(y, -1);
    out.for_each([&](int64_t r, int64_t o, int64_t) {
      if (b) out(r, o, 0) = b.data<double>()[o];
      for (int64_t i = 0; i < in.n; ++i) out(r, o, 0) += in(r, i, 0) * weight(o, i, 0);
    });
    return y;
  }
  static std::vector<Sample<LinearMap>> samples() {
    return {{"rows", {}, {randn({5, 4}), randn({3, 4}), randn({3})}},
            {"no bias", {}, {randn({5, 4}), randn({3, 4}), Tensor()}},
            {"sequence", {}, {randn({2, 3, 4}), randn({5, 4}), randn({5})}},
            {"one input", {}, {randn({7, 1}), randn({4, 1}), randn({4})}},
            {"one output", {}, {randn({2, 3, 5}), randn({1, 5}), randn({1})}},
            {"one row", {}, {randn({6}), randn({2, 6}), randn({2})}},
            {"rank 4", {}, {randn({2, 1, 3, 2}), randn({2, 2}), Tensor()}}};
  }
};

}  // namespace

Variable linear(const Variable& x, const Variable& W, const Variable& b) {
  return apply(LinearMap{}, x, W, b);
}

}  // namespace skiff
