// The general ops against hand-computed numbers, naive loops and their compositions. (Derivatives
// themselves are checked for every op in test_ops.cpp.)
#include <omp.h>

#include <functional>

#include "autograd/ops/detail/sum_leading.h"
#include "core/math.h"
#include "core/random.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using List = std::vector<Variable>;

// The value and the gradients of f under a random cotangent, which depends on y's shape alone.
struct Run {
  Tensor y;
  std::vector<Tensor> grads;
};
Run run(const std::vector<Tensor>& inputs, const std::function<Variable(const List&)>& f) {
  List leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
  Run result{y.value(), {}};
  for (const Variable& v : leaves) result.grads.push_back(v.grad());
  return result;
}

void check_same(const Run& a, const Run& b, double tolerance = 1e-13) {
  CHECK(distance(a.y, b.y) < tolerance);
  REQUIRE(a.grads.size() == b.grads.size());
  for (size_t i = 0; i < a.grads.size(); ++i) {
    CAPTURE(i);
    CHECK(distance(a.grads[i], b.grads[i]) < tolerance);
  }
}

Tensor ones(Shape shape) { return full(shape, 1, DType::Float64); }
Tensor integers(const std::vector<int32_t>& numbers) {
  return tensor_of(numbers, {int64_t(numbers.size())});
}

// |a - b| in units of the spacing of floats at b
double ulps(float a, double b) {
  if (std::isinf(a) || std::isinf(float(b))) return a == float(b) ? 0 : 1e9;
  const float next = std::nextafter(std::abs(float(b)), INFINITY);
  const double spacing =
      std::isinf(next) ? double(std::ldexp(1.0f, 104)) : next - std::abs(float(b));
  return std::abs(double(a) - b) / spacing;
}

}  // namespace

TEST_CASE("math: exp(float) is within 2 units in the last place from -104 to 89") {
  double worst = 0;
  for (int i = 0; i <= 193 * 20000; ++i) {
    const float x = -104.0f + float(i) * (1.0f / 20000);
    worst = std::max(worst, ulps(math::exp(x), std::exp(double(x))));
  }
  CHECK(worst < 2);
  CHECK(math::exp(0.0f) == 1);
  CHECK(math::exp(INFINITY) == INFINITY);
  CHECK(math::exp(-INFINITY) == 0);
  CHECK(math::exp(1000.0f) == INFINITY);
  CHECK(math::exp(-1000.0f) == 0);
  CHECK(std::isnan(math::exp(NAN)));
}

TEST_CASE("math: sigmoid is 1/2 at 0, saturates without NaN, and sigmoid(-x) = 1 - sigmoid(x)") {
  CHECK(math::sigmoid(0.0) == 0.5);
  CHECK(math::sigmoid(0.0f) == 0.5f);
  CHECK(math::sigmoid(1000.0f) == 1);
  CHECK(math::sigmoid(-1000.0f) == 0);
  CHECK(math::sigmoid(-1000.0) == 0);
  for (double x = -30; x <= 30; x += 0.37) {
    CHECK(math::sigmoid(x) == doctest::Approx(1 / (1 + std::exp(-x))).epsilon(1e-14));
    CHECK(math::sigmoid(-x) == doctest::Approx(1 - math::sigmoid(x)).epsilon(1e-14));
  }
}

TEST_CASE("arithmetic: b is repeated over the leading axes, a number over all") {
  const Tensor a = values({1, 2, 3, 4, 5, 6}, {2, 3}), b = values({10, 20, 30}, {3});
  const Tensor two = values({2}, {});
  CHECK(to_vector(add(a, b).value()) == std::vector<double>{11, 22, 33, 14, 25, 36});
  CHECK(to_vector(sub(a, b).value()) == std::vector<double>{-9, -18, -27, -6, -15, -24});
  CHECK(to_vector(mul(a, b).value()) == std::vector<double>{10, 40, 90, 40, 100, 180});
  CHECK(to_vector(div(b, two).value()) == std::vector<double>{5, 10, 15});
  CHECK(to_vector((0.5 * Variable(a)).value()) == std::vector<double>{0.5, 1, 1.5, 2, 2.5, 3});
  const Run r = run({a, b}, [](const List& v) { return v[0] * v[1]; });
  const std::vector<double> gy = to_vector(random64({2, 3}, 99));
  CHECK(distance(r.grads[1],
                 {gy[0] * 1 + gy[3] * 4, gy[1] * 2 + gy[4] * 5, gy[2] * 3 + gy[5] * 6}) < 1e-14);
  const Tensor z = complex128({2, 3}, 1), w = complex128({3}, 2);
  const std::vector<double> zv = to_vector(z), wv = to_vector(w);
  std::vector<double> total, product;
  for (size_t i = 0; i < 6; ++i) {
    const size_t j = i % 3;
    total.push_back(zv[2 * i] + wv[2 * j]);
    total.push_back(zv[2 * i + 1] + wv[2 * j + 1]);
    product.push_back(zv[2 * i] * wv[2 * j] - zv[2 * i + 1] * wv[2 * j + 1]);
    product.push_back(zv[2 * i] * wv[2 * j + 1] + zv[2 * i + 1] * wv[2 * j]);
  }
  CHECK(distance(add(z, w).value(), total) < 1e-15);
  CHECK(distance(complex_mul(z, w).value(), product) < 1e-15);
  CHECK(to_vector(to_complex(b, values({1, 2, 3}, {3})).value()) ==
        std::vector<double>{10, 1, 20, 2, 30, 3});
}

