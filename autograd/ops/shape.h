// The same elements in another order or shape; real or complex.
#pragma once

#include <vector>

#include "autograd/tape.h"

namespace skiff {

Variable reshape(const Variable& x, const Shape& shape);                      // a view
Variable slice(const Variable& x, int64_t axis, int64_t begin, int64_t end);  // begin .. end-1
Variable concat(const std::vector<Variable>& parts, int64_t axis);
Variable transpose(const Variable& x, int64_t axis_a, int64_t axis_b);  // a copy

}  // namespace skiff
