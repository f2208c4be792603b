// linear: the affine map of every row, as in PyTorch.
//
//   forward   y[r, o] = sum_i x[r, i] W[o, i] + b[o],   r over the leading axes
//   adjoint   gx[r, i] = sum_o gy[r, o] W[o, i]         gx = gy W
//             gW[o, i] = sum_r gy[r, o] x[r, i]         gW = gy^T x
//             gb[o]    = sum_r gy[r, o]
//
// each of them the sum of gy over the outputs that one entry of x, W or b takes part in.
//
// One op in place of matmul and add: the rows of y start as b and the product is added to them,
// so the bias costs no pass of its own.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/sum_leading.h"
#include "core/blas.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void fill_rows(const Tensor& b, Tensor& y) {
  const int64_t out = b.size(), rows = y.size() / out;
  const T* from = b.data<T>();
  T* to = y.data<T>();
  parallel_rows(y.device(), rows, out, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * out;
    row.for_each(out, [&](int64_t j) { to[o + j] = from[j]; });
  });
}

template <class T>
void multiply(const blas::Gemm& g, const Tensor& a, const Tensor& b, Tensor& c) {
  blas::gemm(c.device(), g, a.data<T>(), b.data<T>(), c.data<T>());
}

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
    const int64_t in = W.size(1), out = W.size(0);
    Tensor y(x.shape().with(-1, out), x.dtype(), x.device());
    if (y.size() == 0) return y;
    if (b) {
      check_like(name, x, b);
      check(b.shape() == Shape{out}, name, ": the bias of W ", W, " must have ", out,
            " elements, got ", b);
      dispatch(x, [&]<class T> { fill_rows<T>(b, y); });
    }
    dispatch(x, [&]<class T> {
      multiply<T>(
          {.transpose_b = true, .m = y.size() / out, .n = out, .k = in, .beta = b ? 1.0 : 0.0}, x,
          W, y);
    });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const int64_t in = W.size(1), out = W.size(0), rows = gy.size() / std::max<int64_t>(out, 1);
    Tensor gx, gW, gb;
    dispatch(gy, [&]<class T> {
      if (needs[0]) {
        gx = empty_like(x);
        multiply<T>({.m = rows, .n = in, .k = out}, gy, W, gx);
      }
      if (needs[1]) {
        gW = empty_like(W);
        multiply<T>({.transpose_a = true, .m = out, .n = in, .k = rows}, gy, x, gW);
      }
    });
    if (needs[2]) gb = sum_leading(gy, {out});
    return {gx, gW, gb};
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