TEST_CASE("sums over leading axes: equal the naive sum for narrow, wide and many rows") {
  for (const int64_t rows : {1, 2, 31, 64, 65, 300, 5000}) {
    for (const int64_t D : {1, 2, 3, 63, 64, 65, 300}) {
      if (rows * D > 400000) continue;
      const Tensor x = random64({rows, D}, uint64_t(rows * 1000 + D));
      const std::vector<double> v = to_vector(x);
      std::vector<double> expected(static_cast<size_t>(D), 0.0);
      for (size_t i = 0; i < v.size(); ++i) expected[i % size_t(D)] += v[i];
      CAPTURE(rows);
      CAPTURE(D);
      CHECK(distance(sum_leading(x, {D}), expected) < 1e-12);
    }
  }
}

TEST_CASE("sums over leading axes: do not depend on the number of threads") {
  const Tensor x = random_normal({9000, 33}, DType::Float32, 1);
  const Tensor weight = random_normal({33}, DType::Float32, 2);
  const int threads = omp_get_max_threads();
  const auto all = [&] {
    const Run r =
        run({x, weight, weight}, [](const List& v) { return layer_norm(v[0], v[1], v[2]); });
    const Run s = run({x, random_normal({7, 33}, DType::Float32, 3)},
                      [](const List& v) { return linear(v[0], v[1]); });
    return std::vector<Tensor>{sum_leading(x, {33}), sum(x).value(), r.grads[0],
                               r.grads[1],           r.grads[2],     s.y,
                               s.grads[0],           s.grads[1]};
  };
  omp_set_num_threads(1);
  const std::vector<Tensor> one = all();
  omp_set_num_threads(3);
  const std::vector<Tensor> three = all();
  omp_set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    CHECK(to_vector(one[i]) == to_vector(three[i]));
  }
}

TEST_CASE("sums in float32 are taken in double") {
  const int64_t n = 1 << 22;
  const Tensor x = full({n}, 0.1, DType::Float32);
  CHECK(item(sum(x)) == doctest::Approx(double(float(0.1)) * double(n)).epsilon(1e-7));
  CHECK(item(mean(x)) == doctest::Approx(double(float(0.1))).epsilon(1e-7));
}

TEST_CASE("linear: equals matmul and add, in value and gradient") {
  const Tensor x = random64({2, 3, 5}, 1), W = random64({4, 5}, 2), b = random64({4}, 3);
  check_same(run({x, W, b}, [](const List& v) { return linear(v[0], v[1], v[2]); }),
             run({x, W, b}, [](const List& v) { return matmul(v[0], transposed(v[1])) + v[2]; }));
  check_same(run({x, W}, [](const List& v) { return linear(v[0], v[1]); }),
             run({x, W}, [](const List& v) { return matmul(v[0], transposed(v[1])); }));
}

