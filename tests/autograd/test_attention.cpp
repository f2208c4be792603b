// attention: what the composition computes, without the memory of its weights.
#include <omp.h>

#include "core/memory.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// (B, n, d) -> (B, heads, n, d / heads)
Variable split(const Variable& x, int64_t heads) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}
// The weights by softmax, of scores that are -1e30 for the keys that a row does not see.
Variable composition(const Variable& q, const Variable& k, const Variable& v, int64_t heads,
                     Direction direction, const Tensor& lengths) {
  const int64_t B = q.size(0), n = q.size(1);
  Tensor hidden = zeros({B, heads, n, n}, q.dtype());
  double* at = hidden.data<double>();
  for (int64_t b = 0; b < B; ++b)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j, ++at)
          if ((direction == Direction::Causal && j > i) ||
              (lengths && j >= lengths.data<int32_t>()[b]))
            *at = -1e30;
  const Variable scores = matmul(split(q, heads), transposed(split(k, heads)));
  const Variable weights =
      softmax(scale(scores, 1 / std::sqrt(double(q.size(2) / heads))) + Variable(hidden));
  return reshape(transpose(matmul(weights, split(v, heads)), 1, 2), q.value().shape());
}

struct Results {
  Tensor y, gq, gk, gv;
};
// The gradients of <gy, y>.
template <class F>
Results results_of(const Tensor& q_value, const Tensor& k_value, const Tensor& v_value,
                   const Tensor& gy, const F& f) {
  const Variable q = Variable::leaf(q_value), k = Variable::leaf(k_value),
                 v = Variable::leaf(v_value);
  Tape tape;
  const Variable y = f(q, k, v);
  tape.backward(sum(y * Variable(gy)));
  return {y.value(), q.grad(), k.grad(), v.grad()};
}

}  // namespace

TEST_CASE("attention: equals softmax(q k^T) v of every head, in value and gradients") {
  const int64_t B = 3, n = 301, heads = 5, d = 15;  // several pieces, groups of 4 heads and of 1
  const Tensor q = random64({B, n, d}, 1), k = random64({B, n, d}, 2), v = random64({B, n, d}, 3),
               gy = random64({B, n, d}, 4);
  const Tensor lengths = tensor_of(std::vector<int32_t>{301, 7, 260}, {B});
  const int before = omp_get_max_threads();
  for (const Direction direction : {Direction::Causal, Direction::Bidirectional})
    for (const Tensor& seen : {Tensor(), lengths})
      for (const int threads : {1, 3}) {
        CAPTURE(direction == Direction::Causal);
        CAPTURE(bool(seen));
        omp_set_num_threads(threads);
        const Results one = results_of(q, k, v, gy, [&](auto& q, auto& k, auto& v) {
          return attention(q, k, v, heads, direction, seen);
        });
        const Results two = results_of(q, k, v, gy, [&](auto& q, auto& k, auto& v) {
          return composition(q, k, v, heads, direction, seen);
        });
        CHECK(distance(one.y, two.y) < 1e-12);
        CHECK(distance(one.gq, two.gq) < 1e-12);
        CHECK(distance(one.gk, two.gk) < 1e-12);
        CHECK(distance(one.gv, two.gv) < 1e-12);
      }
  omp_set_num_threads(before);
}

TEST_CASE("attention: only the gradients that are asked for, and they are the same") {
  const Tensor x = random64({2, 9, 4}, 1), gy = random64({2, 9, 4}, 4);
  const Results all = results_of(x, x, x, gy, [](auto& q, auto& k, auto& v) {
    return attention(q, k, v, 2, Direction::Causal);
  });
  for (const int asked : {0, 1, 2}) {
    Variable in[3] = {x, x, x};
    in[asked] = Variable::leaf(x);
    Tape tape;
    tape.backward(sum(attention(in[0], in[1], in[2], 2, Direction::Causal) * Variable(gy)));
    const Tensor expected = asked == 0 ? all.gq : asked == 1 ? all.gk : all.gv;
    CHECK(to_vector(in[asked].grad()) == to_vector(expected));
  }
}

TEST_CASE("attention: a length below 1 counts as 1, one above n as n") {
  const Tensor x = random64({2, 4, 2}, 1);
  const auto y = [&](std::vector<int32_t> lengths) {
    return to_vector(
        attention(x, x, x, 1, Direction::Bidirectional, tensor_of(lengths, {2})).value());
  };
  CHECK(y({0, 9}) == y({1, 4}));
  CHECK(y({-3, 4}) == y({1, 4}));
}

