// The general ops against hand-computed numbers, naive loops and their compositions. (Derivatives
// themselves are checked for every op in test_ops.cpp.)
#include <omp.h>

#include <functional>

#include "autograd/ops/detail/sum_leading.h"
#include "core/math.h"
#include "core/random.h"
#include "tests/support/run_op.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

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
    worst = larger(worst, ulps(math::exp(x), std::exp(double(x))));
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

namespace {
struct ShorterEachTime {  // a type of its own, as nvcc demands of what a kernel takes
  int64_t n;
  SKIFF_HOST_DEVICE int64_t operator()(int64_t o) const { return n - o * n / 7; }
};
}  // namespace

TEST_CASE("sums over leading axes: by lanes, as a GPU takes them, equal the naive sum") {
  for (const AxisView v : {AxisView{1, 1, 1}, AxisView{1, 31, 3}, AxisView{1, 1000, 1},
                           AxisView{3, 130, 5}, AxisView{2, 700, 66}, AxisView{4, 0, 2}}) {
    CAPTURE(v.n);
    const Tensor x = random64({v.outer, v.n, v.inner}, uint64_t(v.n));
    const std::vector<double> values = to_vector(x);
    const ShorterEachTime count{v.n};
    std::vector<double> expected(static_cast<size_t>(v.outer * v.inner), 0.0);
    for (int64_t o = 0; o < v.outer; ++o)
      for (int64_t r = 0; r < count(o); ++r)
        for (int64_t c = 0; c < v.inner; ++c)
          expected[size_t(o * v.inner + c)] += values[size_t((o * v.n + r) * v.inner + c)];
    const Tensor sums =
        detail::sums_by_lanes<1>(Device::CPU, v, count, Value<double>{x.data<double>()});
    CHECK(distance(sums, expected) < 1e-12);
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

TEST_CASE("powers: a base of 0 has the value 0^0 = 1, and a derivative at exponent 1") {
  const Tensor gy = values({2, 3, 5, 7, 11, 13}, {3, 2});
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    const Variable gamma = Variable::leaf(values({0, 0.5}, {2}).to(dtype));
    Tape tape;
    const Variable y = powers(gamma, {0, 1, 2});
    CHECK(to_vector(y.value()) == std::vector<double>{1, 1, 0, 0.5, 0, 0.25});
    tape.backward(y, gy.to(dtype));
    CHECK(to_vector(gamma.grad()) == std::vector<double>{5, 7 + 2 * 0.5 * 13});
  }
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

TEST_CASE("max_over_length: without padding, gradients to the first maximum, NaN is kept") {
  const Tensor x = values({1, 60, 5, 20, 5, 30, 9, 40, 4, 40, 6, 40}, {2, 3, 2});
  const auto largest = [](const Tensor& t, const std::vector<int32_t>& lengths) {
    return to_vector(max_over_length(t, integers(lengths)).value());
  };
  CHECK(largest(x, {3, 3}) == std::vector<double>{5, 60, 9, 40});
  CHECK(largest(x, {1, 2}) == std::vector<double>{1, 60, 9, 40});
  CHECK(largest(values({-3, -1, 0, 7}, {1, 2, 2}), {1}) == std::vector<double>{-3, -1});
  const Run r = run({x}, [](const List& v) { return max_over_length(v[0], integers({3, 2})); });
  const std::vector<double> g = to_vector(r.grads[0]);
  std::vector<size_t> reached;
  for (size_t i = 0; i < g.size(); ++i)
    if (g[i] != 0) reached.push_back(i);
  CHECK(reached == std::vector<size_t>{1, 2, 6, 7});
  const double inf = INFINITY;
  CHECK(largest(values({-inf, -inf}, {1, 2, 1}), {2}) == std::vector<double>{-inf});
  for (const std::vector<double>& row : {std::vector<double>{NAN, 1, 2}, {1, NAN, 2}, {1, 2, NAN}})
    CHECK(std::isnan(largest(values(row, {1, 3, 1}), {3})[0]));
  CHECK(largest(values({1, 2, NAN}, {1, 3, 1}), {2}) == std::vector<double>{2});
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
  expect(
      [&] {
        max_over_length(random64({2, 3, 1}, 1), integers({0, 3}));
      },
      "max_over_length: lengths must lie in 1 .. 3, got 0 in row 0");
  expect([&] { last_position(a); }, "last_position: x (B, n, D) is needed, got float64 (2, 3)");
}
