// A worked example of every op: four numbers in, so that each line can be done by hand. The
// examples of a family of ops are together in worked_examples.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace skiff {

// The matrix M of a linear op, y = M x, float64 (outputs, inputs). A complex number counts as two
// real ones, its parts.
struct OpMatrix {
  Tensor forward;   // column j: the op of the unit vector e_j
  Tensor backward;  // row i: the gradient of x for the output gradient e_i, so the same matrix
  bool complex = false;
};

struct WorkedExample {
  std::string op, call;            // "rfft", "X = rfft(x, F = 4)"
  std::vector<std::string> names;  // of the inputs
  std::vector<Tensor> inputs;      // float64, complex128, int32
  std::function<Variable(const std::vector<Variable>&)> run;
  // The matrix of a linear op along a sequence of n positions; empty for other ops.
  std::function<OpMatrix(int64_t n)> matrix = {};
};
std::vector<WorkedExample> worked_examples();

Tensor example_cotangent(const Tensor& y);  // 1, 0, -1, 2, 1, 0 ..; a single number: 1

struct WorkedResult {
  Tensor y, gy;
  std::vector<Tensor> grads, differences;  // per input; empty for integers
};
WorkedResult work_out(const WorkedExample& e);

// The matrix of its op for n numbers. UsageError, which names --n, where the op has none or it has
// more columns than that.
OpMatrix matrix_of(const WorkedExample& e, int64_t n, int64_t most_columns);

// "(1, -2, 0.5, 4)"; complex "(3.5, 0.5+6i)". Rounded to five digits.
std::string listed(const Tensor& x);

}  // namespace skiff