TEST_CASE("attention: a hidden key has no gradient, and its value no influence") {
  const Tensor q = random64({2, 6, 4}, 1), k = random64({2, 6, 4}, 2), gy = random64({2, 6, 4}, 4);
  const Tensor lengths = tensor_of(std::vector<int32_t>{6, 4}, {2});
  const auto run = [&](const Tensor& v) {
    return results_of(q, k, v, gy, [&](auto& q, auto& k, auto& v) {
      return attention(q, k, v, 2, Direction::Bidirectional, lengths);
    });
  };
  Tensor v = random64({2, 6, 4}, 3);
  const Results one = run(v);
  const std::vector<double> gk = to_vector(one.gk), gv = to_vector(one.gv);
  CHECK(std::vector<double>(gk.end() - 8, gk.end()) == std::vector<double>(8, 0));
  CHECK(std::vector<double>(gv.end() - 8, gv.end()) == std::vector<double>(8, 0));
  for (int64_t i = 40; i < 48; ++i) v.data<double>()[i] = 1e6;
  CHECK(to_vector(run(v).y) == to_vector(one.y));
}

TEST_CASE("attention: large scores overflow nothing, and rows of equal ones share evenly") {
  const Tensor q = full({1, 3, 1}, 1e4, DType::Float32),
               v = random_normal({1, 3, 1}, DType::Float32, 1);
  const Results r = results_of(
      q, q, v, full({1, 3, 1}, 1, DType::Float32),
      [](auto& q, auto& k, auto& v) { return attention(q, k, v, 1, Direction::Causal); });
  for (const Tensor& x : {r.y, r.gq, r.gk})
    for (const double e : to_vector(x)) CHECK(std::isfinite(e));
  // Row i gives 1/(i + 1) to each of its keys, in the backward, too.
  const std::vector<double> gv = to_vector(r.gv), value = to_vector(v);
  for (size_t j = 0; j < 3; ++j) {
    double weight = 0, sum = 0;
    for (size_t i = j; i < 3; ++i) weight += 1 / double(i + 1);
    for (size_t i = 0; i <= j; ++i) sum += value[i] / double(j + 1);
    CHECK(gv[j] == doctest::Approx(weight).epsilon(1e-6));
    CHECK(to_vector(r.y)[j] == doctest::Approx(sum).epsilon(1e-5));
  }
}

TEST_CASE("attention: the same bits with any number of threads") {
  const int before = omp_get_max_threads();
  for (const int64_t heads : {1, 6}) {  // one group of heads, several
    const Shape shape{heads == 1 ? 1 : 2, 200, heads * 8};
    const auto random = [&](uint64_t seed) { return random_normal(shape, DType::Float32, seed); };
    const auto run = [&](int threads) {
      omp_set_num_threads(threads);
      return results_of(random(1), random(2), random(3), random(4), [&](auto& q, auto& k, auto& v) {
        return attention(q, k, v, heads, Direction::Causal);
      });
    };
    const Results one = run(1), three = run(3);
    CHECK(to_vector(one.y) == to_vector(three.y));
    CHECK(to_vector(one.gq) == to_vector(three.gq));
    CHECK(to_vector(one.gk) == to_vector(three.gk));
    CHECK(to_vector(one.gv) == to_vector(three.gv));
  }
  omp_set_num_threads(before);
}

TEST_CASE("attention: the weights of all heads never exist together") {
  const int64_t n = 1024, heads = 8, d = 64;
  const Tensor q = random_normal({1, n, d}, DType::Float32, 1);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const int64_t live = memory::stats(Device::CPU).live;
  memory::reset_peak(Device::CPU);
  results_of(q, q, q, q, [&](auto& q, auto& k, auto& v) {
    return attention(q, k, v, heads, Direction::Bidirectional);
  });
  omp_set_num_threads(before);
  const double peak = double(memory::stats(Device::CPU).peak - live);
  CHECK(peak < 4.0 * double(heads * n * n) / 4);  // a quarter of the weights, which have 34 MB
}

TEST_CASE("attention: shapes, heads and lengths that do not fit are refused") {
  const Tensor x = random64({2, 3, 4}, 1);
  const auto run = [&](const Tensor& k, int64_t heads, const Tensor& lengths = {}) {
    return message_of([&] { attention(x, k, x, heads, Direction::Causal, lengths); });
  };
  CHECK(contains(run(random64({2, 3, 6}, 1), 1), "of one shape are needed, got float64 (2, 3, 4)"));
  CHECK(contains(run(x, 3), "attention: 3 heads do not divide 4 channels"));
  CHECK(contains(run(x, 0), "attention: 0 heads do not divide 4 channels"));
  CHECK(contains(run(x, 2, tensor_of(std::vector<int32_t>{1, 2, 3}, {3})),
                 "attention: lengths must be int32 (B = 2), got int32 (3)"));
}
