// Multiplies by the mask of dropout: what dropout and gated_linear share (dropout.cpp has the
// rule).
#pragma once

#include "autograd/ops.h"

namespace skiff {

void multiply_by_mask(const DropoutMask& mask, const Tensor& x, Tensor& y);  // y = k x; y may be x

}  // namespace skiff
