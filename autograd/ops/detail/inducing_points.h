// W of SKI and its transpose, without forming W: linear interpolation between r inducing points,
// the first at position 0 and the last at n-1 (derived in interpolate.cpp). What interpolate,
// interpolate_adjoint and ski share.
#pragma once

#include "core/tensor.h"

namespace skiff {

// W s:   (.., r, ..) -> (.., n, ..)
Tensor from_inducing_points(const Tensor& s, int64_t n, int64_t axis);
// W^T x: (.., n, ..) -> (.., r, ..)
Tensor to_inducing_points(const Tensor& x, int64_t r, int64_t axis);

}  // namespace skiff
