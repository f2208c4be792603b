// W of SKI without its being formed: linear interpolation between r knots, ends aligned with
// positions 0 .. n-1 (interpolate.cpp). The weights of a position are worked out where it is met.
#pragma once

#include "core/tensor.h"

namespace skiff {

Tensor read_knots(const Tensor& s, int64_t n, int64_t axis);    // W s:   (.., r, ..) -> (.., n, ..)
Tensor sum_to_knots(const Tensor& x, int64_t r, int64_t axis);  // W^T x: (.., n, ..) -> (.., r, ..)

}  // namespace skiff
