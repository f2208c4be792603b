// NaN and infinity planted into every op of the table: at places of every input of every sample,
// and of the gradient that arrives at its output. A tape with check_finite() has to name the op
// where they appear first, and no op may make a finite result of a NaN that takes part in it.
#include <doctest/doctest.h>

#include <limits>

#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPlants[] = {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity};

bool differentiable(const Tensor& x) { return x && x.dtype() != DType::Int32; }

// With another number at a place; the real and the imaginary part of a complex number are two.
Tensor planted(const Tensor& x, size_t at, double number) {
  std::vector<double> numbers = to_vector(x);
  numbers[at] = number;
  return tensor_of(numbers, x.shape(), x.dtype());
}

std::vector<size_t> places(const Tensor& x) {  // twelve at most, evenly spread
  const size_t all = to_vector(x).size(), count = std::min(all, size_t(12));
  std::vector<size_t> found;
  for (size_t i = 0; i < count; ++i) found.push_back(i * all / count);
  return found;
}

// What the tape says about a sample, and its output or, with a cotangent gy, its gradients.
struct Outcome {
  std::string message;
  std::vector<std::vector<double>> numbers;
};
Outcome outcome(const OpSample& sample, const std::vector<Tensor>& inputs, const Tensor& gy) {
  Outcome result;
  std::vector<Variable> variables;
  for (const Tensor& x : inputs)
    variables.push_back(differentiable(x) ? Variable::leaf(x) : Variable(x));
  result.message = message_of([&] {
    Tape tape;
    tape.check_finite();
    const Variable y = sample.run(variables);
    if (!gy) return result.numbers.push_back(to_vector(y.value()));
    tape.backward(y, gy);
    for (const Variable& v : variables)
      if (v.requires_grad()) result.numbers.push_back(to_vector(v.grad()));
  });
  return result;
}

// `with(number)` is the outcome with that number at the place whose number is `now`.
template <class With>
int64_t check_plants(const std::string& beginning, double now, const With& with) {
  int64_t named = 0;
  for (const double number : kPlants) {
    CAPTURE(number);
    const Outcome bad = with(number);
    CHECK((bad.message.empty() || bad.message.starts_with(beginning)));
    named += !bad.message.empty();
    // Nobody notices a NaN where no other number makes a difference either.
    if (bad.message.empty() && std::isnan(number))
      CHECK((with(now).numbers == with(now + 1).numbers));
  }
  return named;
}

}  // namespace

TEST_CASE("not finite: what is planted in an input of any op is found at that op") {
  for (const OpEntry& op : op_table()) {
    CAPTURE(op.name);
    int64_t named = 0;
    for (const OpSample& sample : op.samples())
      for (size_t i = 0; i < sample.inputs.size(); ++i) {
        if (!differentiable(sample.inputs[i])) continue;
        for (const size_t at : places(sample.inputs[i])) {
          CAPTURE(sample.label);
          CAPTURE(i);
          CAPTURE(at);
          const double now = to_vector(sample.inputs[i])[at];
          // An op may also refuse a number itself: the base of a power, for example.
          named += check_plants(op.name + ": ", now, [&](double number) {
            std::vector<Tensor> inputs = sample.inputs;
            inputs[i] = planted(inputs[i], at, number);
            return outcome(sample, inputs, {});
          });
        }
      }
    CHECK(named > 0);
  }
}

TEST_CASE("not finite: what is planted in the gradient of any op is found in those it gives") {
  for (const OpEntry& op : op_table()) {
    CAPTURE(op.name);
    int64_t named = 0;
    for (const OpSample& sample : op.samples()) {
      std::vector<Variable> constants(sample.inputs.begin(), sample.inputs.end());
      const Tensor y = sample.run(constants).value();
      const Tensor gy = random_normal(y.shape(), y.dtype(), 7);
      for (const size_t at : places(gy)) {
        CAPTURE(sample.label);
        CAPTURE(at);
        named += check_plants(
            op.name + ": the gradient of input ", to_vector(gy)[at],
            [&](double number) { return outcome(sample, sample.inputs, planted(gy, at, number)); });
      }
    }
    CHECK(named > 0);
  }
}
