// An evaluation that several processes divide among them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace skiff {

// Batch i belongs to process i mod P, which computes what it adds to the scores: a few numbers. All
// processes get them, and add them in order of i, so that sums have the same bits for every P.
// Before each P batches goes_on() is called; false, on all processes alike, ends it: then false is
// returned.
bool divided(int64_t batches, const std::function<std::vector<double>(int64_t)>& compute,
             const std::function<void(const std::vector<double>&)>& add,
             const std::function<bool()>& goes_on);

}  // namespace skiff
