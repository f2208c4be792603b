// ski: the fused operator against the sums of its definition and against its composition.
#include <omp.h>

#include <string>

#include "core/random.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Result {
  Tensor y, gx, gc, gk;
};
struct Inputs {
  Tensor x, c, k, gy;
  int64_t axis = -2;
};

Inputs inputs(Shape x, int64_t axis, int64_t D, int64_t K, int64_t r, uint64_t seed,
              DType dtype = DType::Float64) {
  return {random_normal(x, dtype, seed), random_normal({K, D}, dtype, seed + 1),
          random_normal({2 * r, D}, dtype, seed + 2), random_normal(x, dtype, seed + 3), axis};
}

Variable composition(const Variable& x, const Variable& c, const Variable& k, int64_t axis) {
  const InterpolationMatrix W{x.size(axis), k.size(0) / 2};
  return conv1d(x, c, Direction::Bidirectional, axis) +
         interpolate(toeplitz(k, interpolate_adjoint(x, W, axis), Direction::Bidirectional, axis),
                     W, axis);
}

template <class F>
Result differentiate(const Inputs& in, const F& f, bool x = true, bool c = true, bool k = true) {
  const auto input = [](const Tensor& t, bool leaf) {
    return leaf ? Variable::leaf(t) : Variable(t);
  };
  const Variable vx = input(in.x, x), vc = input(in.c, c), vk = input(in.k, k);
  Tape tape;
  const Variable y = f(vx, vc, vk, in.axis);
  tape.backward(y, in.gy);
  return {y.value(), x ? vx.grad() : Tensor(), c ? vc.grad() : Tensor(), k ? vk.grad() : Tensor()};
}

Result fused(const Inputs& in) { return differentiate(in, ski); }

void check_equal(const Result& a, const Result& b, double tolerance) {
  CHECK(distance(a.y, b.y) < tolerance);
  CHECK(distance(a.gx, b.gx) < tolerance);
  CHECK(distance(a.gc, b.gc) < tolerance);
  CHECK(distance(a.gk, b.gk) < tolerance);
}

std::string bits(const Tensor& t) {
  return std::string(static_cast<const char*>(t.raw()), size_t(t.bytes()));
}
std::string bits(const Result& r) { return bits(r.y) + bits(r.gx) + bits(r.gc) + bits(r.gk); }

// The n x n matrix of channel d is sum_q c[q] [j = i + q - m] + sum_pq W[i,p] k[p-q] W[j,q]; every
// term goes to y and to the three gradients.
Result dense(const Inputs& in) {
  const int64_t B = in.x.size(0), n = in.x.size(1), D = in.x.size(2), K = in.c.size(0);
  const int64_t r = in.k.size(0) / 2;
  std::vector<double> W(size_t(n * r), 0);
  for (int64_t i = 0; i < n; ++i) {
    const double u = n == 1 ? 0 : double(i) * double(r - 1) / double(n - 1);
    for (int64_t p = 0; p < r; ++p)
      W[size_t(i * r + p)] = std::max(0.0, 1 - std::abs(u - double(p)));  // hat functions
  }
  Result result{zeros_like(in.x), zeros_like(in.x), zeros_like(in.c), zeros_like(in.k)};
  const double *x = in.x.data<double>(), *g = in.gy.data<double>();
  const auto add = [&](int64_t b, int64_t i, int64_t j, int64_t d, double weight, double value,
                       double& gradient) {
    const int64_t out = (b * n + i) * D + d, from = (b * n + j) * D + d;
    result.y.data<double>()[out] += weight * value * x[from];
    result.gx.data<double>()[from] += weight * value * g[out];
    gradient += weight * g[out] * x[from];
  };
  for (int64_t b = 0; b < B; ++b)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t d = 0; d < D; ++d) {
          const int64_t tap = j - i + (K - 1) / 2;
          if (tap >= 0 && tap < K)
            add(b, i, j, d, 1, in.c.data<double>()[tap * D + d],
                result.gc.data<double>()[tap * D + d]);
          for (int64_t p = 0; p < r; ++p)
            for (int64_t q = 0; q < r; ++q) {
              const double weight = W[size_t(i * r + p)] * W[size_t(j * r + q)];
              const int64_t row = (p >= q ? p - q : 2 * r + p - q) * D + d;
              if (weight != 0)
                add(b, i, j, d, weight, in.k.data<double>()[row], result.gk.data<double>()[row]);
            }
        }
  return result;
}

class Threads {  // puts the number of threads back
 public:
  ~Threads() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
};

}  // namespace

TEST_CASE("ski: equals the sums of its definition in value and every gradient") {
  for (const int64_t n : {1, 2, 3, 8, 17, 31})
    for (const int64_t r : {2, 3, 8, 20})
      for (const int64_t K : {1, 3, 9, 17}) {
        CAPTURE(n);
        CAPTURE(r);
        CAPTURE(K);
        const Inputs in = inputs({2, n, 2}, -2, 2, K, r, uint64_t(n * 100 + r));
        check_equal(fused(in), dense(in), 1e-12);
      }
}

TEST_CASE("ski: equals its composition in value and every gradient, for random shapes") {
  const std::vector<int64_t> channels = {1, 3, 7, 16, 17, 128, 130};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    const int64_t D = channels[size_t(random.below(7))],
                  n = 1 + random.below(seed % 4 == 0 ? 700 : 60);
    const int64_t K = 1 + 2 * random.below(20), r = 2 + random.below(70),
                  others = 1 + random.below(3);
    const int64_t axis = seed % 3 == 0 ? -3 : -2;
    const Shape shape = axis == -3 ? Shape{1 + random.below(2), n, others, D} : Shape{others, n, D};
    CAPTURE(seed);
    CAPTURE(shape);
    CAPTURE(K);
    CAPTURE(r);
    const Inputs in = inputs(shape, axis, D, K, r, seed);
    check_equal(fused(in), differentiate(in, composition), 1e-12);
  }
}

