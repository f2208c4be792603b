// The gradients of a batch, shard by shard (optim/shards.h).
#pragma once

#include "examples/train/objective.h"
#include "layers/parameters.h"

namespace skiff {

class BatchGradients {
 public:
  // Keeps references. UsageError unless there are 1 to batch_size shards.
  BatchGradients(Objective& objective, Parameters& parameters, int64_t batch_size, int64_t shards);

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
  Totals pass(Range examples, bool check_finite);
  int64_t examples() const {  // of the last batch
    return objective_.examples() > 0 ? objective_.examples() : batch_size_;
  }

  Objective& objective_;
  Parameters& parameters_;
  int64_t batch_size_, shards_;
};

}  // namespace skiff