TEST_CASE("operators: with numbers on either side, in value and gradient") {
  const Tensor x = values({1, -2, 0.5, 4}, {4}), gy = values({1, 1, 1, 2}, {4});
  const auto check_operator = [&](const std::function<Variable(const Variable&)>& f,
                                  const std::vector<double>& y, const std::vector<double>& gx) {
    const Variable leaf = Variable::leaf(x);
    Tape tape;
    const Variable result = f(leaf);
    tape.backward(result, gy);
    CHECK(to_vector(result.value()) == y);
    CHECK(to_vector(leaf.grad()) == gx);
  };
  using V = const Variable&;
  check_operator([](V v) { return v * 2.0; }, {2, -4, 1, 8}, {2, 2, 2, 4});
  check_operator([](V v) { return 2.0 * v; }, {2, -4, 1, 8}, {2, 2, 2, 4});
  check_operator([](V v) { return v + 1.0; }, {2, -1, 1.5, 5}, {1, 1, 1, 2});
  check_operator([](V v) { return 1.0 + v; }, {2, -1, 1.5, 5}, {1, 1, 1, 2});
  check_operator([](V v) { return v - 1.0; }, {0, -3, -0.5, 3}, {1, 1, 1, 2});
  check_operator([](V v) { return 1.0 - v; }, {0, 3, 0.5, -3}, {-1, -1, -1, -2});
  check_operator([](V v) { return v / 2.0; }, {0.5, -1, 0.25, 2}, {0.5, 0.5, 0.5, 1});
  check_operator([](V v) { return -v; }, {-1, 2, -0.5, -4}, {-1, -1, -1, -2});
  const Tensor rounded = full({}, 3, DType::Float32);
  CHECK((Variable(rounded) / 10.0).dtype() == DType::Float32);
  CHECK(item(Variable(rounded) / 10.0) == double(3.0f / 10.0f));  // divided, not scaled by 0.1
}

TEST_CASE("abs: the gradient at 0 is 0; sqrt and log: at and below the end of their domain") {
  const auto slope = [](Variable (*f)(const Variable&), double at) {
    const Variable x = Variable::leaf(values({at}, {1}));
    Tape tape;
    tape.backward(sum(f(x)));
    return item(x.grad());
  };
  CHECK(slope(abs, 0) == 0);
  CHECK(slope(abs, -2) == -1);
  CHECK(std::isinf(slope(sqrt, 0)));
  CHECK(std::isnan(item(sqrt(values({-1}, {1})))));
  CHECK(item(log(values({0}, {1}))) == -INFINITY);
  CHECK(std::isnan(item(log(values({-1}, {1})))));
}

