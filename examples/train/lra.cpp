#include "examples/train/lra.h"

#include <cmath>

#include "autograd/ops.h"
#include "data/split.h"
#include "data/tasks.h"
#include "examples/train/open_run.h"

namespace skiff {

void LraRun::prepare_data() {
  const auto& [model, data, train, pretrain, run] = options_;
  const auto note = [&](const std::string& text) {
    data_.note += (data_.note.empty() ? "" : "; ") + text;
  };
  const auto limited = [](int64_t left, int64_t all) {
    return std::to_string(left) + " of " + std::to_string(all) + " examples";
  };
  const int64_t labelled = int64_t(data_.train.size());
  if (const int64_t few = pretrain.train_examples; few > 0 && few < labelled) {
    data_.train = balanced_subset(data_.train, few, train.seed);
    note("trained on " + limited(few, labelled));
  }
  const int64_t all = all_test_examples_ = int64_t(data_.test.size());
  if (train.test_limit > 0) data_.test = evenly_spread(data_.test, train.test_limit);
  if (const int64_t left = int64_t(data_.test.size()); left < all)
    note("tested on " + limited(left, all));
}

ModelCard LraRun::card() const {
  return {options_.model, input_shape(data_, options_.data.max_length), options_.data.task,
          data_.vocabulary};
}

// ---- the objective of the trainer ----

Forward LraRun::forward(Range examples) {
  const Batch part = part_of(batch_, examples);
  const Variable logits = (*model_)(part.input.to(device_), part.lengths.to(device_));
  const std::vector<int64_t> predicted = predicted_classes(logits.value());
  int64_t correct = 0;
  for (size_t b = 0; b < predicted.size(); ++b)
    correct += predicted[b] == part.labels.data<int32_t>()[b];
  return {cross_entropy(logits, part.labels.to(device_), options_.train.label_smoothing),
          part.size(), correct, part.size()};
}

std::optional<Evaluation> LraRun::evaluate_on(const std::vector<Example>& examples,
                                              const std::string& doing) {
  return evaluate(*model_, data_, examples, options_.train.batch_size, device_,
                  showing(doing, int64_t(examples.size())), options_.train.shards);
}

std::optional<Scores> LraRun::validate() {
  const std::optional<Evaluation> e = evaluate_on(watched(), "validating");
  if (!e) return std::nullopt;
  return Scores{e->loss, e->accuracy(), e->remark()};
}

double LraRun::validations_after_training() const {
  const double tests = test_is_validation() ? 0 : only_best_test_ ? 1 : 2;  // best and last weights
  return tests * double(data_.test.size()) / double(watched().size());
}

// ---- the result ----

// Then the scores of validation are those of the test, and nothing has to be computed twice.
bool LraRun::test_is_validation() const {
  return data_.val_is_test && options_.train.average == 0 && watched().size() == data_.val.size() &&
         int64_t(data_.test.size()) == all_test_examples_;
}

// The last checkpoint is saved by now: a signal stops at once, and --resume comes back here.
Scores LraRun::test(const std::string& weights, int64_t step) {
  const MetricsRow& row = row_of(step);  // lost, if metrics.csv was damaged
  if (test_is_validation() && !std::isnan(row.val_loss))
    return {row.val_loss, row.val_accuracy, ""};
  const std::optional<Evaluation> e =
      evaluate_on(data_.test, "testing the " + weights + " weights");
  if (!e) trainer_->stopped();
  groups_ = group_scores(task_named(options_.data.task), *e);
  return {e->loss, e->accuracy(), e->remark()};
}

Result LraRun::result_at_end() {
  const Progress end = trainer_->at();
  Result r = facts();
  Scores last{NAN, NAN, ""}, best{NAN, NAN, ""};
  if (trainer_->validates()) {
    const bool last_is_best = trainer_->best_is_last();
    if (last_is_best || !only_best_test_) best = last = test("last", end.step);
    if (!last_is_best) {
      trainer_->load_weights("best.safetensors");
      best = test("best", end.best_step);
    }
    if (!best.remark.empty()) display_->note("note: test: " + best.remark);
  }
  if (r.evaluated) r.best_val = end.best_score;
  r.groups = task_named(options_.data.task).groups;
  r.group_scores = groups_;  // of the best weights, which are tested last
  r.best_test = best.accuracy;
  r.last_test = last.accuracy;
  r.best_test_loss = best.loss;
  r.last_test_loss = last.loss;
  r.majority_val = majority_rate(watched());
  r.majority_test = majority_rate(data_.test);
  r.test_examples = r.evaluated ? int64_t(data_.test.size()) : 0;
  r.all_test_examples = all_test_examples_;
  return r;
}

}  // namespace skiff
