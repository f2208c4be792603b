// Activations, softmax and the loss, norms, embeddings, gates and dropout against hand-computed
// numbers, naive loops and their compositions.
#include "core/random.h"
#include "core/range.h"
#include "tests/support/run_op.h"

using namespace skiff;
using namespace skiff::testing;

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

TEST_CASE("synchronized_batch_norm: a shard alone is normalised as by batch_norm") {
  const std::vector<Tensor> inputs = {random64({3, 70, 4}, 1), random64({4}, 2), random64({4}, 3)};
  const Run batch = run(inputs, [](const List& v) {
    return batch_norm(v[0], v[1], v[2], {}, {}, Statistics::Batch);
  });
  for (const Tensor& shift : {zeros({4}, DType::Float64), random64({4}, 4)})
    check_same(run(inputs,
                   [&](const List& v) {
                     const auto only = [](const Tensor& sums) { return sums; };
                     return synchronized_batch_norm(v[0], v[1], v[2], shift, only);
                   }),
               batch);
  CHECK_THROWS_WITH_AS(synchronized_batch_norm(inputs[0], inputs[1], inputs[2], ones({3}), {}),
                       doctest::Contains("synchronized_batch_norm: a shift (D) is needed for x"),
                       Error);
  CHECK_THROWS_WITH_AS(
      synchronized_batch_norm(inputs[0], inputs[1], inputs[2], ones({4}),
                              [](const Tensor&) { return ones({4}); }),
      doctest::Contains("the sum over shards must look like float64 (3, 4), got float64 (4)"),
      Error);
}

TEST_CASE("synchronized_batch_norm: shards get what batch_norm gives the whole batch") {
  const int64_t D = 3;
  const Tensor x = random64({6, 2, D}, 1), w = random64({D}, 2), b = random64({D}, 3);
  const Tensor gy = random64({6, 2, D}, 4), shift = random64({D}, 5);
  const auto differentiated = [&](Range rows, const std::function<Variable(const List&)>& f) {
    const auto part = [&](const Tensor& t) {
      return slice(Variable(t), 0, rows.first, rows.end).value();
    };
    List leaves = {Variable::leaf(part(x)), Variable::leaf(w), Variable::leaf(b)};
    Tape tape;
    const Variable y = f(leaves);
    tape.backward(y, part(gy));
    return std::vector<Tensor>{y.value(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  };
  BatchStatistics whole_found;
  const std::vector<Tensor> whole = differentiated({0, 6}, [&](const List& v) {
    return batch_norm(v[0], v[1], v[2], {}, {}, Statistics::Batch, kNormMomentum, kNormEps,
                      &whole_found);
  });

  // The first round yields the sums of the forward, with them the second one those of the backward,
  // and with both the third one is right.
  const std::vector<Range> shards = {{0, 1}, {1, 4}, {4, 6}};
  std::vector<Variable> totals(2);
  std::vector<std::vector<Tensor>> found;
  BatchStatistics found_statistics;
  for (int round = 0; round < 3; ++round) {
    std::vector<Variable> sums(2);
    found.clear();
    for (const Range rows : shards)
      found.push_back(differentiated(rows, [&](const List& v) {
        const auto all = [&, place = 0](const Tensor& own) mutable {
          const size_t at = size_t(place++);
          sums[at] = sums[at] ? sums[at] + own : Variable(own);
          return totals[at] ? totals[at].value() : own;
        };
        return synchronized_batch_norm(v[0], v[1], v[2], shift, all, kNormEps, &found_statistics);
      }));
    totals = sums;
  }
  for (size_t i = 0; i < 2; ++i)  // y and gx
    CHECK(distance(concat({found[0][i], found[1][i], found[2][i]}, 0).value(), whole[i]) < 1e-13);
  for (size_t i = 2; i < 4; ++i) {  // gw and gb
    const Variable sum = Variable(found[0][i]) + found[1][i] + found[2][i];
    CHECK(distance(sum.value(), whole[i]) < 1e-13);
  }
  CHECK(found_statistics.N == whole_found.N);
  CHECK(distance(found_statistics.mean, whole_found.mean) < 1e-13);
  CHECK(distance(found_statistics.var, whole_found.var) < 1e-13);
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

TEST_CASE("dropout: a first row without the number of rows is refused, before threads begin") {
  const DropoutMask mask{.rate = 0.5, .rows = {.first = 3}};
  const Variable x = ones({2000, 2}), W = ones({2, 2}), b = ones({2});
  for (const std::function<Variable()>& op : std::vector<std::function<Variable()>>{
           [&] { return dropout(x, mask); }, [&] { return gated_linear(x, x, W, b, mask); },
           [&] {
             return gated_linear_unit(x, {W, b, W, b, W, b}, mask);
           }})
    CHECK_THROWS_WITH_AS(op(), doctest::Contains("rows from 3 on of a batch need their number"),
                         Error);
}

TEST_CASE("dropout: what has no elements stays as it is") {
  for (const Shape& shape : {Shape{0, 3}, Shape{2, 0}, Shape{0}})
    CHECK(dropout(ones(shape), {0.25, 1, 2, 3}).shape() == shape);
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
