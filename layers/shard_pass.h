// What layers know of the shard of a batch that they compute, and what they leave for the end of
// the step.
#pragma once

#include <vector>

#include "autograd/ops/detail/dropout_mask.h"
#include "autograd/ops/norm.h"
#include "core/range.h"
#include "core/tensor.h"
#include "layers/parameters.h"

namespace skiff {

// While it lives, the model of these parameters computes some examples of a batch. Where these are
// the whole batch, it changes nothing.
struct ShardPass {
  ShardPass(Parameters& parameters, Range examples, int64_t batch_size);
  ~ShardPass();
  ShardPass(const ShardPass&) = delete;
  ShardPass& operator=(const ShardPass&) = delete;

  BatchRows rows;  // for the masks of dropout

  // If set, batch norm normalises with the statistics of all shards; else with those of this one.
  SumOverShards sum_over_shards;

  // Of every batch norm, in the order in which they ran: what it will move, mean and variance by
  // turns; and the N, mean (D) and biased variance (D) that it found, one after the other.
  std::vector<Tensor> running;
  std::vector<double> found;

 private:
  Parameters& parameters_;
};

// Moves the running statistics once, towards those of the whole batch. With N[s], m[s] and v[s] of
// shard s, all of them in order,
//
//   N = sum N[s],   m = sum N[s] m[s] / N,   v = sum N[s] (v[s] + (m[s] - m)^2) / N,
//
// and v N / (N - 1) without bias. It is not the mean of what each shard would have moved: that
// would leave out that the means of the shards differ. (Shard after shard, each moving them, would
// count the last one most.)
void move_running_statistics(const std::vector<Tensor>& running,
                             const std::vector<std::vector<double>>& found);

}  // namespace skiff
