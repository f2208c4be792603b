// The exchange of a step's gradients between processes. Before it each process has the sums of the
// nodes of the tree (shards.h) that its own shards make up; after it all have the sum of all
// shards, with the bits that one process would have got.
//
// A gradient of n numbers is cut into P segments, one per process:
//   1. all-to-all: each process sends segment q of each of its nodes to process q;
//   2. process q adds segment q of the nodes of all processes, in the tree: the additions that are
//      missing, and no others;
//   3. all-gather of the P finished segments.
// Sums are elementwise, so neither the segments nor the order of arrival can change a bit. With nu
// nodes a process sends (nu + 1) (P - 1) / P n numbers; with one node no algorithm sends less.
#pragma once

#include <span>
#include <vector>

#include "core/processes.h"
#include "optim/shards.h"

namespace skiff {

class Exchange {
 public:
  // Error if there are more processes than shards.
  Exchange(Processes& processes, int64_t shards);

  // The total of all shards. `sum` has added up the gradients of shards_of(rank, ..), as flat
  // vectors.
  Tensor operator()(const TreeSum& sum);

  // Its parts: each process has to finish one before any can finish the next.
  void send_nodes(const TreeSum& sum);
  void add_segments();
  Tensor total();

 private:
  Processes& processes_;
  int64_t shards_;
  std::vector<std::vector<Range>> nodes_;  // of each process
  Tensor sent_, received_, total_;
  Device device_ = Device::CPU;
};

// The bytes that process `rank` sends for gradients of `bytes` bytes, by the formula above.
double exchanged_bytes(int rank, int processes, int64_t shards, double bytes);

// One record per shard, in order, from the records that each process has of its own shards. It
// comes before the large exchange and decides what all do in this step.
template <class Record>
std::vector<Record> gather_shards(Processes& processes, std::span<const Record> mine,
                                  int64_t shards) {
  std::vector<int64_t> counts;
  for (int p = 0; p < processes.size(); ++p)
    counts.push_back(shards_of(p, processes.size(), shards).size());
  return gather_records(processes, mine, counts);
}

}  // namespace skiff
