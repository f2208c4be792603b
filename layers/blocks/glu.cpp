#include "layers/blocks/glu.h"

#include "autograd/ops.h"

namespace skiff {

// The usual activation has ops that keep less for the backward.
Variable gated(Activation activation, const Variable& a, const Variable& b, const Linear& out,
               const Dropout& drop) {
  if (activation != Activation::Silu) return out(drop(activate(activation, a)) * b);
  return gated_linear(a, b, out.weight, out.bias, drop.mask());
}

Glu::Glu(const Scope& s, int64_t dim, int64_t inner, double dropout, Activation activation)
    : activation(activation),
      l1(s / "l1", dim, inner),
      l2(s / "l2", dim, inner),
      l3(s / "l3", inner, dim),
      drop(s, dropout) {}

Variable Glu::operator()(const Variable& x) const {
  if (activation != Activation::Silu) return gated(activation, l1(x), l2(x), l3, drop);
  return gated_linear_unit(x, {l1.weight, l1.bias, l2.weight, l2.bias, l3.weight, l3.bias},
                           drop.mask());
}

}  // namespace skiff
