// linear_cross_entropy: what the composition computes, without its memory; ignored labels.
#include <omp.h>

#include "core/memory.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

Tensor labels_below(int64_t limit, Shape shape, uint64_t seed) {
  Random random(seed);
  Tensor labels(shape, DType::Int32);
  for (int64_t i = 0; i < labels.size(); ++i)
    labels.data<int32_t>()[i] = int32_t(random.below(limit));
  return labels;
}

struct Results {
  Tensor loss, gx, gW, gb;
};
// The loss times 3, so that gy is not 1.
template <class F>
Results results_of(const Tensor& x_value, const Tensor& W_value, const Tensor& b_value,
                   const F& f) {
  const Variable x = Variable::leaf(x_value), W = Variable::leaf(W_value);
  const Variable b = b_value ? Variable::leaf(b_value) : Variable();
  Tape tape;
  const Variable loss = f(x, W, b);
  tape.backward(3.0 * loss);
  return {loss.value(), x.grad(), W.grad(), b ? b.grad() : Tensor()};
}

}  // namespace

TEST_CASE("linear_cross_entropy: equals cross_entropy of linear, in value and gradients") {
  const int64_t rows = 301, in = 7, V = 19;
  Tensor labels = labels_below(V, {rows}, 1);
  for (const int64_t ignored : {3, 4, 5, 299}) labels.data<int32_t>()[ignored] = -1;
  for (const bool with_bias : {false, true}) {
    CAPTURE(with_bias);
    const Tensor x = random64({rows, in}, 2), W = random64({V, in}, 3);
    const Tensor bias = with_bias ? random64({V}, 4) : Tensor();
    const Results one = results_of(x, W, bias, [&](auto& x, auto& W, auto& b) {
      return linear_cross_entropy(x, W, b, labels);
    });
    const Results two = results_of(x, W, bias, [&](auto& x, auto& W, auto& b) {
      return cross_entropy(linear(x, W, b), labels);
    });
    CHECK(distance(one.loss, two.loss) < 1e-13);
    CHECK(distance(one.gx, two.gx) < 1e-13);
    CHECK(distance(one.gW, two.gW) < 1e-13);
    if (with_bias) CHECK(distance(one.gb, two.gb) < 1e-13);
    // Without a tape, no gradient is made on the way: the value is the same.
    CHECK(item(linear_cross_entropy(x, W, bias, labels)) == item(one.loss));
  }
}

TEST_CASE("linear_cross_entropy: the losses of the rows, and their mean over those not ignored") {
  const Tensor x = random64({2, 3, 4}, 1), W = random64({5, 4}, 2);
  const Tensor labels = tensor_of(std::vector<int32_t>{4, -1, 0, 2, -5, 1}, {2, 3});
  const Tensor rows = linear_cross_entropy_rows(x, W, {}, labels);
  CHECK(rows.shape() == Shape{2, 3});
  const std::vector<double> losses = to_vector(rows), p = to_vector(softmax(linear(x, W)).value());
  double total = 0;
  for (size_t r = 0; r < 6; ++r) {
    const int32_t label = labels.data<int32_t>()[r];
    const double loss = label < 0 ? 0 : -std::log(p[r * 5 + size_t(label)]);
    CHECK(losses[r] == doctest::Approx(loss).epsilon(1e-13));
    total += loss;
  }
  CHECK(item(linear_cross_entropy(x, W, {}, labels)) == doctest::Approx(total / 4).epsilon(1e-13));
  // Of no row, the losses are 0 and there is no mean.
  const Tensor none = tensor_of(std::vector<int32_t>(6, -1), {2, 3});
  CHECK(to_vector(linear_cross_entropy_rows(x, W, {}, none)) == std::vector<double>(6, 0));
  CHECK_THROWS_WITH_AS(linear_cross_entropy(x, W, {}, none),
                       doctest::Contains("at least one label must not be ignored"), Error);
  const Tensor beyond = tensor_of(std::vector<int32_t>{0, 1, 2, 3, 4, 5}, {2, 3});
  CHECK_THROWS_WITH_AS(linear_cross_entropy_rows(x, W, {}, beyond),
                       doctest::Contains("labels must lie in 0 .. 4 or below 0, got 5 in row 5"),
                       Error);
}

