// What an op is.
//
// An op is a struct in a file of ops/<family>, under its derivation, with
//   static constexpr auto name        "rfft"
//   attributes and saved values       its members: attributes first, then what backward will need
//   Tensor forward(const Tensor&...)  one output; may set saved members
//   Grads backward(gy, needs) const   one gradient per input; where needs[i] is false it may be
//                                     empty, and is ignored. It adds into no buffer: the tape does.
//   static std::vector<Sample<Op>> samples()     test data
// and, where it applies,
//   static constexpr Linearity linear   linear in all inputs together, or in each by itself: then
//                                     the adjoint test checks backward exactly, without differences
//   Tensor reference(const Tensor&..) const      where forward takes a fast path: the formula as
//                                     plain code in float64 on the CPU, from the inputs and the
//                                     attributes alone; gradcheck compares forward with it
//   double flops() const              multiplications and additions of its matrix products
//   void move_to(Device)              if attributes are tensors: samples run on every device
// apply() runs it and records it. It also enters it into the op table, which is how the gradient
// check finds every op; an op without a name or samples does not compile.
//
// A new op is one file ops/<family>/<op>.cpp, one declaration in ops/<family>.h, one worked example
// in examples/explain/worked_examples.cpp and one planted bug in tests/mutants: tests ask for each.
// Op files include the header of their family, not the list of all ops, so a new op compiles its
// own family again and no other. Code that two or more ops share is in ops/detail.
//
// Gradients of complex tensors. For a real loss L and a complex z,
//   gz = dL/dRe z + i dL/dIm z:
// the two parts are two reals that happen to be neighbours. So for a linear map y = A x the
// backward is gx = A^H gy, for a product z = a b it is ga = conj(b) gz, and a real input takes the
// real part. There is no other complex rule in this project.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tape.h"

namespace skiff {

enum class Linearity {
  No,
  Jointly,  // f(a x + b z) = a f(x) + b f(z) for all inputs taken together
  InEach    // linear (or affine) in each floating point input while the others are held
};

// A test case: what it is, the op with its attributes, float64 (or complex128, int32) inputs.
template <class Op>
struct Sample {
  std::string label;
  Op op;
  std::vector<Tensor> inputs;
};

// Test data, the same on every run: normally distributed, and integers in 0 .. limit-1.
Tensor randn(Shape shape);
Tensor randc(Shape shape);
Tensor randint(Shape shape, int64_t limit);

// An op as the op table knows it.
struct OpSample {
  std::string label;
  std::vector<Tensor> inputs;
  std::function<Variable(const std::vector<Variable>&)> run;  // a fresh copy of the op each time
  std::function<Tensor(const std::vector<Tensor>&)> reference = {};  // empty if the op has none
};
struct OpEntry {
  std::string name;
  Linearity linear;
  std::vector<OpSample> (*samples)();
};
const std::vector<OpEntry>& op_table();  // sorted by name
bool enter_op(OpEntry entry);            // called before main
void restart_sample_numbers();

namespace detail {

template <class F>
struct ForwardArguments;
template <class Op, class... Args>
struct ForwardArguments<Tensor (Op::*)(Args...)> {
  static constexpr size_t count = sizeof...(Args);
};
template <class Op>
struct ForwardArguments<Tensor (Op::*)(const std::vector<Tensor>&)> {
  static constexpr size_t count = 0;  // a list of any length
};

template <class Op>
Tensor run_forward(Op& op, const std::vector<Variable>& inputs) {
  constexpr size_t count = ForwardArguments<decltype(&Op::forward)>::count;
  if constexpr (count == 0) {
    std::vector<Tensor> values;
    for (const Variable& v : inputs) values.push_back(v.value());
    return op.forward(values);
  } else {
    check(inputs.size() == count, Op::name, ": takes ", count, " inputs, got ", inputs.size());
    return [&]<size_t... i>(std::index_sequence<i...>) { return op.forward(inputs[i].value()...); }
    (std::make_index_sequence<count>());
  }
}

template <class Op, class... Args>
Tensor run_reference(const Op& op, Tensor (Op::*reference)(Args...) const,
                     const std::vector<Tensor>& inputs) {
  return [&]<size_t... i>(std::index_sequence<i...>) { return (op.*reference)(inputs[i]...); }
  (std::index_sequence_for<Args...>());
}

template <class Op>
struct OpNode final : Node {
  Op op;
  explicit OpNode(Op op) : op(std::move(op)) {}
  const char* name() const override { return Op::name; }
  Grads backward(const Tensor& gy, Needs needs) const override { return op.backward(gy, needs); }
  double flops() const override {
    if constexpr (requires { op.flops(); })
      return op.flops();
    else
      return 0;
  }
};

template <class Op>
constexpr Linearity linearity() {
  if constexpr (requires { Op::linear; })
    return Op::linear;
  else
    return Linearity::No;
}

}  // namespace detail

template <class Op>
Variable apply_to(Op op, const std::vector<Variable>& inputs);

namespace detail {

template <class Op>
std::vector<OpSample> erased_samples() {
  restart_sample_numbers();
  std::vector<OpSample> erased;
  for (const Sample<Op>& sample : Op::samples()) {
    OpSample one{sample.label, sample.inputs,
                 [op = sample.op](const std::vector<Variable>& inputs) {
                   Op copy = op;
                   if constexpr (requires { copy.move_to(Device::CPU); })
                     copy.move_to(inputs.front().device());
                   return apply_to(std::move(copy), inputs);
                 }};
    if constexpr (requires { &Op::reference; })
      one.reference = [op = sample.op](const std::vector<Tensor>& inputs) {
        return run_reference(op, &Op::reference, inputs);
      };
    erased.push_back(std::move(one));
  }
  return erased;
}

template <class Op>
struct Entered {
  static inline const bool done = enter_op({Op::name, linearity<Op>(), &erased_samples<Op>});
};

}  // namespace detail

// Runs an op on a list of inputs. An empty Variable is an optional input that is left out.
template <class Op>
Variable apply_to(Op op, const std::vector<Variable>& inputs) {
  (void)detail::Entered<Op>::done;
  const Recorder recorder(inputs);
  Tensor y = detail::run_forward(op, inputs);
  return recorder.finish(Op::name, std::move(y), inputs,
                         [&] { return std::make_unique<detail::OpNode<Op>>(std::move(op)); });
}

template <class Op, class... Inputs>
Variable apply(Op op, const Inputs&... inputs) {
  return apply_to(std::move(op), {Variable(inputs)...});
}

// Requirements that many ops share.
void check_real(const char* op, const char* what, const Tensor& x);
void check_complex(const char* op, const char* what, const Tensor& x);
void check_floating(const char* op, const Tensor& x);               // real or complex
void check_like(const char* op, const Tensor& a, const Tensor& b);  // same dtype and device

}  // namespace skiff
