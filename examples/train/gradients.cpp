#include "examples/train/gradients.h"

#include <cmath>
#include <utility>
#include <vector>

#include "layers/shard_pass.h"
#include "optim/shards.h"

namespace skiff {

BatchGradients::BatchGradients(Objective& objective, Parameters& parameters, int64_t batch_size,
                               int64_t shards)
    : objective_(objective), parameters_(parameters), batch_size_(batch_size), shards_(shards) {
  check<UsageError>(shards >= 1 && shards <= batch_size, "--shards: must be from 1 to the ",
                    batch_size, " of --batch-size, got ", shards);
}

// The loss of a batch is a mean over terms: examples, or positions that are targets. With T[s] of T
// terms in shard s, and l[s] the mean over its own, it is the sum of T[s]/T l[s].
BatchGradients::Totals BatchGradients::pass(Range examples, bool check_finite) {
  parameters_.zero_grad();
  Tape tape;
  if (check_finite) tape.check_finite();
  const Forward forward = objective_.forward(examples);
  const Variable& mean = forward.loss;
  const double share = double(forward.terms) / double(objective_.terms());
  const double loss = share * item(mean);
  if (std::isfinite(loss))
    tape.backward(mean, full(mean.shape(), share, mean.dtype(), mean.device()));
  return {loss, forward.correct, forward.seen};
}

BatchGradients::Totals BatchGradients::compute() {
  TreeSum sum(shards_);
  std::vector<Tensor> running;
  std::vector<std::vector<double>> found;
  Totals all;
  for (int64_t s = 0; s < shards_; ++s) {
    const Range examples = examples_of(s, shards_, batch_size_);
    ShardPass shard(parameters_, examples, batch_size_);
    const Totals part = pass(examples, /*check_finite=*/false);
    all.loss += part.loss;
    all.correct += part.correct;
    all.seen += part.seen;
    if (!std::isfinite(all.loss)) return all;
    if (shards_ > 1) measured("sum of shards", [&] { sum.add(s, flat_gradients(parameters_)); });
    running = std::move(shard.running);
    found.push_back(std::move(shard.found));
  }
  if (shards_ > 1) set_flat_gradients(parameters_, sum.total());
  move_running_statistics(running, found);
  return all;
}

void BatchGradients::find_non_finite() {
  for (int64_t s = 0; s < shards_; ++s) {
    const Range examples = examples_of(s, shards_, batch_size_);
    ShardPass shard(parameters_, examples, batch_size_);
    pass(examples, /*check_finite=*/true);
  }
}

}  // namespace skiff