TEST_CASE("sum and mean: of known numbers along every axis") {
  const Tensor x = values({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  CHECK(item(sum(x)) == 36);
  CHECK(item(mean(x)) == 4.5);
  CHECK(to_vector(sum(x, 0).value()) == std::vector<double>{6, 8, 10, 12});
  CHECK(to_vector(sum(x, 1).value()) == std::vector<double>{4, 6, 12, 14});
  CHECK(to_vector(mean(x, -1).value()) == std::vector<double>{1.5, 3.5, 5.5, 7.5});
  CHECK(sum(x, 1).shape() == Shape{2, 2});
  CHECK(sum(x).shape() == Shape{});
}

TEST_CASE("mean_over_length and last_position: leave padding out, take the last row") {
  const Tensor x = values({1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60}, {2, 3, 2});
  CHECK(to_vector(mean_over_length(x, integers({2, 3})).value()) ==
        std::vector<double>{1.5, 15, 5, 50});
  CHECK(to_vector(last_position(x).value()) == std::vector<double>{3, 30, 6, 60});
  const Tensor padded = values({1, NAN}, {1, 2, 1});
  CHECK(to_vector(mean_over_length(padded, integers({1})).value()) == std::vector<double>{1});
  const Run r = run({x}, [](const List& v) { return mean_over_length(v[0], integers({1, 3})); });
  const std::vector<double> g = to_vector(r.grads[0]);
  CHECK((g[2] == 0 && g[3] == 0 && g[4] == 0 && g[5] == 0 && g[6] != 0));
}

TEST_CASE("shape ops: slices of a concat are its parts, a transpose undoes itself") {
  const Tensor a = random64({2, 3, 4}, 1), b = random64({2, 1, 4}, 2);
  const Variable both = concat({a, b}, 1);
  CHECK(both.shape() == Shape{2, 4, 4});
  CHECK(to_vector(slice(both, 1, 0, 3).value()) == to_vector(a));
  CHECK(to_vector(slice(both, 1, 3, 4).value()) == to_vector(b));
  const Variable t = transpose(a, 0, 2);
  CHECK(t.shape() == Shape{4, 3, 2});
  CHECK(t.value().data<double>()[1 * 6 + 2 * 2 + 1] == a.data<double>()[1 * 12 + 2 * 4 + 1]);
  CHECK(to_vector(transpose(t, 2, 0).value()) == to_vector(a));
  CHECK(reshape(a, {6, 4}).value().shares_storage(a));
  // Runs longer than the piece of a task, at both ends and in the middle.
  const Tensor longer = random64({2, 10000}, 3);
  using Range = std::pair<int64_t, int64_t>;
  for (const Range& range : {Range{0, 9000}, Range{4095, 4097}, Range{10, 10000}}) {
    const int64_t begin = range.first, end = range.second;
    const Run r = run({longer}, [&](const List& v) { return slice(v[0], 1, begin, end); });
    const std::vector<double> x = to_vector(longer), y = to_vector(r.y), g = to_vector(r.grads[0]);
    const std::vector<double> gy = to_vector(random64({2, end - begin}, 99));
    bool same = true;
    for (int64_t row = 0; row < 2; ++row)
      for (int64_t j = 0; j < 10000; ++j) {
        const bool inside = j >= begin && j < end;
        const size_t at = size_t(row * 10000 + j), in_y = size_t(row * (end - begin) + j - begin);
        same = same && g[at] == (inside ? gy[in_y] : 0) && (!inside || y[in_y] == x[at]);
      }
    CHECK(same);
  }
}

TEST_CASE("activations: known values") {
  const Tensor x = values({-2, -1, 0, 1, 2}, {5});
  CHECK(to_vector(relu(x).value()) == std::vector<double>{0, 0, 0, 1, 2});
  CHECK(distance(silu(x).value(), {-0.2384058440442351, -0.2689414213699951, 0, 0.7310585786300049,
                                   1.7615941559557649}) < 1e-15);
  CHECK(distance(gelu(x).value(), {-0.045500263896358414, -0.15865525393145707, 0,
                                   0.8413447460685429, 1.9544997361036416}) < 1e-15);
  CHECK(distance(elu(x).value(), {-0.8646647167633873, -0.6321205588285577, 0, 1, 2}) < 1e-15);
  CHECK(distance(tanh(x).value(), {-0.9640275800758169, -0.7615941559557649, 0, 0.7615941559557649,
                                   0.9640275800758169}) < 1e-15);
  CHECK(std::isnan(item(relu(values({NAN}, {})))));  // a NaN is not hidden
}

TEST_CASE("gelu: float32 agrees with float64, into the tails") {
  std::vector<double> grid;
  for (int i = -8000; i <= 8000; ++i) grid.push_back(i / 800.0);
  const Tensor x = values(grid, {int64_t(grid.size())}).to(DType::Float32);
  const Run rough = run({x}, [](const List& v) { return gelu(v[0]); });
  const Run exact = run({x.to(DType::Float64)}, [](const List& v) { return gelu(v[0]); });
  const std::vector<double> a = to_vector(rough.y), b = to_vector(exact.y);
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(a[i] - b[i]) / (1e-30 + std::abs(b[i])));
  CHECK(worst < 1e-5);  // at x = -10: the rounding of x^2 / 2 = 50
  CHECK(distance(rough.y, exact.y) < 1e-7);
}

TEST_CASE("softmax: equals its definition, and a shift of the row changes nothing") {
  const Tensor x = values({1, 2, 3, 0, 0, 0}, {2, 3});
  const double s = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  CHECK(distance(softmax(x).value(), {std::exp(1.0) / s, std::exp(2.0) / s, std::exp(3.0) / s,
                                      1.0 / 3, 1.0 / 3, 1.0 / 3}) < 1e-15);
  const Tensor shifted = values({1001, 1002, 1003}, {1, 3}).to(DType::Float32);
  CHECK(distance(softmax(shifted).value(),
                 {std::exp(1.0) / s, std::exp(2.0) / s, std::exp(3.0) / s}) < 1e-6);
}

TEST_CASE("cross_entropy: equals the logarithm of softmax by hand, in value and gradient") {
  const int64_t B = 4, C = 5;
  const Tensor x = random64({B, C}, 1), labels = integers({4, 0, 2, 2});
  const std::vector<double> p = to_vector(softmax(x).value());
  double loss = 0;
  std::vector<double> g = p;
  for (int64_t b = 0; b < B; ++b) {
    const size_t at = size_t(b * C + labels.data<int32_t>()[b]);
    loss -= std::log(p[at]) / double(B);
    g[at] -= 1;
  }
  const Variable leaf = Variable::leaf(x);
  Tape tape;
  const Variable y = cross_entropy(leaf, labels);
  tape.backward(3.0 * y);
  for (double& v : g) v *= 3.0 / double(B);
  CHECK(y.shape() == Shape{});
  CHECK(item(y) == doctest::Approx(loss).epsilon(1e-14));
  CHECK(distance(leaf.grad(), g) < 1e-14);
}

TEST_CASE("cross_entropy: large logits neither overflow nor lose the label") {
  const Tensor x = values({1000, 0, -1000, 2000}, {2, 2}).to(DType::Float32);
  CHECK(item(cross_entropy(x, integers({0, 1}))) == 0);
  CHECK(item(cross_entropy(x, integers({1, 0}))) == doctest::Approx(2000));
  CHECK(item(cross_entropy(values({0, 0, 0}, {1, 3}), integers({1}))) ==
        doctest::Approx(std::log(3.0)));
}

TEST_CASE("layer_norm: rows have mean 0 and variance 1 before the affine map") {
  const Tensor x = random64({6, 9}, 1);
  const std::vector<double> y =
      to_vector(layer_norm(x, ones({9}), zeros({9}, DType::Float64), 0).value());
  for (size_t r = 0; r < 6; ++r) {
    double mean = 0, square = 0;
    for (size_t j = 0; j < 9; ++j) {
      mean += y[r * 9 + j] / 9;
      square += y[r * 9 + j] * y[r * 9 + j] / 9;
    }
    CHECK(std::abs(mean) < 1e-14);
    CHECK(square == doctest::Approx(1).epsilon(1e-13));
  }
  CHECK(distance(
            layer_norm(values({1, 3}, {2}), values({2, 5}, {2}), values({10, 20}, {2}), 3).value(),
            {10 - 2 / 2.0, 20 + 5 / 2.0}) < 1e-15);  // variance 1, eps 3
}

TEST_CASE("layer_norm: of rows equals batch_norm of columns, in value and gradient") {
  const Tensor x = random64({5, 4}, 1);
  const Tensor mean = zeros({5}, DType::Float64), var = ones({5});
  check_same(
      run({x},
          [](const List& v) { return layer_norm(v[0], ones({4}), zeros({4}, DType::Float64)); }),
      run({x}, [&](const List& v) {
        return transpose(batch_norm(transpose(v[0], 0, 1), ones({5}), zeros({5}, DType::Float64),
                                    mean, var, Statistics::Batch),
                         0, 1);
      }));
}

TEST_CASE("rms_norm: equals simple_rms_norm times the scale, in value and gradient") {
  const Tensor x = random64({2, 3, 7}, 1), scale = random64({7}, 2);
  check_same(run({x, scale}, [](const List& v) { return rms_norm(v[0], v[1]); }),
             run({x, scale}, [](const List& v) { return simple_rms_norm(v[0]) * v[1]; }));
}

TEST_CASE("simple_rms_norm: the known example; a row of zeros and a tiny row stay finite") {
  CHECK(distance(simple_rms_norm(values({3, -4}, {2})).value(), {0.848528137, -1.131370850}) <
        1e-8);
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    const Tensor x = values({0, 0, 0, 1e-18, 2e-18, -1e-18}, {2, 3}).to(dtype);
    const Run r = run({x}, [](const List& v) { return simple_rms_norm(v[0]); });
    const std::vector<double> g = to_vector(r.grads[0]), gy = to_vector(random64({2, 3}, 99));
    CHECK(all_finite(r.y));
    CHECK(all_finite(r.grads[0]));
    for (size_t j = 0; j < 3; ++j) CHECK(g[j] == doctest::Approx(1e8 * gy[j]).epsilon(1e-5));
  }
}

