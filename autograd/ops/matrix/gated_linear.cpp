// gated_linear: the output map of a gated unit, y = p W^T + bias of the gated
// p = k silu(a) b, k the mask of dropout (1 without it).
//
//   forward   p[r, i] = k[r, i] silu(a[r, i]) b[r, i],  r the leading axes
//             y[r, o] = sum_i p[r, i] W[o, i] + bias[o]
//   adjoint   gW = gy^T p,   gbias = sum_r gy,   gp = gy W     (linear.cpp)
//
// The gate multiplies three factors, element by element. Its differential,
//
//   dp = k (silu(a) db + b silu'(a) da),
//
// gives each factor gp times what it is multiplied with:
//
//             gb = k gp silu(a)
//             ga = k gp b silu'(a),   silu'(a) = s + a s (1 - s),
//                                     s the sigmoid of a (activations.cpp)
//
// The composition linear(dropout(silu(a)) * b, W, bias) keeps four tensors of
// a's size until its backward: a, silu(a), b and p. This op keeps a and b. Its
// backward reads them anyway, to make ga and gb, and computes silu(a) and p
// again in the same pass. Both directions go by pieces of rows (affine.h), so
// p and gp never leave the cache.

#include "autograd/op.h"
#include "autograd/ops/detail/affine.h"
#include "autograd/ops/detail/dropout_mask.h"
#include "autograd/ops/detail/gate.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/matrix.h"

namespace skiff {
namespace {

struct GatedLinear {
  static constexpr auto name = "gated_linear";
  DropoutMask mask = {};          // attribute
  Tensor a = {}, b = {}, W = {};  // saved

  Tensor forward(const Tensor& a, const Tensor& b, const Tensor& W, const Tensor& bias) {
    check_real(name, "a", a);
    check_like(name, a, b);
    check_like(name, a, W);
    check_like(name, a, bias);
    check(a.rank() >= 1 && a.shape() == b.shape() && W.rank() == 2 && a.size(-1) == W.size(1), name,
          ": a (.., in), b like it and W (out, in) are needed, got ", a, ", ", b, " and ", W);
    check(bias.shape() == Shape{W.size(0)}, name, ": the bias of W ", W, " must have ", W.size(0),
          " elements, got ", bias);
    check_mask(name, mask);
    this->a = a;
    this->b = b;
    this->W = W;
    Tensor y(a.shape().with(-1, W.size(0)), a.dtype(), a.device());
    dispatch(a, [&]<class T> { map<T>(bias, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor ga = empty_like(a), gb = empty_like(b);
    affine::RowSums sums(W, a.device(), pieces(), needs[2], needs[3]);
    dispatch(gy, [&]<class T> { gradients<T>(gy, ga, gb, sums); });
    return {ga, gb, sums.weight_gradient(), sums.bias_gradient()};
  }

  int64_t rows() const { return a.shape().first(a.rank() - 1).size(); }
  affine::Pieces pieces() const { return {a.device(), rows(), 5 * W.size(1) + W.size(0)}; }

  template <class T>
  void map(const Tensor& bias, Tensor& y_tensor) const {
    const int64_t in = W.size(1), out = W.size(0);
    const Device device = a.device();
    const affine::Pieces all = pieces();
    affine::Scratch<T> scratch(all, in);
    const T *a_rows = a.data<T>(), *b_rows = b.data<T>();
    T* y = y_tensor.data<T>();
    affine::check_readable({&W, &bias});
    all.for_each([&](const affine::Piece& piece) {
      const int64_t first = piece.first * in, n = piece.count * in;
      T* p = scratch.mine();
      gate<T>(device, n, a_rows + first, b_rows + first, p);
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, p, p);
      affine::map_rows<T>(device, piece.count, W, bias, p, y + piece.first * out);
    });
  }
  template <class T>
  void gradients(const Tensor& gy_tensor, Tensor& ga_tensor, Tensor& gb_tensor,
                 affine::RowSums& sums) const {
    const int64_t in = W.size(1), out = W.size(0);
    const Device device = a.device();
    const affine::Pieces all = pieces();
    affine::Scratch<T> scratch(all, in);
    T *ga = ga_tensor.data<T>(), *gb = gb_tensor.data<T>();
    const T *gy = gy_tensor.data<T>(), *a_rows = a.data<T>(), *b_rows = b.data<T>();
    affine::check_readable({&W});
    all.for_each([&](const affine::Piece& piece) {
      const int64_t first = piece.first * in, n = piece.count * in;
      const T* gy_rows = gy + piece.first * out;
      T *p = scratch.mine(), *g = ga + first;
      affine::input_gradient_rows<T>(device, piece.count, W, gy_rows, g);  // gp, soon ga
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, g, g);
      gate_gradients<T>(device, n, a_rows + first, b_rows + first, g, gb + first, p);
      multiply_by_mask<T>(mask, device, mask_row(a), first, n, p, p);
      sums.add<T>(piece, gy_rows, p);
    });
  }

  double flops() const { return 2.0 * double(rows() * W.size(0) * W.size(1)); }
  Tensor reference(const Tensor& a, const Tensor& b, const Tensor& W, const Tensor& bias) const {
    Tensor k = full(a.shape(), 1, a.dtype()), y = zeros(a.shape().with(-1, W.size(0)), a.dtype());
    multiply_by_mask<double>(mask, k.device(), mask_row(k), 0, k.size(), k.data<double>(),
                             k.data<double>());
    const auto at = reference::elements(std::as_const(k), -1), in_a = reference::elements(a, -1);
    const auto in_b = reference::elements(b, -1), weight = reference::elements(W, -1);
    const auto out = reference::elements(y, -1);
    out.for_each([&](int64_t r, int64_t o, int64_t) {
      out(r, o, 0) = bias.data<double>()[o];
      for (int64_t i = 0; i < weight.n; ++i) {
        const double p = at(r, i, 0) * reference::silu(in_a(r, i, 0)) * in_b(r, i, 0);
        out(r, o, 0) += p * weight(o, i, 0);
      }
    });
    return y;
  }
  static std::vector<Sample<GatedLinear>> samples() {
    const DropoutMask mask{.rate = 0.4, .seed = 1, .step = 2, .call = 3};
    return {{"rows", {}, {randn({5, 4}), randn({5, 4}), randn({3, 4}), randn({3})}},
            {"sequence", {}, {randn({2, 3, 5}), randn({2, 3, 5}), randn({4, 5}), randn({4})}},
            {"length 1", {}, {randn({1, 1}), randn({1, 1}), randn({1, 1}), randn({1})}},
            {"one row", {}, {randn({6}), randn({6}), randn({2, 6}), randn({2})}},
            {"dropout", {mask}, {randn({2, 3, 7}), randn({2, 3, 7}), randn({3, 7}), randn({3})}}};
  }
};

}  // namespace

Variable gated_linear(const Variable& a, const Variable& b, const Variable& W, const Variable& bias,
                      const DropoutMask& mask) {
  return apply(GatedLinear{mask}, a, b, W, bias);
}

}  // namespace skiff
