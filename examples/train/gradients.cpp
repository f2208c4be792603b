#include "examples/train/gradients.h"

#include <cmath>
#include <utility>
#include <vector>

#include "core/processes.h"
#include "examples/program/signals.h"
#include "examples/train/in_turn.h"
#include "layers/shard_pass.h"
#include "optim/exchange.h"

namespace skiff {

BatchGradients::BatchGradients(Objective& objective, Parameters& parameters, int64_t batch_size,
                               int64_t shards, bool sync_norm)
    : objective_(objective),
      parameters_(parameters),
      batch_size_(batch_size),
      shards_(shards),
      in_turn_(sync_norm && shards > 1) {
  check<UsageError>(processes().size() <= shards, processes().size(), " processes for ", shards,
                    " shards; start at most ", shards);
  check<UsageError>(shards >= 1 && shards <= batch_size, "--shards: must be from 1 to the ",
                    batch_size, " of --batch-size, got ", shards);
}

// The loss of a batch is a mean over terms: examples, or positions that are targets. With T[s] of T
// terms in shard s, and l[s] the mean over its own, it is the sum of T[s]/T l[s].
BatchGradients::Totals BatchGradients::pass(
    int64_t shard, bool check_finite, const std::function<void(const Totals&)>& before_backward) {
  check<DataError>(objective_.terms() > 0,
                   "a batch has nothing to predict; a larger --batch-size or share of masked "
                   "positions gives it something");
  parameters_.zero_grad();
  Tape tape;
  if (check_finite) tape.check_finite();
  const Forward forward = objective_.forward(examples_of(shard, shards_, examples()));
  const Variable& mean = forward.loss;
  const double share = double(forward.terms) / double(objective_.terms());
  const Totals found{share * item(mean), forward.correct, forward.seen};
  if (before_backward) before_backward(found);
  if (std::isfinite(found.loss))
    tape.backward(mean, full(mean.shape(), share, mean.dtype(), mean.device()));
  return found;
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

// Of all shards, from those of this process in order; a shard left out has a loss that is NaN. Sets
// stop_signal if a process has received one.
BatchGradients::Totals sum_of_all(const std::vector<BatchGradients::Totals>& own, int64_t shards) {
  Processes& all = processes();
  std::vector<ShardRecord> records;
  for (const BatchGradients::Totals& t : own) records.push_back({t.loss, t.correct, t.seen});
  records.resize(size_t(shards_of(all.rank(), all.size(), shards).size()));
  for (ShardRecord& record : records) record.stop = noted_signal();
  const auto gathered = [&] { return gather_shards<ShardRecord>(all, records, shards); };
  BatchGradients::Totals totals;
  for (const ShardRecord& record : all.size() > 1 ? measured("waiting", gathered) : gathered()) {
    totals.loss += record.loss;
    totals.correct += record.correct;
    totals.seen += record.seen;
    if (record.stop != 0) stop_signal = int(record.stop);
  }
  return totals;
}

}  // namespace

BatchGradients::Totals BatchGradients::compute() {
  return in_turn_ ? compute_in_turn() : compute_alone();
}

// Each shard from its forward to the end of its backward, before the next one begins.
BatchGradients::Totals BatchGradients::compute_alone() {
  const Range own = shards_of(processes().rank(), processes().size(), shards_);
  TreeSum sum(shards_);
  std::vector<Tensor> running;
  std::vector<double> found;
  std::vector<Totals> parts;
  for (int64_t s = own.first; s < own.end; ++s) {
    ShardPass shard(parameters_, examples_of(s, shards_, examples()), examples());
    parts.push_back(pass(s, /*check_finite=*/false));
    if (!std::isfinite(parts.back().loss)) break;
    if (shards_ > 1) add_gradients(sum, s);
    running = std::move(shard.running);
    found.insert(found.end(), shard.found.begin(), shard.found.end());
  }
  const Totals totals = sum_of_all(parts, shards_);
  if (!std::isfinite(totals.loss)) return totals;
  if (shards_ > 1) set_total(sum);
  move_running_statistics(running, of_all_shards(found, shards_));
  return totals;
}

// All shards to their loss, which every process knows before any begins its backward.
BatchGradients::Totals BatchGradients::compute_in_turn() {
  TreeSum sum(shards_);
  std::vector<Totals> parts;
  ShardsInTurn turns(parameters_, examples(), shards_, [&](int64_t s, const auto& pause) {
    pass(s, /*check_finite=*/false, [&](const Totals& found) {
      parts.push_back(found);
      pause();
    });
    add_gradients(sum, s);
  });
  turns.go_on();
  const Totals totals = sum_of_all(parts, shards_);
  if (!std::isfinite(totals.loss)) return totals;
  turns.go_on();
  set_total(sum);
  move_running_statistics(turns.pass().running, {turns.pass().found});
  return totals;
}

void BatchGradients::add_gradients(TreeSum& sum, int64_t shard) {
  measured("sum of shards", [&] { sum.add(shard, flat_gradients(parameters_)); });
}

void BatchGradients::set_total(const TreeSum& sum) {
  set_flat_gradients(parameters_,
                     measured("exchange", [&] { return Exchange(processes(), shards_)(sum); }));
}

void BatchGradients::find_non_finite() {
  if (in_turn_) {
    ShardsInTurn(
        parameters_, examples(), shards_,
        [&](int64_t s, const auto&) { pass(s, /*check_finite=*/true); },
        ShardsInTurn::OnError::Tell)
        .go_on();
    return;
  }
  const Range own = shards_of(processes().rank(), processes().size(), shards_);
  for (int64_t s = own.first; s < own.end; ++s) {
    ShardPass shard(parameters_, examples_of(s, shards_, examples()), examples());
    pass(s, /*check_finite=*/true);
  }
}

}  // namespace skiff
