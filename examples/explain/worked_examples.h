// A worked example of every op: four numbers in, so that each line can be done by hand.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"

namespace skiff {

struct WorkedExample {
  std::string op, call;            // "rfft", "X = rfft(x, F = 4)"
  std::vector<std::string> names;  // of the inputs
  std::vector<Tensor> inputs;      // float64, complex128, int32
  std::function<Variable(const std::vector<Variable>&)> run;
};

inline std::vector<WorkedExample> worked_examples() {
  using List = const std::vector<Variable>&;
  const auto real = [](std::vector<double> v, Shape shape) { return tensor_of(v, shape); };
  const auto complex = [](std::vector<double> parts, Shape shape) {
    Tensor z(shape, DType::Complex128);
    std::copy(parts.begin(), parts.end(), static_cast<double*>(z.raw()));
    return z;
  };
  const auto integers = [](std::vector<int32_t> v) { return tensor_of(v, {int64_t(v.size())}); };
  const Tensor x = real({1, -2, 0.5, 4}, {4}), row = real({1, -2, 0.5, 4}, {1, 4});
  const Tensor square = real({1, -2, 0.5, 4}, {2, 2}), signal = real({1, -2, 0.5, 4}, {4, 1});
  const Tensor sequence = real({1, -2, 0.5, 4}, {1, 4, 1});
  const Tensor b = real({3, 0.5, -1, 2}, {4}), pair = real({2, -1}, {2});
  const Tensor spectrum = complex({2, 0, 1, -0.5, -1, 0}, {3, 1});
  return {
      {"add",
       "y = a + b, b a row for both rows of a",
       {"a", "b"},
       {square, pair},
       [](List v) { return v[0] + v[1]; }},
      {"batch_norm",
       "y = batch_norm(x, w, b), four positions of one channel",
       {"x", "w", "b"},
       {signal, real({2}, {1}), real({0.5}, {1})},
       [](List v) { return batch_norm(v[0], v[1], v[2], {}, {}, Statistics::Batch); }},
      {"complex_mul",
       "y = a b",
       {"a", "b"},
       {complex({1, 2, -1, 0.5}, {2}), complex({3, -1, 0, 2}, {2})},
       [](List v) { return complex_mul(v[0], v[1]); }},
      {"concat",
       "y = [a, b]",
       {"a", "b"},
       {real({1, -2, 0.5}, {3}), real({4}, {1})},
       [](List v) {
         return concat({v[0], v[1]}, 0);
       }},
      {"conv1d",
       "y[i] = sum_q c[q] x[i + q - 1]",
       {"x", "c"},
       {signal, real({0.5, 1, -1}, {3, 1})},
       [](List v) { return conv1d(v[0], v[1], Direction::Bidirectional); }},
      {"cross_entropy",
       "y = -log softmax(x)[label]",
       {"x", "label"},
       {row, integers({3})},
       [](List v) { return cross_entropy(v[0], v[1].value()); }},
      {"div", "y = a / b", {"a", "b"}, {x, b}, [](List v) { return v[0] / v[1]; }},
      {"dropout",
       "y = dropout(x), rate 1/2, seed 2",
       {"x"},
       {x},
       [](List v) { return dropout(v[0], {.rate = 0.5, .seed = 2}); }},
      {"elu", "y = elu(x)", {"x"}, {x}, [](List v) { return elu(v[0]); }},
      {"embedding",
       "y[p] = weight[ids[p]]",
       {"ids", "weight"},
       {integers({3, 0, 3}), real({1, -2, 0.5, 4}, {4, 1})},
       [](List v) { return embedding(v[0].value(), v[1]); }},
      {"exp", "y = e^x", {"x"}, {x}, [](List v) { return exp(v[0]); }},
      {"gated_linear",
       "y = (silu(a) b) W^T + bias",
       {"a", "b", "W", "bias"},
       {real({1, -2}, {1, 2}), real({0.5, 4}, {1, 2}), real({3, 0.5, -1, 2}, {2, 2}), pair},
       [](List v) { return gated_linear(v[0], v[1], v[2], v[3], {}); }},
      {"gated_linear_unit",
       "y = (silu(x W1^T + b1) (x W2^T + b2)) W3^T + b3",
       {"x", "W1", "b1", "W2", "b2", "W3", "b3"},
       {real({1, -2}, {1, 2}), real({0.5, 1, -1, 2}, {2, 2}), pair, real({2, 0.5, 1, -1}, {2, 2}),
        real({0.5, -1}, {2}), real({3, 0.5, -1, 2}, {2, 2}), pair},
       [](List v) {
         return gated_linear_unit(v[0], {v[1], v[2], v[3], v[4], v[5], v[6]}, {});
       }},
      {"gelu", "y = gelu(x)", {"x"}, {x}, [](List v) { return gelu(v[0]); }},
      {"hilbert",
       "A = hilbert(R, F = 6), a causal spectrum with real part R",
       {"R"},
       {signal},
       [](List v) { return hilbert(v[0], 6); }},
      {"interpolate",
       "y = W s, four knots read at seven positions",
       {"s"},
       {signal},
       [](List v) {
         return interpolate(v[0], {7, 4});
       }},
      {"interpolate_adjoint",
       "z = W^T x, four positions summed to two knots",
       {"x"},
       {signal},
       [](List v) {
         return interpolate_adjoint(v[0], {4, 2});
       }},
      {"irfft", "x = irfft(X, F = 4)", {"X"}, {spectrum}, [](List v) { return irfft(v[0], 4); }},
      {"layer_norm",
       "y = layer_norm(x, w, b)",
       {"x", "w", "b"},
       {row, b, real({0, 0, 0, 1}, {4})},
       [](List v) { return layer_norm(v[0], v[1], v[2]); }},
      {"linear",
       "y = x W^T + b",
       {"x", "W", "b"},
       {real({1, -2}, {1, 2}), square, pair},
       [](List v) { return linear(v[0], v[1], v[2]); }},
      {"linear_resize",
       "y = x read at seven places, ends aligned",
       {"x"},
       {signal},
       [](List v) { return linear_resize(v[0], 7, Resize::AlignedEnds); }},
      {"mask_positions",
       "y = x, zero beyond length 3",
       {"x", "length"},
       {sequence, integers({3})},
       [](List v) { return mask_positions(v[0], v[1].value()); }},
      {"matmul",
       "y = a b",
       {"a", "b"},
       {square, real({3, 0.5, -1, 2}, {2, 2})},
       [](List v) { return matmul(v[0], v[1]); }},
      {"mean_over_length",
       "y = mean of the first 3",
       {"x", "length"},
       {sequence, integers({3})},
       [](List v) { return mean_over_length(v[0], v[1].value()); }},
      {"mul", "y = a b", {"a", "b"}, {x, b}, [](List v) { return v[0] * v[1]; }},
      {"powers",
       "y[l] = gamma^l, l = 0 .. 3",
       {"gamma"},
       {real({0.5}, {1})},
       [](List v) {
         return powers(v[0], {0, 1, 2, 3});
       }},
      {"relu", "y = relu(x)", {"x"}, {x}, [](List v) { return relu(v[0]); }},
      {"reshape",
       "y = x as (2, 2)",
       {"x"},
       {x},
       [](List v) {
         return reshape(v[0], {2, 2});
       }},
      {"rfft", "X = rfft(x, F = 4)", {"x"}, {signal}, [](List v) { return rfft(v[0], 4); }},
      {"rms_norm",
       "y = rms_norm(x, scale)",
       {"x", "scale"},
       {row, b},
       [](List v) { return rms_norm(v[0], v[1]); }},
      {"scale", "y = 3 x", {"x"}, {x}, [](List v) { return scale(v[0], 3); }},
      {"sigmoid", "y = sigmoid(x)", {"x"}, {x}, [](List v) { return sigmoid(v[0]); }},
      {"silu", "y = silu(x)", {"x"}, {x}, [](List v) { return silu(v[0]); }},
      {"simple_rms_norm",
       "y = simple_rms_norm(x)",
       {"x"},
       {row},
       [](List v) { return simple_rms_norm(v[0]); }},
      {"ski",
       "y = conv1d(x, c) + W A W^T x, two knots",
       {"x", "c", "k"},
       {signal, real({0.5, 1, -1}, {3, 1}), real({2, 1, 0, -1}, {4, 1})},
       [](List v) { return ski(v[0], v[1], v[2]); }},
      {"slice", "y = x[1], x[2]", {"x"}, {x}, [](List v) { return slice(v[0], 0, 1, 3); }},
      {"softmax", "y = softmax(x)", {"x"}, {row}, [](List v) { return softmax(v[0]); }},
      {"spectral_conv",
       "y = irfft(S rfft(x, 4), 4)",
       {"x", "S"},
       {signal, spectrum},
       [](List v) { return spectral_conv(v[0], v[1], 4); }},
      {"sub", "y = a - b", {"a", "b"}, {x, b}, [](List v) { return v[0] - v[1]; }},
      {"sum", "y = the sum of x", {"x"}, {x}, [](List v) { return sum(v[0]); }},
      {"tanh", "y = tanh(x)", {"x"}, {x}, [](List v) { return tanh(v[0]); }},
      {"to_complex",
       "y = re + i im",
       {"re", "im"},
       {x, b},
       [](List v) { return to_complex(v[0], v[1]); }},
      {"toeplitz",
       "y[i] = sum_j t[i-j] x[j]; t: lags 0, 1, 2, 3, none, -3, -2, -1",
       {"t", "x"},
       {real({1.5, -0.5, 0.25, 3, 0, 0.5, -1, 2}, {8, 1}), signal},
       [](List v) { return toeplitz(v[0], v[1], Direction::Bidirectional); }},
      {"transpose",
       "y = the transpose of x (2, 2)",
       {"x"},
       {square},
       [](List v) { return transpose(v[0], 0, 1); }},
      {"warped_kernel",
       "k = V read at lags 0, 1, 2, -1, base 1/2",
       {"V"},
       {real({-3, 1, 0, 2, 4}, {5, 1})},
       [](List v) {
         return warped_kernel(v[0], {0, 1, 2, -1}, 0.5, Direction::Bidirectional);
       }},
  };
}

// 1, 0, -1, 2, 1, 0 ..: the cotangent of every example.
inline Tensor example_cotangent(const Tensor& y) {
  Tensor gy = empty_like(y);
  const double cycle[] = {1, 0, -1, 2};
  const int64_t reals = y.size() * (y.is_complex() ? 2 : 1);
  for (int64_t i = 0; i < reals; ++i)
    static_cast<double*>(gy.raw())[i] = reals == 1 ? 1 : cycle[i % 4];
  return gy;
}

struct WorkedResult {
  Tensor y, gy;
  std::vector<Tensor> grads, differences;  // per input; empty for integers
};

inline WorkedResult work_out(const WorkedExample& e) {
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
  const auto loss = [&](size_t input, int64_t entry, double step) {
    std::vector<Variable> moved(e.inputs.begin(), e.inputs.end());
    const Tensor x = e.inputs[input].clone();
    const_cast<double*>(static_cast<const double*>(x.raw()))[entry] += step;
    moved[input] = x;
    const std::vector<double> y = to_vector(e.run(moved).value()), g = to_vector(result.gy);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += g[i] * y[i];
    return sum;
  };
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    result.grads.push_back(inputs[i].requires_grad() ? inputs[i].grad() : Tensor());
    if (!inputs[i].requires_grad()) {
      result.differences.push_back({});
      continue;
    }
    Tensor d = empty_like(e.inputs[i]);
    const int64_t reals = d.size() * (d.is_complex() ? 2 : 1);
    for (int64_t k = 0; k < reals; ++k)
      static_cast<double*>(d.raw())[k] = (loss(i, k, 1e-5) - loss(i, k, -1e-5)) / 2e-5;
    result.differences.push_back(d);
  }
  return result;
}

// "(1, -2, 0.5, 4)"; complex "(3.5, 0.5+6i)". Rounded to five digits.
inline std::string listed(const Tensor& x) {
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

}  // namespace skiff
