// The affine map of every row, y = x W^T + b, and its gradients: what linear and gated_linear
// share. The derivation stands in linear.cpp.
#pragma once

#include "core/tensor.h"

namespace skiff::affine {

Tensor map(const Tensor& x, const Tensor& W,
           const Tensor& b);  // x (.., in), W (out, in), b (out) or empty
Tensor input_gradient(const Tensor& gy, const Tensor& W, const Shape& x_shape);  // gy W
Tensor weight_gradient(const Tensor& gy, const Tensor& x);                       // gy^T x

}  // namespace skiff::affine
