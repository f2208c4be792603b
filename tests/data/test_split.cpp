#include <doctest/doctest.h>

#include <algorithm>

#include "core/check.h"
#include "data/split.h"

using namespace skiff;
using Indices = std::vector<int64_t>;

namespace {
Indices part(const Indices& order, size_t first, size_t count) {
  return Indices(order.begin() + int64_t(first), order.begin() + int64_t(first + count));
}
}  // namespace

// Values of torch.randperm with a generator of seed 42.
TEST_CASE("random_split: the permutation of seed 42 is the one of PyTorch") {
  CHECK(torch_permutation(10, 42) == Indices{2, 6, 1, 8, 4, 5, 0, 9, 3, 7});

  const Indices cifar = torch_permutation(50000, 42);
  CHECK(part(cifar, 0, 5) == Indices{37542, 44491, 216, 43688, 41558});
  CHECK(part(cifar, 45000, 5) == Indices{17408, 40845, 3378, 22188, 44921});

  const Indices pathfinder = torch_permutation(200000, 42);
  CHECK(part(pathfinder, 0, 5) == Indices{37542, 143173, 127710, 58234, 152906});
  CHECK(part(pathfinder, 160000, 3) == Indices{122036, 135593, 30913});
  CHECK(part(pathfinder, 180000, 3) == Indices{143170, 45464, 153084});
}

TEST_CASE("random_split: the parts are the permutation in order") {
  const auto parts = random_split({7, 2, 1});
  REQUIRE(parts.size() == 3);
  CHECK(parts[0] == Indices{2, 6, 1, 8, 4, 5, 0});
  CHECK(parts[1] == Indices{9, 3});
  CHECK(parts[2] == Indices{7});
}

TEST_CASE("random_split: every index is in one part, whatever the sizes") {
  for (const int64_t n : {0, 1, 2, 3, 17, 1000}) {
    auto parts = random_split({n / 2, 0, n - n / 2}, 7);
    Indices all = parts[0];
    all.insert(all.end(), parts[2].begin(), parts[2].end());
    std::sort(all.begin(), all.end());
    REQUIRE(int64_t(all.size()) == n);
    CHECK(parts[1].empty());
    for (int64_t i = 0; i < n; ++i) CHECK(all[size_t(i)] == i);
  }
}

TEST_CASE("random_split: refuses negative sizes and sizes that PyTorch shuffles otherwise") {
  CHECK_THROWS_AS(random_split({3, -1}), Error);
  CHECK_THROWS_AS(torch_permutation(-1, 42), Error);
  CHECK_THROWS_AS(torch_permutation(int64_t(1) << 32, 42), Error);
}