TEST_CASE("cross_entropy: an ignored row has no loss and no gradient, whatever its logits are") {
  const Variable x = Variable::leaf(values({1, 2, 3, INFINITY, NAN, 0, -1, 0, 1}, {3, 3}));
  Tape tape;
  const Variable loss = cross_entropy(x, tensor_of(std::vector<int32_t>{2, -1, 0}, {3}));
  tape.backward(loss);
  const Tensor kept = values({1, 2, 3, -1, 0, 1}, {2, 3});
  CHECK(item(loss) == item(cross_entropy(kept, tensor_of(std::vector<int32_t>{2, 0}, {2}))));
  const std::vector<double> g = to_vector(x.grad());
  CHECK(std::vector<double>(g.begin() + 3, g.begin() + 6) == std::vector<double>(3, 0));
}

TEST_CASE("linear_cross_entropy: the same bits with any number of threads") {
  const int64_t rows = 700, in = 5, V = 9001;  // several pieces
  const Tensor x = random_normal({rows, in}, DType::Float32, 1),
               W = random_normal({V, in}, DType::Float32, 2),
               b = random_normal({V}, DType::Float32, 3), labels = labels_below(V, {rows}, 4);
  const auto run = [&] {
    const Results r = results_of(
        x, W, b, [&](auto& x, auto& W, auto& b) { return linear_cross_entropy(x, W, b, labels); });
    std::vector<double> all;
    for (const Tensor& t : {r.loss, r.gx, r.gW, r.gb})
      for (const double v : to_vector(t)) all.push_back(v);
    return all;
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<double> one = run();
  for (const int more : {2, 3, 7}) {
    omp_set_num_threads(more);
    CHECK((run() == one));
  }
  omp_set_num_threads(threads);
}

TEST_CASE("linear_cross_entropy: a quarter gigabyte of logits never exists at once") {
  const int64_t rows = 2048, in = 2, V = 33278;
  const Tensor labels = labels_below(V, {rows}, 1);
  const Variable x = Variable::leaf(random_normal({rows, in}, DType::Float32, 2)),
                 W = Variable::leaf(random_normal({V, in}, DType::Float32, 3));
  const int64_t live = memory::stats(Device::CPU).live;
  memory::reset_peak(Device::CPU);
  Tape tape;
  tape.backward(linear_cross_entropy(x, W, {}, labels));
  const double peak = double(memory::stats(Device::CPU).peak - live);
  CHECK(4.0 * double(rows * V) > 250e6);
  CHECK(peak < 80e6);
}

TEST_CASE("linear_cross_entropy: errors name the requirement and what was given") {
  const Tensor x = random64({3, 2}, 1), W = random64({4, 2}, 2);
  const auto labels = [](const std::vector<int32_t>& ids) {
    return tensor_of(ids, {int64_t(ids.size())});
  };
  const auto message = [&](const Tensor& W, const Tensor& b, const Tensor& ids) {
    return message_of([&] { linear_cross_entropy(x, W, b, ids); });
  };
  CHECK(contains(message(W, {}, labels({0, 1})),
                 "linear_cross_entropy: x (.., in), W (classes, in) and labels (..) are needed"));
  CHECK(contains(message(random64({4, 3}, 1), {}, labels({0, 1, 2})), "float64 (4, 3)"));
  CHECK(contains(message(W, random64({3}, 1), labels({0, 1, 2})), "must have 4 elements"));
  CHECK(contains(message(W.to(DType::Float32), {}, labels({0, 1, 2})), "must agree in type"));
  CHECK(contains(message(W, {}, x), "labels must be int32"));
  CHECK(contains(message(W, {}, labels({0, 4, 1})),
                 "labels must lie in 0 .. 3 or below 0, got 4 in row 1"));
  CHECK(contains(message(W, {}, labels({-1, -1, -1})),
                 "at least one label must not be ignored, got 3 labels below 0"));
}
