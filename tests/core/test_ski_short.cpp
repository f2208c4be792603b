// SKI on short sequences, in one pass, against its parts: lengths, points, channels, axes, threads,
// gradients that nobody needs. Both are checked against the plain formula by the samples of ski.
#include <omp.h>

#include <array>
#include <string>

#include "autograd/ops/detail/inducing_points.h"
#include "core/conv/ski.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Problem {
  Tensor x, gy, c, k;
  int64_t axis;
};

Problem problem(Shape shape, int64_t axis, int64_t D, int64_t K, int64_t r) {
  return {random64(shape, 1), random64(shape, 2), random64({K, D}, 3), random64({2 * r, D}, 4),
          axis};
}

using Answer = std::array<Tensor, 4>;  // y, gx, gc, gk

Answer in_one_pass(const Problem& p) {
  auto [gx, gc, gk] = ski_cpu::short_backward(p.x, p.c, p.k, p.gy, p.axis, true, true, true);
  return {ski_cpu::short_forward(p.x, p.c, p.k, p.axis), gx, gc, gk};
}

Answer by_parts(const Problem& p) {
  const int64_t r = p.k.size(0) / 2;
  const Tensor z = to_inducing_points(p.x, r, p.axis), h = to_inducing_points(p.gy, r, p.axis);
  const Tensor s = ski_cpu::kernel_product(p.k, z, p.axis, /*transposed=*/false);
  const Tensor u = ski_cpu::kernel_product(p.k, h, p.axis, /*transposed=*/true);
  auto [gx, gc] = ski_cpu::gradients(p.x, p.c, p.gy, u, p.axis, true, true);
  return {ski_cpu::output(p.x, p.c, s, p.axis), gx, gc,
          ski_cpu::kernel_gradient(h, z, p.c.size(1), p.axis)};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const auto bytes = [](const Tensor& t) {
    return std::string(static_cast<const char*>(t.raw()), size_t(t.bytes()));
  };
  return a.shape() == b.shape() && bytes(a) == bytes(b);
}

}  // namespace

TEST_CASE("ski, short sequences: equals its parts") {
  for (const Problem& p :
       {problem({3, 32, 5}, -2, 5, 17, 32), problem({2, 1, 3}, -2, 3, 7, 4),
        problem({2, 2, 9}, -2, 3, 3, 2), problem({40, 128, 48}, -2, 48, 33, 64),
        problem({3, 31, 4, 12}, -3, 6, 5, 9), problem({5, 7, 150}, -2, 150, 1, 128),
        problem({1, 127, 1}, -2, 1, 127, 3), problem({0, 6, 4}, -2, 4, 3, 2)}) {
    CAPTURE(p.x.size(p.axis));
    const Answer one = in_one_pass(p), parts = by_parts(p);
    for (size_t i = 0; i < one.size(); ++i) {
      CAPTURE(i);
      CHECK(distance(one[i], parts[i]) < 1e-13);
    }
  }
}

TEST_CASE("ski, short sequences: float32 is as exact over many rows as over few") {
  const Problem p = problem({600, 32, 64}, -2, 64, 17, 20);
  const auto narrow = [](const Tensor& t) { return t.to(DType::Float32); };
  const Answer wide = in_one_pass(p),
               some = in_one_pass({narrow(p.x), narrow(p.gy), narrow(p.c), narrow(p.k), p.axis});
  for (size_t i = 0; i < wide.size(); ++i) CHECK(distance(some[i], wide[i]) < 2e-6);
}

TEST_CASE("ski, short sequences: same bits for any number of threads, also inside a region") {
  const int threads_before = omp_get_max_threads();
  const Problem p = problem({6, 40, 150}, -2, 75, 9, 20);
  omp_set_num_threads(1);
  const Answer alone = in_one_pass(p);
  for (const int threads : {2, 5}) {
    omp_set_num_threads(threads);
    const Answer together = in_one_pass(p);
    for (size_t i = 0; i < alone.size(); ++i) CHECK(same_bits(together[i], alone[i]));
  }
  std::array<int, 4> same{};
#pragma omp parallel for num_threads(4)
  for (int t = 0; t < 4; ++t) {
    const Answer a = in_one_pass(p);
    for (size_t i = 0; i < a.size(); ++i) same[size_t(t)] += same_bits(a[i], alone[i]);
  }
  CHECK(same == std::array<int, 4>{4, 4, 4, 4});
  omp_set_num_threads(threads_before);
}

TEST_CASE("ski, short sequences: a gradient that is not needed is not made and changes no other") {
  const Problem p = problem({6, 40, 12}, -2, 12, 9, 20);
  const Answer all = in_one_pass(p);
  for (int needed = 0; needed < 8; ++needed) {
    CAPTURE(needed);
    const auto some =
        ski_cpu::short_backward(p.x, p.c, p.k, p.gy, p.axis, needed & 1, needed & 2, needed & 4);
    for (size_t i = 0; i < some.size(); ++i) {
      CHECK(bool(some[i]) == bool(needed >> i & 1));
      if (some[i]) CHECK(same_bits(some[i], all[i + 1]));
    }
  }
}
