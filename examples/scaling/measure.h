// What the program scaling measures.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/processes.h"

namespace skiff::scaling {

struct StepTimes {
  int64_t parameters = 0;                         // trained numbers
  std::vector<std::pair<int64_t, double>> shard;  // examples, seconds of forward and backward
  double update = 0;                              // seconds of norm and Adam
};
// Medians over `repeats` rounds in which the sizes take turns; random data of full length.
StepTimes measure_step(const std::string& task, const std::string& recipe, const std::string& mixer,
                       const std::vector<int64_t>& examples, int64_t repeats);

// Median seconds of the exchange of a gradient, when all come to it at once. Every process calls
// it.
double measure_exchange(Processes& processes, int64_t shards, int64_t numbers, int64_t repeats);

// The exchange with virtual processes on random gradients.
struct VirtualRun {
  bool same_bits = true;  // as one process, on all
  double sent = 0;        // bytes of all processes
  double formula = 0;     // the same, by optim/exchange.h
};
VirtualRun run_virtually(int64_t processes, int64_t shards, int64_t numbers);

}  // namespace skiff::scaling
