// A run of train_lra that learns labels: a classifier.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/train/evaluation.h"
#include "examples/train/task_run.h"

namespace skiff {

class LraRun : public TaskRun {
 public:
  // only_best_test: measures only what a table of many runs shows, not the accuracies of the last
  // weights; large test sets make them slow.
  explicit LraRun(const CommandLine& command, bool only_best_test = false)
      : TaskRun(command), only_best_test_(only_best_test) {}

 private:
  void prepare_data() override;
  ModelCard card() const override;
  void build_model() override { model_.emplace(parameters_->root(), card_.options, card_.shape); }
  Result result_at_end() override;
  bool only_best_test() const override { return only_best_test_; }

  void next_batch() override { batch_ = batches_->next(); }
  Forward forward(Range examples) override;
  int64_t terms() const override { return batch_.size(); }
  int64_t tokens() const override { return batch_.input.size(); }
  std::optional<Scores> validate() override;
  double validations_after_training() const override;
  Baseline baseline() const override { return {.accuracy = majority_rate(watched())}; }

  bool test_is_validation() const;
  std::optional<Evaluation> evaluate_on(const std::vector<Example>& examples,
                                        const std::string& doing);
  Scores test(const std::string& weights, int64_t step);
  std::vector<GroupScore> groups_;  // of the last test

  bool only_best_test_;
  int64_t all_test_examples_ = 0;  // before --test-limit
  std::optional<Model> model_;
  Batch batch_;
};

}  // namespace skiff
