// Parts of a data set.
//
// The random split that published Long Range Arena loaders make with PyTorch's random_split and a
// CPU generator: MT19937 and a swap of each place with a later one. The same indices, exactly.
#pragma once

#include <cstdint>
#include <vector>

#include "data/task.h"

namespace skiff {

// 0 .. n-1 in the order of torch.randperm(n, generator=torch.Generator().manual_seed(seed)).
std::vector<int64_t> torch_permutation(int64_t n, uint32_t seed);

// The permutation of sum(sizes) indices, cut into parts of the given sizes.
std::vector<std::vector<int64_t>> random_split(const std::vector<int64_t>& sizes,
                                               uint32_t seed = 42);

// `count` of the examples (at most all) in their order, drawn by the seed: equally many of each
// class; where a class has too few, the others have more.
std::vector<Example> balanced_subset(const std::vector<Example>& examples, int64_t count,
                                     uint64_t seed);

}  // namespace skiff
