// The gradients of a batch, shard by shard (optim/shards.h).
#pragma once

#include <functional>

#include "examples/train/objective.h"
#include "layers/parameters.h"
#include "optim/shards.h"

namespace skiff {

class BatchGradients {
 public:
  // Keeps references. UsageError unless there are 1 to batch_size shards. sync_norm: batch norm
  // takes the statistics of all shards, which then advance together (in_turn.h).
  BatchGradients(Objective& objective, Parameters& parameters, int64_t batch_size, int64_t shards,
                 bool sync_norm = false);

  struct Totals {
    double loss = 0;
    int64_t correct = 0, seen = 0;
  };
  // Of the objective's last batch. Leaves the gradients in the parameters and moves the running
  // statistics of batch norm. If the loss is not finite, the gradients are not complete.
  Totals compute();
  // Repeats what compute() did with every result checked: NumericalError names the first bad one.
  void find_non_finite();

 private:
  // Of a shard. before_backward, if given, gets what forward found.
  Totals pass(int64_t shard, bool check_finite,
              const std::function<void(const Totals&)>& before_backward = {});
  Totals compute_alone();
  Totals compute_in_turn();
  void add_gradients(TreeSum& sum, int64_t shard);
  void set_total(const TreeSum& sum);
  int64_t examples() const {  // of the last batch
    return objective_.examples() > 0 ? objective_.examples() : batch_size_;
  }

  Objective& objective_;
  Parameters& parameters_;
  int64_t batch_size_, shards_;
  bool in_turn_;
};

}  // namespace skiff