TEST_CASE("batch_norm: training normalises channels and moves the running statistics") {
  const int64_t N = 12, D = 3;
  const Tensor x = random64({3, 4, D}, 1), w = random64({D}, 2), b = random64({D}, 3);
  const Tensor mean = random64({D}, 4), var = ones({D});
  const std::vector<double> xv = to_vector(x), wv = to_vector(w), bv = to_vector(b);
  const std::vector<double> old_mean = to_vector(mean);
  const Variable y = batch_norm(x, w, b, mean, var, Statistics::Batch, 0.25);
  std::vector<double> expected(xv.size()), new_mean, new_var;
  for (size_t d = 0; d < size_t(D); ++d) {
    double m = 0, v = 0;
    for (size_t r = 0; r < size_t(N); ++r) m += xv[r * 3 + d] / N;
    for (size_t r = 0; r < size_t(N); ++r) v += (xv[r * 3 + d] - m) * (xv[r * 3 + d] - m) / N;
    for (size_t r = 0; r < size_t(N); ++r)
      expected[r * 3 + d] = (xv[r * 3 + d] - m) / std::sqrt(v + 1e-5) * wv[d] + bv[d];
    new_mean.push_back(0.75 * old_mean[d] + 0.25 * m);
    new_var.push_back(0.75 + 0.25 * v * N / (N - 1));
  }
  CHECK(distance(y.value(), expected) < 1e-13);
  CHECK(distance(mean, new_mean) < 1e-14);
  CHECK(distance(var, new_var) < 1e-14);
  for (size_t i = 0; i < xv.size(); ++i)
    expected[i] =
        (xv[i] - new_mean[i % 3]) / std::sqrt(new_var[i % 3] + 1e-5) * wv[i % 3] + bv[i % 3];
  CHECK(distance(batch_norm(x, w, b, mean, var, Statistics::Running).value(), expected) < 1e-13);
  CHECK(distance(mean, new_mean) < 1e-14);  // evaluation leaves them alone
}

