// The shards of this process, one after the other from norm to norm: what --sync-norm needs.
//
// Batch norm with the statistics of the whole batch takes sums over all shards, forward and
// backward. So no shard gets beyond a norm before all have reached it, those of other processes
// included. Each shard of this process runs in a coroutine. It computes until it needs such sums,
// hands in its own and pauses. When the last one has done so, the sums are added along the tree of
// the shards (optim/shards.h), across processes as well (optim/exchange.h), and each shard goes on
// with the total, again one after the other:
//
//   shard 0   to norm 1 |           |       | to norm 2 |           |       | ..
//   shard 1             | to norm 1 |       |           | to norm 2 |       |
//   all                             | total                         | total
//
// One shard runs at a time, always in this order, so that no result depends on how threads are
// scheduled. The model knows nothing of this: what it finds in the parameters, gradients and
// ShardPass, is exchanged whenever the turn passes on.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "examples/train/coroutine.h"
#include "layers/shard_pass.h"

namespace skiff {

class ShardsInTurn {
 public:
  // What computes a shard; it may pause at a place of its own, too, such as the loss.
  using Compute = std::function<void(int64_t shard, const std::function<void()>& pause)>;

  // What happens when a shard throws an error. End: this process throws it. Tell: all processes
  // stop here, so that none waits for sums in vain; that costs a message per norm.
  enum class OnError { End, Tell };

  // Of a batch of so many examples. Runs nothing yet.
  ShardsInTurn(Parameters& parameters, int64_t examples, int64_t shards, const Compute& compute,
               OnError on_error = OnError::End);

  // Runs every shard to the next pause of its own, or to its end; all have as many. The gradients
  // of the last one that has ended stay in the parameters. False after an error of another process.
  bool go_on();

  // Of any shard: all have found the same statistics.
  const ShardPass& pass() const { return turns_.front()->pass; }

 private:
  struct Turn {
    ShardPass pass;
    std::vector<Tensor> gradients = {};  // while another shard runs
    Tensor sums = {};                    // its own until all have handed in theirs, then the total
    std::unique_ptr<Coroutine> coroutine = {};
  };
  bool run_round();
  void add_sums();

  Parameters& parameters_;
  int64_t shards_;
  OnError on_error_;
  std::vector<std::unique_ptr<Turn>> turns_;
};

}  // namespace skiff
