#include "examples/train/gradients.h"

#include <cmath>
#include <utility>
#include <vector>

#include "core/processes.h"
#include "examples/train/signals.h"
#include "layers/shard_pass.h"
#include "optim/exchange.h"

namespace skiff {

BatchGradients::BatchGradients(Objective& objective, Parameters& parameters, int64_t batch_size,
                               int64_t shards)
    : objective_(objective), parameters_(parameters), batch_size_(batch_size), shards_(shards) {
  check<UsageError>(processes().size() <= shards, processes().size(), " processes for ", shards,
                    " shards; start at most ", shards);
  check<UsageError>(shards >= 1 && shards <= batch_size, "--shards: must be from 1 to the ",
                    batch_size, " of --batch-size, got ", shards);
}

// The loss of a batch is a mean over terms: examples, or positions that are targets. With T[s] of T
// terms in shard s, and l[s] the mean over its own, it is the sum of T[s]/T l[s].
BatchGradients::Totals BatchGradients::pass(Range examples, bool check_finite) {
  check<DataError>(objective_.terms() > 0,
                   "a batch has nothing to predict; a larger --batch-size or share of masked "
                   "positions gives it something");
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

namespace {

// What all processes know of a shard before they exchange gradients.
struct ShardRecord {
  double loss = NAN;
  int64_t correct = 0, seen = 0;
  int64_t stop = 0;  // a signal that its process has received
};

// The statistics of batch norm of all shards, from those of this process.
std::vector<std::vector<double>> of_all_shards(const std::vector<double>& own, int64_t shards) {
  Processes& all = processes();
  const int64_t each = int64_t(own.size()) / shards_of(all.rank(), all.size(), shards).size();
  std::vector<int64_t> counts;
  for (int p = 0; p < all.size(); ++p)
    counts.push_back(each * shards_of(p, all.size(), shards).size());
  const std::vector<double> found = gather_records(all, std::span<const double>(own), counts);
  std::vector<std::vector<double>> by_shard;
  for (int64_t s = 0; s < shards; ++s)
    by_shard.emplace_back(found.begin() + s * each, found.begin() + (s + 1) * each);
  return by_shard;
}

}  // namespace

BatchGradients::Totals BatchGradients::compute() {
  Processes& all = processes();
  const Range own = shards_of(all.rank(), all.size(), shards_);
  TreeSum sum(shards_);
  std::vector<Tensor> running;
  std::vector<double> found;
  std::vector<ShardRecord> records;
  for (int64_t s = own.first; s < own.end; ++s) {
    const Range own_part = examples_of(s, shards_, examples());
    ShardPass shard(parameters_, own_part, examples());
    const Totals part = pass(own_part, /*check_finite=*/false);
    records.push_back({part.loss, part.correct, part.seen});
    if (!std::isfinite(part.loss)) break;
    if (shards_ > 1) measured("sum of shards", [&] { sum.add(s, flat_gradients(parameters_)); });
    running = std::move(shard.running);
    found.insert(found.end(), shard.found.begin(), shard.found.end());
  }
  records.resize(size_t(own.size()));
  for (ShardRecord& record : records) record.stop = noted_signal();
  const auto gathered = [&] { return gather_shards<ShardRecord>(all, records, shards_); };
  Totals totals;
  for (const ShardRecord& record : all.size() > 1 ? measured("waiting", gathered) : gathered()) {
    totals.loss += record.loss;
    totals.correct += record.correct;
    totals.seen += record.seen;
    if (record.stop != 0) stop_signal = std::sig_atomic_t(record.stop);
  }
  if (!std::isfinite(totals.loss)) return totals;
  if (shards_ > 1)
    set_flat_gradients(parameters_,
                       measured("exchange", [&] { return Exchange(all, shards_)(sum); }));
  move_running_statistics(running, of_all_shards(found, shards_));
  return totals;
}

void BatchGradients::find_non_finite() {
  const Range own = shards_of(processes().rank(), processes().size(), shards_);
  for (int64_t s = own.first; s < own.end; ++s) {
    const Range own_part = examples_of(s, shards_, examples());
    ShardPass shard(parameters_, own_part, examples());
    pass(own_part, /*check_finite=*/true);
  }
}

}  // namespace skiff