TEST_CASE("batch_norm: one position, a constant channel and a large mean in float32") {
  const Tensor mean = zeros({2}, DType::Float64), var = ones({2});
  const Variable one = batch_norm(values({5, 7}, {1, 2}), ones({2}), values({1, 2}, {2}), mean, var,
                                  Statistics::Batch);
  CHECK(to_vector(one.value()) == std::vector<double>{1, 2});
  CHECK(distance(mean, {0.5, 0.7}) < 1e-15);
  CHECK(distance(var, {0.9, 0.9}) < 1e-15);

  const int64_t N = 20000;
  Tensor x = random_normal({N, 1}, DType::Float32, 1);
  for (int64_t i = 0; i < N; ++i) x.data<float>()[i] += 10000;
  const Tensor m = zeros({1}, DType::Float32), v = zeros({1}, DType::Float32);
  const Tensor weight = full({1}, 1, DType::Float32), bias = zeros({1}, DType::Float32);
  batch_norm(x, weight, bias, m, v, Statistics::Batch, 1);
  double sum = 0, square = 0;
  for (const double value : to_vector(x)) sum += value;
  for (const double value : to_vector(x)) square += (value - sum / N) * (value - sum / N);
  CHECK(item(m) == doctest::Approx(sum / N).epsilon(1e-7));
  CHECK(item(v) == doctest::Approx(square / (N - 1)).epsilon(1e-6));
}

TEST_CASE("embedding: equals the product with one-hot rows, in value and gradient") {
  const Tensor ids = integers({2, 0, 2, 3, 2, 1}).reshape({2, 3}), weight = random64({5, 20}, 1);
  Tensor one_hot = zeros({2, 3, 5}, DType::Float64);
  for (int64_t p = 0; p < 6; ++p) one_hot.data<double>()[p * 5 + ids.data<int32_t>()[p]] = 1;
  check_same(run({weight}, [&](const List& v) { return embedding(ids, v[0]); }),
             run({weight}, [&](const List& v) { return matmul(one_hot, v[0]); }));
}

TEST_CASE("gated_linear: equals its composition, with and without dropout") {
  for (const double rate : {0.0, 0.3}) {
    const DropoutMask mask{rate, 4, 5, 6};
    for (const auto& [shape, out] : {std::pair<Shape, int64_t>{{2, 7, 5}, 3},
                                     {{1, 4}, 1},
                                     {{3, 64}, 17},
                                     {{3, 700, 6}, 5},
                                     {{9, 1000, 2}, 3}}) {
      const int64_t in = shape[-1];
      const std::vector<Tensor> inputs = {random64(shape, 1), random64(shape, 2),
                                          random64({out, in}, 3), random64({out}, 4)};
      check_same(
          run(inputs, [&](const List& v) { return gated_linear(v[0], v[1], v[2], v[3], mask); }),
          run(inputs,
              [&](const List& v) { return linear(dropout(silu(v[0]) * v[1], mask), v[2], v[3]); }));
    }
  }
}

TEST_CASE(
    "gated_linear_unit: equals its composition, with and without dropout, in one piece and in "
    "several") {
  for (const double rate : {0.0, 0.3}) {
    const DropoutMask mask{rate, 4, 5, 6};
    for (const auto& [shape, inner] : {std::pair<Shape, int64_t>{{2, 7, 5}, 3},
                                       {{1, 4}, 1},
                                       {{3, 700, 6}, 5},
                                       {{9, 1000, 2}, 3}}) {
      const int64_t in = shape[-1], out = 2;
      const std::vector<Tensor> inputs = {random64(shape, 1),   random64({inner, in}, 2),
                                          random64({inner}, 3), random64({inner, in}, 4),
                                          random64({inner}, 5), random64({out, inner}, 6),
                                          random64({out}, 7)};
      check_same(run(inputs,
                     [&](const List& v) {
                       return gated_linear_unit(v[0], {v[1], v[2], v[3], v[4], v[5], v[6]}, mask);
                     }),
                 run(inputs, [&](const List& v) {
                   const Variable a = linear(v[0], v[1], v[2]), b = linear(v[0], v[3], v[4]);
                   return linear(dropout(silu(a) * b, mask), v[5], v[6]);
                 }));
    }
  }
}

