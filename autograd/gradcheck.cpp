// Checks of y = f(x1, x2, ...), with a random cotangent gy (a plain sum would let symmetric
// mistakes pass) and a random direction v:
//
//   adjoint      a linear f: <f(v), gy> = <v, backward(gy)>, exactly but for rounding
//   difference   (<f(x + h e), gy> - <f(x - h e), gy>) / 2h  against the entry of the gradient, for
//                every entry e, h = 6e-6 max(1, |x|); the truncation error is O(h^2)
//   reference    f(x) against the op's plain formula, where it has one (op.h)
//   precision    the same op in float32 against float64
//   needs        each gradient asked for alone equals the one asked for with all others
//
// Complex tensors are pairs of reals throughout: <a, b> = sum Re a Re b + Im a Im b.
#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "autograd/differences.h"
#include "core/random.h"

namespace skiff {
namespace {

bool differentiable(const Tensor& x) { return x && x.dtype() != DType::Int32; }

double norm(const Tensor& a) { return std::sqrt(inner(a, a)); }

struct Run {  // one forward and backward
  Tensor y;
  std::vector<Tensor> grads;  // per input; empty for integers
};

Variable on(Device device, const Tensor& x) { return x ? Variable(x.to(device)) : Variable(x); }
Variable leaf_on(Device device, const Tensor& x) {
  return differentiable(x) ? Variable::leaf(x.to(device)) : on(device, x);
}

void check_form(const Tensor& x, const Tensor& gx, size_t input) {
  check(bool(gx), "no gradient for input ", input);
  check(gx.shape() == x.shape() && gx.dtype() == x.dtype() && gx.device() == x.device(),
        "the gradient of input ", input, " must be ", x, " like the input, got ", gx);
}

Run run(const OpSample& sample, const std::vector<Tensor>& inputs, const Tensor& gy,
        Device device) {
  std::vector<Variable> variables;
  for (const Tensor& x : inputs) variables.push_back(leaf_on(device, x));
  Tape tape;
  tape.check_unchanged();
  const Variable y = sample.run(variables);
  Run result{y.value(), {}};
  if (gy) tape.backward(y, gy.to(device));
  for (size_t i = 0; i < variables.size(); ++i) {
    const Variable& v = variables[i];
    result.grads.push_back(gy && v.requires_grad() ? v.grad() : Tensor());
    if (gy && v.requires_grad()) check_form(v.value(), result.grads[i], i);
  }
  return result;
}

Tensor evaluate(const OpSample& sample, const std::vector<Tensor>& inputs, Device device) {
  std::vector<Variable> constants;
  for (const Tensor& x : inputs) constants.push_back(on(device, x));
  return sample.run(constants).value();
}

double relative(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0, largest = 1e-2;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    worst = std::isnan(d) ? d : std::max(worst, d);
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}

std::vector<Tensor> converted(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) {
    if (!differentiable(x))
      result.push_back(x);
    else
      result.push_back(x.to(x.is_complex() ? DType::Complex64 : DType::Float32));
  }
  return result;
}

class Checker {
 public:
  Checker(const OpEntry& op, const GradcheckLimits& limits, Device device)
      : linear_(op.linear), limits_(limits), device_(device) {
    result_.op = op.name;
    result_.passed = true;
  }

  // A sample that the tape or the op refuses has failed, and the others are checked all the same.
  void check_sample(const OpSample& sample, uint64_t number) {
    ++result_.samples;
    label_ = sample.label;
    try {
      check_all(sample, number);
    } catch (const Error& e) {
      require(false, e.what());
    }
  }

  void require(bool ok, const std::string& what) {
    if (ok) return;
    if (result_.passed) result_.worst = label_.empty() ? what : label_ + ": " + what;
    result_.passed = false;
  }

  GradcheckResult result_;

 private:
  void check_all(const OpSample& sample, uint64_t number) {
    const Tensor y = evaluate(sample, sample.inputs, device_);
    const Tensor gy = random_normal(y.shape(), y.dtype(), 7, number);
    const Run exact = run(sample, sample.inputs, gy, device_);
    require(y.size() > 0, "an empty output");
    if (sample.reference) check_reference(sample, y);
    check_differences(sample, exact, gy);
    if (linear_ != Linearity::No) check_adjoint(sample, exact, gy, number);
    check_precision(sample, exact, gy);
    check_needs(sample, exact, gy);
  }

  void note(double& worst, double error, double limit, const std::string& what) {
    if (!std::isnan(worst) && !(error <= worst)) worst = error;  // a NaN is kept
    char text[32];
    std::snprintf(text, sizeof text, "%.1e", error);
    require(error <= limit, what + ", error " + text);
  }

