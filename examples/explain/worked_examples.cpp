// One function per family of ops; in each, one entry per op.
#include "examples/explain/worked_examples.h"

#include <algorithm>

#include "autograd/ops.h"

namespace skiff {
namespace {

using List = const std::vector<Variable>&;
using Examples = std::vector<WorkedExample>;

Tensor real(const std::vector<double>& numbers, Shape shape) { return tensor_of(numbers, shape); }
Tensor complex(const std::vector<double>& parts, Shape shape) {
  Tensor z(shape, DType::Complex128);
  std::copy(parts.begin(), parts.end(), static_cast<double*>(z.raw()));
  return z;
}
Tensor integers(const std::vector<int32_t>& numbers) {
  return tensor_of(numbers, {int64_t(numbers.size())});
}

// The four numbers, in the shapes that ops ask for.
const std::vector<double> kFour = {1, -2, 0.5, 4};
Tensor four(Shape shape) { return real(kFour, shape); }
Tensor other_four() { return real({3, 0.5, -1, 2}, {4}); }
Tensor pair() { return real({2, -1}, {2}); }
Tensor half_spectrum() { return complex({2, 0, 1, -0.5, -1, 0}, {3, 1}); }

// The unit vectors of n numbers (units, n, 1); of complex ones the parts are units by themselves.
Tensor unit_vectors(int64_t n, DType dtype) {
  const int64_t parts = is_complex(dtype) ? 2 : 1, reals = parts * n;
  Tensor units = zeros({reals, n, 1}, dtype);
  double* part = static_cast<double*>(units.raw());
  for (int64_t j = 0; j < reals; ++j) part[j * reals + j] = 1;
  return units;
}
Tensor as_reals(const Tensor& x) {  // (batch, n, 1) -> (batch, parts)
  const std::vector<double> parts = to_vector(x);
  return tensor_of(parts, {x.size(0), int64_t(parts.size()) / x.size(0)});
}

// Both matrices of a linear map of n numbers. Backward runs at x = 0: the gradient of a linear map
// is the same everywhere.
OpMatrix matrix_of(int64_t n, const std::function<Variable(const Variable&)>& map,
                   DType dtype = DType::Float64) {
  const Tensor columns = map(unit_vectors(n, dtype)).value();
  const Tensor gy = unit_vectors(columns.size(1), columns.dtype());
  const Variable x = Variable::leaf(zeros({gy.size(0), n, 1}, dtype));
  Tape tape;
  tape.backward(map(x), gy);
  return {transpose(Variable(as_reals(columns)), 0, 1).value(), as_reals(x.grad()),
          is_complex(dtype) || columns.is_complex()};
}

Examples arithmetic() {
  return {
      {"add",
       "y = a + b, b a row for both rows of a",
       {"a", "b"},
       {four({2, 2}), pair()},
       [](List v) { return v[0] + v[1]; }},
      {"sub",
       "y = a - b",
       {"a", "b"},
       {four({4}), other_four()},
       [](List v) { return v[0] - v[1]; }},
      {"mul", "y = a b", {"a", "b"}, {four({4}), other_four()}, [](List v) { return v[0] * v[1]; }},
      {"div",
       "y = a / b",
       {"a", "b"},
       {four({4}), other_four()},
       [](List v) { return v[0] / v[1]; }},
      {"scale", "y = 3 x", {"x"}, {four({4})}, [](List v) { return scale(v[0], 3); }},
      {"powers",
       "y[l] = gamma^l, l = 0 .. 3",
       {"gamma"},
       {real({0.5}, {1})},
       [](List v) {
         return powers(v[0], {0, 1, 2, 3});
       }},
  };
}

Examples classify() {
  return {
      {"softmax", "y = softmax(x)", {"x"}, {four({1, 4})}, [](List v) { return softmax(v[0]); }},
      {"cross_entropy",
       "y = -log softmax(x)[label]",
       {"x", "label"},
       {four({1, 4}), integers({3})},
       [](List v) { return cross_entropy(v[0], v[1].value()); }},
      {"linear_cross_entropy",
       "y = -log softmax(x W^T + b)[label]",
       {"x", "W", "b", "label"},
       {real({1, -2}, {1, 2}), four({2, 2}), pair(), integers({1})},
       [](List v) { return linear_cross_entropy(v[0], v[1], v[2], v[3].value()); }},
      {"embedding",
       "y[p] = weight[ids[p]]",
       {"ids", "weight"},
       {integers({3, 3, 0, 3}), real({1, -2, 0.5, 4}, {4, 1})},
       [](List v) { return embedding(v[0].value(), v[1]); }},
  };
}

// The negative number is where the cotangent is not 0.
Tensor signs() { return real({1, 2, -0.5, 4}, {4}); }

Examples elementwise() {
  return {
      {"relu", "y = relu(x)", {"x"}, {signs()}, [](List v) { return relu(v[0]); }},
      {"sigmoid", "y = sigmoid(x)", {"x"}, {signs()}, [](List v) { return sigmoid(v[0]); }},
      {"tanh", "y = tanh(x)", {"x"}, {signs()}, [](List v) { return tanh(v[0]); }},
      {"exp", "y = e^x", {"x"}, {signs()}, [](List v) { return exp(v[0]); }},
      {"log", "y = log x", {"x"}, {real({1, 2, 0.5, 4}, {4})}, [](List v) { return log(v[0]); }},
      {"sqrt",
       "y = sqrt(x)",
       {"x"},
       {real({1, 2, 0.5, 4}, {4})},
       [](List v) { return sqrt(v[0]); }},
      {"abs", "y = |x|", {"x"}, {signs()}, [](List v) { return abs(v[0]); }},
      {"elu", "y = elu(x)", {"x"}, {signs()}, [](List v) { return elu(v[0]); }},
      {"silu", "y = silu(x)", {"x"}, {signs()}, [](List v) { return silu(v[0]); }},
      {"gelu", "y = gelu(x)", {"x"}, {signs()}, [](List v) { return gelu(v[0]); }},
      {"dropout",
       "y = dropout(x), rate 1/2, seed 2",
       {"x"},
       {four({4})},
       [](List v) { return dropout(v[0], {.rate = 0.5, .seed = 2}); }},
  };
}

Examples matrix() {
  return {
      {"matmul",
       "y = a b",
       {"a", "b"},
       {four({2, 2}), real({3, 0.5, -1, 2}, {2, 2})},
       [](List v) { return matmul(v[0], v[1]); }},
      {"linear",
       "y = x W^T + b",
       {"x", "W", "b"},
       {real({1, -2}, {1, 2}), four({2, 2}), pair()},
       [](List v) { return linear(v[0], v[1], v[2]); }},
      {"gated_linear",
       "y = (silu(a) b) W^T + bias",
       {"a", "b", "W", "bias"},
       {real({1, -2}, {1, 2}), real({0.5, 4}, {1, 2}), real({3, 0.5, -1, 2}, {2, 2}), pair()},
       [](List v) { return gated_linear(v[0], v[1], v[2], v[3], {}); }},
      {"gated_linear_unit",
       "y = (silu(x W1^T + b1) (x W2^T + b2)) W3^T + b3",
       {"x", "W1", "b1", "W2", "b2", "W3", "b3"},
       {real({1, -2}, {1, 2}), real({0.5, 1, -1, 2}, {2, 2}), pair(), real({2, 0.5, 1, -1}, {2, 2}),
        real({0.5, -1}, {2}), real({3, 0.5, -1, 2}, {2, 2}), pair()},
       [](List v) {
         return gated_linear_unit(v[0], {v[1], v[2], v[3], v[4], v[5], v[6]}, {});
       }},
  };
}

Examples norm() {
  return {
      {"layer_norm",
       "y = layer_norm(x, w, b)",
       {"x", "w", "b"},
       {four({1, 4}), other_four(), real({0, 0, 0, 1}, {4})},
       [](List v) { return layer_norm(v[0], v[1], v[2]); }},
      {"rms_norm",
       "y = rms_norm(x, scale)",
       {"x", "scale"},
       {four({1, 4}), other_four()},
       [](List v) { return rms_norm(v[0], v[1]); }},
      {"simple_rms_norm",
       "y = simple_rms_norm(x)",
       {"x"},
       {four({1, 4})},
       [](List v) { return simple_rms_norm(v[0]); }},
      {"batch_norm",
       "y = batch_norm(x, w, b), four positions of one channel",
       {"x", "w", "b"},
       {four({4, 1}), real({2}, {1}), real({0.5}, {1})},
       [](List v) { return batch_norm(v[0], v[1], v[2], {}, {}, Statistics::Batch); }},
      {"synchronized_batch_norm",
       "y = the same of a shard; another shard has the positions 3 and 5",
       {"x", "w", "b"},
       {four({4, 1}), real({2}, {1}), real({0.5}, {1})},
       [](List v) {
         const auto all = [](const Tensor& sums) {  // N, sum and sum of squares; nothing backward
           if (sums.size(0) == 2) return sums;
           const std::vector<double> s = to_vector(sums);
           return real({s[0] + 2, s[1] + 8, s[2] + 34}, {3, 1});
         };
         return synchronized_batch_norm(v[0], v[1], v[2], real({0}, {1}), all);
       }},
  };
}

Examples reduce() {
  return {
      {"sum", "y = the sum of x", {"x"}, {four({4})}, [](List v) { return sum(v[0]); }},
      {"mean_over_length",
       "y = mean of the first 3",
       {"x", "length"},
       {four({1, 4, 1}), integers({3})},
       [](List v) { return mean_over_length(v[0], v[1].value()); }},
      {"max_over_length",
       "y = largest of the first 3",
       {"x", "length"},
       {four({1, 4, 1}), integers({3})},
       [](List v) { return max_over_length(v[0], v[1].value()); }},
      {"mask_positions",
       "y = x, zero beyond length 3",
       {"x", "length"},
       {four({1, 4, 1}), integers({3})},
       [](List v) { return mask_positions(v[0], v[1].value()); }},
  };
}

Examples sequence() {
  return {
      {"toeplitz",
       "y[i] = sum_j t[i-j] x[j]; t: lags 0, 1, 2, 3, none, -3, -2, -1",
       {"t", "x"},
       {real({1.5, -0.5, 0.25, 3, 0, 0.5, -1, 2}, {8, 1}), four({4, 1})},
       [](List v) { return toeplitz(v[0], v[1], Direction::Bidirectional); },
       [](int64_t n) {  // the kernel t[l] = l
         std::vector<double> lags;
         for (int64_t row = 0; row < 2 * n; ++row)
           lags.push_back(double(row < n ? row : row - 2 * n));
         const Tensor t = real(lags, {2 * n, 1});
         return matrix_of(
             n, [&](const Variable& x) { return toeplitz(t, x, Direction::Bidirectional); });
       }},
      {"conv1d",
       "y[i] = sum_q c[q] x[i + q - 1]",
       {"x", "c"},
       {four({4, 1}), real({0.5, 1, -1}, {3, 1})},
       [](List v) { return conv1d(v[0], v[1], Direction::Bidirectional); },
       [](int64_t n) {
         return matrix_of(n, [](const Variable& x) {
           return conv1d(x, real({0.5, 1, -1}, {3, 1}), Direction::Bidirectional);
         });
       }},
      {"linear_resize",
       "y = x read at seven places, ends aligned",
       {"x"},
       {four({4, 1})},
       [](List v) { return linear_resize(v[0], 7, Resize::AlignedEnds); },
       [](int64_t n) {
         return matrix_of(n, [&](const Variable& x) {
           return linear_resize(x, 2 * n - 1, Resize::AlignedEnds);
         });
       }},
      {"rotary",
       "y = x, the row of position 1 turned by 1 radian",
       {"x"},
       {four({2, 2})},
       [](List v) { return rotary(v[0], 2); }},
      {"attention",
       "y[i] = sum_j p[i, j] v[j], each row of p the softmax of q[i] k[j] over j <= i",
       {"q", "k", "v"},
       {four({1, 4, 1}), real({1, -1, 0, 0.5}, {1, 4, 1}), real({3, 0.5, -1, 2}, {1, 4, 1})},
       [](List v) { return attention(v[0], v[1], v[2], 1, Direction::Causal); }},
  };
}

Examples shape() {
  return {
      {"reshape",
       "y = x as (2, 2)",
       {"x"},
       {four({4})},
       [](List v) {
         return reshape(v[0], {2, 2});
       }},
      {"slice", "y = x[1], x[2]", {"x"}, {four({4})}, [](List v) { return slice(v[0], 0, 1, 3); }},
      {"concat",
       "y = [a, b]",
       {"a", "b"},
       {real({1, -2, 0.5}, {3}), real({4}, {1})},
       [](List v) {
         return concat({v[0], v[1]}, 0);
       }},
      {"transpose",
       "y = the transpose of x (2, 2)",
       {"x"},
       {four({2, 2})},
       [](List v) { return transpose(v[0], 0, 1); }},
  };
}

Examples ski() {
  return {
      {"interpolate",
       "y = W s, four inducing points read at seven positions",
       {"s"},
       {four({4, 1})},
       [](List v) {
         return interpolate(v[0], {7, 4});
       },
       [](int64_t n) {  // W: n inducing points, 2n - 1 positions
         check<UsageError>(n > 1, "--n: interpolate reads at least 2 inducing points, got ", n);
         return matrix_of(n, [&](const Variable& s) { return interpolate(s, {2 * n - 1, n}); });
       }},
      {"interpolate_adjoint",
       "z = W^T x, four positions summed to two inducing points",
       {"x"},
       {four({4, 1})},
       [](List v) {
         return interpolate_adjoint(v[0], {4, 2});
       },
       [](int64_t n) {  // W^T: two inducing points
         return matrix_of(n, [&](const Variable& x) { return interpolate_adjoint(x, {n, 2}); });
       }},
      {"ski",
       "y = conv1d(x, c) + W A W^T x, two inducing points",
       {"x", "c", "k"},
       {four({4, 1}), real({0.5, 1, -1}, {3, 1}), real({2, 1, 0, -1}, {4, 1})},
       [](List v) { return ski(v[0], v[1], v[2]); },
       [](int64_t n) {
         return matrix_of(n, [](const Variable& x) {
           return ski(x, real({0.5, 1, -1}, {3, 1}), real({2, 1, 0, -1}, {4, 1}));
         });
       }},
      {"warped_kernel",
       "k = V read at lags 0, 1, 2, -1, base 1/2",
       {"V"},
       {real({-3, 1, 0, 2, 4}, {5, 1})},
       [](List v) {
         return warped_kernel(v[0], {0, 1, 2, -1}, 0.5, Direction::Bidirectional);
       }},
  };
}

Examples spectral() {
  return {
      {"rfft",
       "X = rfft(x, F = 4)",
       {"x"},
       {four({4, 1})},
       [](List v) { return rfft(v[0], 4); },
       [](int64_t n) {  // F = n: cos and -sin of 2 pi k t/n
         return matrix_of(n, [&](const Variable& x) { return rfft(x, n); });
       }},
      {"irfft",
       "x = irfft(X, F = 4)",
       {"X"},
       {half_spectrum()},
       [](List v) { return irfft(v[0], 4); },
       [](int64_t n) {  // n = F/2 + 1
         const int64_t F = std::max<int64_t>(1, 2 * (n - 1));
         return matrix_of(
             n, [&](const Variable& X) { return irfft(X, F); }, DType::Complex128);
       }},
      {"spectral_conv",
       "y = irfft(S rfft(x, 4), 4)",
       {"x", "S"},
       {four({4, 1}), half_spectrum()},
       [](List v) { return spectral_conv(v[0], v[1], 4); }},
      {"hilbert",
       "A = hilbert(R, F = 6), a causal spectrum with real part R",
       {"R"},
       {four({4, 1})},
       [](List v) { return hilbert(v[0], 6); },
       [](int64_t n) {  // n = F/2 + 1
         const int64_t F = std::max<int64_t>(1, 2 * (n - 1));
         return matrix_of(n, [&](const Variable& R) { return hilbert(R, F); });
       }},
      {"complex_mul",
       "y = a b",
       {"a", "b"},
       {complex({1, 2, -1, 0.5}, {2}), complex({3, -1, 0, 2}, {2})},
       [](List v) { return complex_mul(v[0], v[1]); }},
      {"to_complex",
       "y = re + i im",
       {"re", "im"},
       {four({4}), other_four()},
       [](List v) { return to_complex(v[0], v[1]); }},
  };
}

}  // namespace

std::vector<WorkedExample> worked_examples() {
  Examples all;
  for (const auto& family :
       {arithmetic, classify, elementwise, matrix, norm, reduce, sequence, shape, ski, spectral}) {
    Examples examples = family();
    std::move(examples.begin(), examples.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace skiff