TEST_CASE("ops: called by more threads than OpenMP would start, each gets what one thread gets") {
  const Tensor x = random64({1, 40, 16}, 1), W = random64({16, 16}, 2), b = random64({16}, 3);
  const DropoutMask mask{0.0, 4, 5, 6};
  const auto f = [&](const List& v) {
    const Variable y = gated_linear_unit(v[0], {v[1], v[2], v[1], v[2], v[1], v[2]}, mask);
    return y + slice(irfft(rfft(gated_linear(y, v[0], v[1], v[2], mask), 64), 64), 1, 0, 40);
  };
  const Run expected = run({x, W, b}, f);
  constexpr int kThreads = 16;
  std::vector<Run> results(kThreads);
  const int before = omp_get_max_threads();
  omp_set_num_threads(2);
#pragma omp parallel num_threads(kThreads)
  results[size_t(omp_get_thread_num())] = run({x, W, b}, f);
  omp_set_num_threads(before);
  for (const Run& r : results) check_same(r, expected, 1e-300);
}

TEST_CASE("linear: rows in several pieces and groups equal a product and a sum") {
  for (const int64_t rows : {256, 257, 2100, 8192, 9300}) {
    const std::vector<Tensor> inputs = {random64({rows, 5}, 1), random64({3, 5}, 2),
                                        random64({3}, 3)};
    check_same(run(inputs, [](const List& v) { return linear(v[0], v[1], v[2]); }),
               run(inputs, [](const List& v) { return matmul(v[0], transposed(v[1])) + v[2]; }));
  }
}

TEST_CASE("dropout: drops at the rate, scales the rest, and keeps the mean") {
  const int64_t n = 200001;
  const Tensor x = ones({n});
  for (const double rate : {0.1, 0.5, 0.9}) {
    const std::vector<double> y = to_vector(dropout(x, {rate, 1, 2, 3}).value());
    const double kept = 65536 / (65536 - std::round(rate * 65536));  // the rate has 16 bits
    int64_t dropped = 0;
    bool two_values = true;
    for (const double v : y) {
      dropped += v == 0;
      two_values = two_values && (v == 0 || v == kept);
    }
    CHECK(two_values);
    CHECK(std::abs(double(dropped) / double(n) - rate) <
          5 * std::sqrt(rate * (1 - rate) / double(n)));
  }
}

TEST_CASE(
    "dropout: a half word of a Philox block for every element, in whole tiles and in the rest") {
  const uint64_t counter = 3 * 0x9E3779B97F4A7C15 + 4;
  for (const int64_t n : {1, 16, 127, 128, 129, 1000}) {
    const std::vector<double> y = to_vector(dropout(ones({n}), {0.25, 2, 3, 4}).value());
    bool same = true;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t tile = i / 128, w = i % 128 / 32, half = i % 32 / 16, block = i % 16;
      const uint32_t u =
          philox(2, uint64_t(16 * tile + block), counter).word[w] >> 16 * half & 0xFFFF;
      same = same && y[size_t(i)] == (u < 0x4000 ? 0 : 1 / 0.75);
    }
    CAPTURE(n);
    CHECK(same);
  }
}

TEST_CASE("dropout: the mask is a function of seed, step and call, and the same in the backward") {
  const Tensor x = ones({1003});
  const auto mask = [&](const DropoutMask& m) { return to_vector(dropout(x, m).value()); };
  const std::vector<double> first = mask({0.5, 1, 2, 3});
  CHECK(mask({0.5, 1, 2, 3}) == first);
  CHECK(mask({0.5, 2, 2, 3}) != first);
  CHECK(mask({0.5, 1, 3, 3}) != first);
  CHECK(mask({0.5, 1, 2, 4}) != first);
  CHECK(to_vector(dropout(x.to(DType::Float32), {0.5, 1, 2, 3}).value()) == first);
  const Variable leaf = Variable::leaf(x);
  {
    Tape tape;
    tape.backward(sum(dropout(leaf, {0.5, 1, 2, 3})));
  }
  CHECK(to_vector(leaf.grad()) == first);
  CHECK(dropout(leaf, {0, 1, 2, 3}).value().shares_storage(x));
}