  void check_reference(const OpSample& sample, const Tensor& y) {
    const Tensor plain = sample.reference(sample.inputs);
    check(plain.shape() == y.shape() && plain.dtype() == y.dtype(), "the reference gives ", plain,
          ", forward ", y);
    note(result_.reference, relative(to_vector(y), to_vector(plain)), limits_.reference,
         "forward against the reference");
  }

  void check_differences(const OpSample& sample, const Run& exact, const Tensor& gy) {
    for (size_t i = 0; i < sample.inputs.size(); ++i) {
      if (!differentiable(sample.inputs[i])) continue;
      const std::vector<double> gx = to_vector(exact.grads[i]);
      double scale = 1e-2;
      for (const double v : gx) scale = std::max(scale, std::abs(v));
      std::vector<Tensor> inputs = sample.inputs;
      const auto loss = [&](const Tensor& x) {
        inputs[i] = x;
        return inner(evaluate(sample, inputs, device_), gy);
      };
      const Tensor slopes = central_differences(loss, sample.inputs[i], 6e-6);
      const std::vector<double> slope = to_vector(slopes);
      for (size_t e = 0; e < slope.size(); ++e)
        note(result_.difference, std::abs(slope[e] - gx[e]) / scale, limits_.difference,
             "central difference of input " + std::to_string(i) + " entry " + std::to_string(e));
    }
  }

  // Each input's gradient alone, the others constant: what `needs` leaves out changes nothing.
  void check_needs(const OpSample& sample, const Run& exact, const Tensor& gy) {
    for (size_t i = 0; i < sample.inputs.size(); ++i) {
      if (!differentiable(sample.inputs[i])) continue;
      std::vector<Variable> inputs;
      for (const Tensor& x : sample.inputs) inputs.push_back(on(device_, x));
      inputs[i] = leaf_on(device_, sample.inputs[i]);
      Tape tape;
      tape.backward(sample.run(inputs), gy.to(device_));
      check_form(inputs[i].value(), inputs[i].grad(), i);
      require(to_vector(inputs[i].grad()) == to_vector(exact.grads[i]),
              "gradient of input " + std::to_string(i) + " alone");
    }
  }

  // For each input by itself: A v = f(.., v, ..) - f(.., 0, ..), which also serves affine maps.
  void check_adjoint(const OpSample& sample, const Run& exact, const Tensor& gy, uint64_t number) {
    double left = 0, right = 0, scale = 0;
    const auto compare = [&](const std::string& what) {
      note(result_.adjoint, std::abs(left - right) / std::max(scale, 1e-30), limits_.adjoint, what);
      left = right = scale = 0;
    };
    std::vector<Tensor> v = sample.inputs;
    for (size_t i = 0; i < v.size(); ++i)
      if (differentiable(v[i]))
        v[i] = random_normal(v[i].shape(), v[i].dtype(), 11, number * 16 + i);
    for (size_t i = 0; i < v.size(); ++i) {
      if (!differentiable(v[i])) continue;
      right += inner(v[i], exact.grads[i]);
      scale += norm(v[i]) * norm(exact.grads[i]);
      if (linear_ == Linearity::InEach) {
        std::vector<Tensor> with_v = sample.inputs, with_0 = sample.inputs;
        with_v[i] = v[i];
        with_0[i] = zeros_like(v[i]);
        left = inner(evaluate(sample, with_v, device_), gy) -
               inner(evaluate(sample, with_0, device_), gy);
        scale += norm(gy);
        compare("adjoint of input " + std::to_string(i));
      }
    }
    if (linear_ == Linearity::Jointly) {
      left = inner(evaluate(sample, v, device_), gy);
      compare("adjoint");
    }
  }

  void check_precision(const OpSample& sample, const Run& exact, const Tensor& gy) {
    const Run rough = run(sample, converted(sample.inputs), converted({gy})[0], device_);
    note(result_.precision, relative(to_vector(rough.y), to_vector(exact.y)), limits_.precision,
         "float32 output");
    for (size_t i = 0; i < exact.grads.size(); ++i)
      if (exact.grads[i])
        note(result_.precision, relative(to_vector(rough.grads[i]), to_vector(exact.grads[i])),
             limits_.precision, "float32 gradient of input " + std::to_string(i));
  }

  Linearity linear_;
  GradcheckLimits limits_;
  Device device_;
  std::string label_;
};

}  // namespace

GradcheckResult gradcheck(const OpEntry& op, const GradcheckLimits& limits, Device device) {
  Checker checker(op, limits, device);
  const std::vector<OpSample> samples = op.samples();
  checker.require(!samples.empty(), "the op has no samples");
  uint64_t number = 0;
  for (const OpSample& sample : samples) checker.check_sample(sample, number++);
  return checker.result_;
}

}  // namespace skiff
