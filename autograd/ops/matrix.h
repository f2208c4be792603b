// Matrix products, and the affine maps of a network's layers.
#pragma once

#include "autograd/ops/detail/dropout_mask.h"
#include "autograd/tape.h"

namespace skiff {

// An operand of matmul: a matrix as it is stored, or its transpose.
struct MatmulOperand {
  MatmulOperand(const Tensor& x) : x(x) {}
  MatmulOperand(const Variable& x, bool transposed = false) : x(x), transposed(transposed) {}
  Variable x;
  bool transposed = false;
};
inline MatmulOperand transposed(const Variable& x) { return {x, true}; }

// y = a b for each leading index; a (.., m, k), b (.., k, n) with a's leading sizes, or (k, n) for
// all of them. matmul(q, transposed(k)): k is stored (.., n, k).
Variable matmul(const MatmulOperand& a, const MatmulOperand& b);

// y = x W^T + b;  x (.., in), W (out, in), b (out) or empty -> (.., out)
Variable linear(const Variable& x, const Variable& W, const Variable& b = {});

// y = (k silu(a) b) W^T + bias, k the mask of dropout;  a b (.., in), W (out, in), bias (out)
Variable gated_linear(const Variable& a, const Variable& b, const Variable& W, const Variable& bias,
                      const DropoutMask& mask);

// The whole gated linear unit, y = (k silu(x W1^T + b1) (x W2^T + b2)) W3^T + b3;
// x (.., in), W1 and W2 (inner, in), W3 (out, inner), a bias for each -> (.., out)
struct GatedUnitWeights {
  Variable W1, b1, W2, b2, W3, b3;
};
Variable gated_linear_unit(const Variable& x, const GatedUnitWeights& weights,
                           const DropoutMask& mask);

}  // namespace skiff
