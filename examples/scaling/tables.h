// What the program scaling prints of what it computes (cost.h).
#pragma once

#include <cstdint>

#include "examples/scaling/cost.h"

namespace skiff::scaling {

void print_assumptions(const Costs& costs);
// For `first`, 2 first, 4 first, .. processes, at most one per shard and at most 1024.
void print_speed_up(const Costs& costs, int64_t shards, int64_t batch, int64_t first);
void print_hours(const Costs& costs, int64_t shards, int64_t batch, int64_t steps);
void print_smallest_batches(const Costs& costs);

}  // namespace skiff::scaling
