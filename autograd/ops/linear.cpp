// linear: the affine map of every row, as in PyTorch.
//
//   forward   y[r, o] = sum_i x[r, i] W[o, i] + b[o],   r over the leading axes
//   adjoint   gx[r, i] = sum_o gy[r, o] W[o, i]         gx = gy W
//             gW[o, i] = sum_r gy[r, o] x[r, i]         gW = gy^T x
//             gb[o]    = sum_r gy[r, o]
//
// each of them the sum of gy over the outputs that one entry of x, W or b takes part in.
//
// One op in place of matmul and add. The products themselves stand in affine.cpp.

#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/affine.h"
#include "autograd/ops/sum_leading.h"

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
    return affine::map(x, W, b);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    return {needs[0] ? affine::input_gradient(gy, W, x.shape()) : Tensor(),
            needs[1] ? affine::weight_gradient(gy, x) : Tensor(),
            needs[2] ? sum_leading(gy, {W.size(0)}) : Tensor()};
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