TEST_CASE("ops: wrong inputs are named before anything is computed") {
  const Tensor a = random64({2, 3}, 1), b = random64({2}, 2), f = a.to(DType::Float32);
  const Tensor z = complex128({2, 3}, 3), ids = integers({0, 1});
  const auto expect = [](const std::function<void()>& f, const std::string& part) {
    const std::string message = message_of(f);
    CAPTURE(message);
    CAPTURE(part);
    CHECK(contains(message, part));
  };
  expect([&] { add(a, b); },
         "add: b's shape must be the end of a's, or b a single number, got "
         "float64 (2, 3) and float64 (2)");
  expect([&] { sub(a, f); },
         "sub: inputs must agree in type and device, got float64 (2, 3) and "
         "float32 (2, 3)");
  expect([&] { add(a, Variable()); }, "an empty tensor");
  expect([&] { add(ids, ids); }, "add: a real or complex tensor is needed, got int32 (2)");
  expect([&] { mul(z, z); }, "mul: a must be real, got complex128 (2, 3)");
  expect([&] { div(a, b); }, "div: b's shape must be the end");
  expect([&] { scale(ids, 2); }, "scale: a real or complex tensor is needed, got int32 (2)");
  expect([&] { complex_mul(a, a); }, "complex_mul: a must be complex, got float64 (2, 3)");
  expect([&] { to_complex(a, b); }, "to_complex: re and im must have one shape");
  expect([&] { linear(a, a.reshape({3, 2})); }, "linear: x (.., in) and W (out, in) are needed");
  expect([&] { linear(a, random64({4, 3}, 1), b); }, "must have 4 elements, got float64 (2)");
  expect([&] { matmul(f, f); },
         "matmul: inner sizes must agree, got float32 (2, 3) and float32 (2, 3)");
  expect([&] { matmul(a, f); }, "matmul: inputs must agree in type");
  expect([&] { matmul(b, a); }, "matmul: a (.., m, k) and b");
  expect([&] { matmul(random64({2, 3, 4}, 1), random64({3, 4, 2}, 1)); }, "with a's leading sizes");
  expect([&] { sum(z); }, "sum: x must be real");
  expect([&] { sum(a, 2); }, "axis 2 does not exist in (2, 3)");
  expect([&] { reshape(a, {4}); }, "reshape: (4) has another number of elements");
  expect([&] { slice(a, 1, 1, 4); },
         "slice: 0 <= begin < end <= 3 is needed on axis 1 of "
         "float64 (2, 3), got begin 1, end 4");
  expect([&] { slice(a, 1, 2, 2); }, "got begin 2, end 2");
  expect([&] { concat({a, f}, 0); }, "concat: inputs must agree");
  expect([&] { concat({a, b}, 0); }, "concat: parts may differ in axis 0 only");
  expect([&] { concat({}, 0); }, "concat: 1 to 64 parts are needed, got 0");
  expect([&] { transpose(a, 0, 5); }, "axis 5 does not exist");
  expect([&] { relu(z); }, "relu: x must be real, got complex128 (2, 3)");
  expect([&] { softmax(random64({}, 1)); }, "softmax: x (.., d) with d >= 1 is needed");
  expect([&] { dropout(a, {1, 0, 0, 0}); }, "dropout: the rate must lie in [0, 1), got 1");
  expect([&] { dropout(a, {-0.5, 0, 0, 0}); }, "dropout: the rate must lie in [0, 1), got -0.5");
  expect(
      [&] {
        cross_entropy(a, integers({0, 3}));
      },
      "cross_entropy: labels must lie in 0 .. 2 or below 0, got 3 in row 1");
  expect(
      [&] {
        cross_entropy(a, integers({-2, -1}));
      },
      "cross_entropy: at least one label must not be ignored, got 2 labels below 0");
  expect([&] { cross_entropy(a, a); }, "cross_entropy: labels must be int32, got float64 (2, 3)");
  expect([&] { cross_entropy(a, integers({0, 1, 2})); }, "x (B, C) and labels (B)");
  expect([&] { layer_norm(a, b, b); }, "layer_norm: x (.., D), weight (D) and bias (D) are needed");
  expect([&] { rms_norm(a, b); }, "rms_norm: x (.., D) and scale (D) are needed");
  expect([&] { simple_rms_norm(z); }, "simple_rms_norm: x must be real");
  expect(
      [&] { batch_norm(a, ones({3}), ones({3}), ones({2}), ones({3}), Statistics::Batch); },
      "batch_norm: running mean and variance (D) are needed for x float64 (2, 3), got float64 (2)");
  expect([&] { batch_norm(a, ones({3}), ones({3}), Tensor(), Tensor(), Statistics::Running); },
         "batch_norm: a running mean and variance are needed");
  expect(
      [&] {
        embedding(integers({0, 2}), a);
      },
      "embedding: ids must lie in 0 .. 1, got 2 at position 1");
  expect([&] { embedding(a, a); }, "embedding: ids must be int32");
  expect(
      [&] {
        mean_over_length(random64({2, 3, 1}, 1), integers({1, 4}));
      },
      "mean_over_length: lengths must lie in 1 .. 3, got 4 in row 1");
  expect([&] { mean_over_length(a, ids); }, "mean_over_length: x (B, n, D) and lengths (B)");
  expect([&] { last_position(a); }, "last_position: x (B, n, D) is needed, got float64 (2, 3)");
}
