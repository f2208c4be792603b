// What backward and central differences make of a worked example.
#include <cmath>
#include <cstdio>

#include "autograd/differences.h"
#include "examples/explain/worked_examples.h"

namespace skiff {

Tensor example_cotangent(const Tensor& y) {
  Tensor gy = empty_like(y);
  const double cycle[] = {1, 0, -1, 2};
  const int64_t reals = y.size() * (y.is_complex() ? 2 : 1);
  for (int64_t i = 0; i < reals; ++i)
    static_cast<double*>(gy.raw())[i] = reals == 1 ? 1 : cycle[i % 4];
  return gy;
}

WorkedResult work_out(const WorkedExample& e) {
  WorkedResult result;
  std::vector<Variable> inputs;
  for (const Tensor& x : e.inputs)
    inputs.push_back(x.dtype() == DType::Int32 ? Variable(x) : Variable::leaf(x));
  {
    Tape tape;
    const Variable y = e.run(inputs);
    result.y = y.value();
    result.gy = example_cotangent(result.y);
    tape.backward(y, result.gy);
  }
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    const bool differentiable = inputs[i].requires_grad();
    result.grads.push_back(differentiable ? inputs[i].grad() : Tensor());
    const auto loss = [&](const Tensor& x) {
      std::vector<Variable> moved(e.inputs.begin(), e.inputs.end());
      moved[i] = x;
      return inner(e.run(moved).value(), result.gy);
    };
    result.differences.push_back(differentiable ? central_differences(loss, e.inputs[i], 1e-5)
                                                : Tensor());
  }
  return result;
}

std::string listed(const Tensor& x) {
  const auto number = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.5g", std::abs(v) < 5e-8 ? 0 : v);
    return std::string(text);
  };
  const std::vector<double> v = to_vector(x);
  std::string text;
  for (size_t i = 0; i < v.size(); ++i) {
    if (!x.is_complex()) {
      text += (i ? ", " : "") + number(v[i]);
    } else {
      const std::string im = number(v[i + 1]);
      text += (i ? ", " : "") + number(v[i]);
      if (im != "0") text += (im[0] == '-' ? "" : "+") + im + "i";
      ++i;
    }
  }
  return "(" + text + ")";
}

OpMatrix matrix_of(const WorkedExample& e, int64_t n, int64_t most_columns) {
  if (!e.matrix) {
    std::string others;
    for (const WorkedExample& other : worked_examples())
      if (other.matrix) others += " " + other.op;
    fail<UsageError>("--n: '", e.op, "' has no matrix to show; these have:", others);
  }
  const OpMatrix matrix = e.matrix(n);
  const int64_t columns = matrix.forward.size(1);
  check<UsageError>(columns <= most_columns, "--n: the matrix of '", e.op, "' for ", n, " has ",
                    columns, " columns, of which ", most_columns, " fit a line");
  return matrix;
}

}  // namespace skiff
