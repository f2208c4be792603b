#include "data/split.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "core/check.h"
#include "core/random.h"

namespace skiff {

std::vector<int64_t> torch_permutation(int64_t n, uint32_t seed) {
  // From here on PyTorch draws 64 bits per swap.
  constexpr int64_t kLimit = 0xFFFFFFFF / 20;
  check(n >= 0 && n < kLimit, "random_split: the number of examples must be in 0..", kLimit - 1,
        ", got ", n);
  std::vector<int64_t> order(size_t(n), 0);
  std::iota(order.begin(), order.end(), int64_t(0));
  std::mt19937 twister(seed);
  for (int64_t i = 0; i < n - 1; ++i) {
    const int64_t z = int64_t(uint64_t(twister()) % uint64_t(n - i));
    std::swap(order[size_t(i)], order[size_t(i + z)]);
  }
  return order;
}

std::vector<std::vector<int64_t>> random_split(const std::vector<int64_t>& sizes, uint32_t seed) {
  for (const int64_t size : sizes) {
    check(size >= 0, "random_split: a size must be at least 0, got ", size);
  }
  const int64_t n = std::accumulate(sizes.begin(), sizes.end(), int64_t(0));
  const std::vector<int64_t> order = torch_permutation(n, seed);
  std::vector<std::vector<int64_t>> parts;
  auto begin = order.begin();
  for (const int64_t size : sizes) {
    parts.emplace_back(begin, begin + size);
    begin += size;
  }
  return parts;
}

std::vector<Example> balanced_subset(const std::vector<Example>& examples, int64_t count,
                                     uint64_t seed) {
  std::map<int32_t, std::vector<size_t>> classes;
  for (size_t i = 0; i < examples.size(); ++i) classes[examples[i].label].push_back(i);
  std::vector<size_t> chosen;
  const size_t wanted = std::min(size_t(count), examples.size());
  Random random(seed, hash_name("subset"));
  while (chosen.size() < wanted) {  // one of each class
    for (auto& [label, left] : classes) {
      if (left.empty() || chosen.size() == wanted) continue;
      std::swap(left[size_t(random.below(int64_t(left.size())))], left.back());
      chosen.push_back(left.back());
      left.pop_back();
    }
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<Example> subset;
  for (const size_t i : chosen) subset.push_back(examples[i]);
  return subset;
}

}  // namespace skiff