TEST_CASE("ski: heads and an image's rows and columns share the channels' kernels") {
  for (const int64_t axis : {-3, -2}) {
    CAPTURE(axis);
    const Inputs in = inputs({2, 9, 12, 10}, axis, 5, 5, 4, 3);  // two groups of 5 channels
    check_equal(fused(in), differentiate(in, composition), 1e-12);
  }
}

TEST_CASE("ski: a long sequence, many blocks and parts of the sums") {
  const Inputs in = inputs({1, 70001, 2}, -2, 2, 33, 64, 5);
  check_equal(fused(in), differentiate(in, composition), 1e-11);  // sums of 70001 terms
}

TEST_CASE("ski: float32 is as close to float64 as its composition") {
  Inputs in = inputs({4, 1500, 20}, -2, 20, 33, 16, 6);
  const Result exact = fused(in);
  in.x = in.x.to(DType::Float32);
  in.c = in.c.to(DType::Float32);
  in.k = in.k.to(DType::Float32);
  in.gy = in.gy.to(DType::Float32);
  const Result single = fused(in);
  CHECK(distance(single.y.to(DType::Float64), exact.y) < 1e-5);
  CHECK(distance(single.gx.to(DType::Float64), exact.gx) < 1e-5);
  CHECK(distance(single.gc.to(DType::Float64), exact.gc) < 1e-5);
  CHECK(distance(single.gk.to(DType::Float64), exact.gk) < 1e-5);
}

TEST_CASE("ski: every gradient asked for alone is the same") {
  const Inputs in = inputs({3, 300, 17}, -2, 17, 9, 8, 7);
  const Result all = fused(in);
  const Result x = differentiate(in, ski, true, false, false);
  const Result c = differentiate(in, ski, false, true, false);
  const Result k = differentiate(in, ski, false, false, true);
  CHECK(bits(x.gx) == bits(all.gx));
  CHECK(bits(c.gc) == bits(all.gc));
  CHECK(bits(k.gk) == bits(all.gk));
  CHECK(bits(x.y) == bits(all.y));
}

TEST_CASE("ski: the row of the kernel that is no lag changes nothing and has gradient 0") {
  Inputs in = inputs({2, 20, 2}, -2, 2, 3, 5, 8);
  const Result before = fused(in);
  in.k = in.k.clone();
  in.k.data<double>()[10] += 100;
  const Result after = fused(in);
  CHECK(bits(before) == bits(after));
  CHECK(before.gk.data<double>()[10] == 0);
  CHECK(before.gk.data<double>()[11] == 0);
}

TEST_CASE("ski: an infinity reaches the outputs of its taps and its channel alone") {
  Inputs in = inputs({1, 600, 20}, -2, 20, 5, 4, 9);
  in.x.data<double>()[300 * 20 + 18] = INFINITY;
  const Tensor y = ski(in.x, in.c, in.k, -2).value();
  for (int64_t i = 0; i < 600; ++i)
    for (int64_t d = 0; d < 20; ++d)
      CHECK(std::isfinite(y.data<double>()[i * 20 + d]) == (d != 18));
}

TEST_CASE("ski: the same bits on 1, 2, 3 and 7 threads") {
  const Threads restore;
  const std::vector<Inputs> cases = {inputs({3, 1000, 128}, -2, 128, 33, 64, 1, DType::Float32),
                                     inputs({1, 20000, 17}, -2, 17, 17, 16, 2, DType::Float32),
                                     inputs({2, 3000, 3}, -2, 3, 9, 8, 3, DType::Float64),
                                     inputs({2, 40, 50, 20}, -3, 20, 17, 16, 4, DType::Float32),
                                     inputs({2, 40, 50, 20}, -2, 20, 17, 16, 5, DType::Float64)};
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    omp_set_num_threads(1);
    const std::string one = bits(fused(cases[i]));
    for (const int threads : {2, 3, 7}) {
      CAPTURE(threads);
      omp_set_num_threads(threads);
      CHECK((bits(fused(cases[i])) == one));
    }
  }
}

TEST_CASE("ski: wrong shapes are refused with the values that were given") {
  const Inputs in = inputs({2, 9, 6}, -2, 6, 3, 4, 1);
  const auto fails = [](const std::string& part, const auto& f) {
    const std::string message = message_of(f);
    CAPTURE(message);
    CHECK(contains(message, part));
  };
  fails("K odd, got float64 (4, 6)", [&] { ski(in.x, random64({4, 6}, 1), in.k); });
  fails("4 channels of c do not divide the 6", [&] { ski(in.x, random64({3, 4}, 1), in.k); });
  fails("k must be (2r, D)", [&] { ski(in.x, in.c, random64({7, 6}, 1)); });
  fails("k must be (2r, D)", [&] { ski(in.x, in.c, random64({2, 6}, 1)); });
  fails("D = 6, got float64 (8, 3)", [&] { ski(in.x, in.c, random64({8, 3}, 1)); });
  fails("must agree in type", [&] { ski(in.x, in.c.to(DType::Float32), in.k); });
  fails("x must be real", [&] { ski(complex128({2, 9, 6}, 1), in.c, in.k); });
}
