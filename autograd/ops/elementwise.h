// Functions of each element by itself; real tensors of any shape.
#pragma once

#include "autograd/ops/detail/dropout_mask.h"
#include "autograd/tape.h"

namespace skiff {

Variable relu(const Variable& x);
Variable silu(const Variable& x);  // x sigmoid(x)
Variable gelu(const Variable& x);  // x (1 + erf(x / sqrt 2)) / 2
Variable sigmoid(const Variable& x);
Variable tanh(const Variable& x);
Variable exp(const Variable& x);
Variable elu(const Variable& x);  // x for x > 0, e^x - 1 otherwise

// k x, k the mask: every element is 0 with probability mask.rate, otherwise divided by 1 - rate.
Variable dropout(const Variable& x, const DropoutMask& mask);

}  // namespace skiff
