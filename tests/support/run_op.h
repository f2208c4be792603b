// Ops run forward and backward, for tests that compare two ways to compute one result.
#pragma once

#include <functional>
#include <vector>

#include "tests/support/testing.h"

namespace skiff::testing {

using List = std::vector<Variable>;

// The value and the gradients of f under a random cotangent, which depends on y's shape alone.
struct Run {
  Tensor y;
  std::vector<Tensor> grads;
};
inline Run run(const std::vector<Tensor>& inputs, const std::function<Variable(const List&)>& f) {
  List leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
  Run result{y.value(), {}};
  for (const Variable& v : leaves) result.grads.push_back(v.grad());
  return result;
}

inline void check_same(const Run& a, const Run& b, double tolerance = 1e-13) {
  CHECK(distance(a.y, b.y) < tolerance);
  REQUIRE(a.grads.size() == b.grads.size());
  for (size_t i = 0; i < a.grads.size(); ++i) {
    CAPTURE(i);
    CHECK(distance(a.grads[i], b.grads[i]) < tolerance);
  }
}

inline Tensor ones(Shape shape) { return full(shape, 1, DType::Float64); }
inline Tensor integers(const std::vector<int32_t>& numbers) {
  return tensor_of(numbers, {int64_t(numbers.size())});
}

}  // namespace skiff::testing
