// gated_linear: the output map of a gated unit, y = p W^T + bias of p = k silu(a) b, k the mask of
// dropout (1 without it).
//
//   forward   p[r, i] = k[r, i] silu(a[r, i]) b[r, i],   r over the leading axes
//             y[r, o] = sum_i p[r, i] W[o, i] + bias[o]
//   adjoint   gp = k (gy W)                  linear's adjoint, through the mask (dropout.cpp)
//             gb = gp silu(a)                a product: each factor gets gp times the other
//             ga = gp b silu'(a)             and a the slope of silu besides (activations.cpp)
//             gW = gy^T p,   gbias = sum_r gy
//
// The composition linear(dropout(silu(a)) * b, W, bias) keeps four tensors of a's size until its
// backward: a, silu(a), b and p. This op keeps a and b. Its backward reads them anyway, to make ga
// and gb, and works silu(a) and p out again in the same pass.

#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/affine.h"
#include "autograd/ops/dropout_mask.h"
#include "autograd/ops/sum_leading.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void gate(const Tensor& a_tensor, const Tensor& b_tensor, Tensor& p_tensor) {
  const T *a = a_tensor.data<T>(), *b = b_tensor.data<T>();
  T* p = p_tensor.data<T>();
  parallel_for(a_tensor.device(), a_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { p[i] = math::silu(a[i]) * b[i]; });
}

// From gp (masked): gb, p before its mask, and ga in gp's place.
template <class T>
void gate_gradients(const Tensor& a_tensor, const Tensor& b_tensor, Tensor& gp_to_ga,
                    Tensor& gb_tensor, Tensor& p_tensor) {
  const T *a = a_tensor.data<T>(), *b = b_tensor.data<T>();
  T *g = gp_to_ga.data<T>(), *gb = gb_tensor.data<T>(), *p = p_tensor.data<T>();
  parallel_for(a_tensor.device(), a_tensor.size(), [=] SKIFF_KERNEL(int64_t i) {
    const T ai = a[i], bi = b[i], gp = g[i], s = math::sigmoid(ai), silu = ai * s;
    gb[i] = gp * silu;
    p[i] = silu * bi;
    g[i] = gp * bi * (s + silu * (T(1) - s));  // silu' = s + a s (1 - s)
  });
}

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
    check(mask.rate >= 0 && mask.rate < 1, name, ": the rate must lie in [0, 1), got ", mask.rate);
    this->a = a;
    this->b = b;
    this->W = W;
    Tensor p = empty_like(a);
    dispatch(a, [&]<class T> { gate<T>(a, b, p); });
    multiply_by_mask(mask, p, p);
    return affine::map(p, W, bias);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor ga = affine::input_gradient(gy, W, a.shape());  // gp, until its place is taken
    multiply_by_mask(mask, ga, ga);
    Tensor gb = empty_like(b), p = empty_like(a);
    dispatch(gy, [&]<class T> { gate_gradients<T>(a, b, ga, gb, p); });
    multiply_by_mask(mask, p, p);
    return {ga, gb, needs[2] ? affine::weight_gradient(gy, p) : Tensor(),
            needs[3] ? sum_leading(gy, {W.size(0)}) : Tensor()};
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
