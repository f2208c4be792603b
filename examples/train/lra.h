// One run of train_lra: a classifier on a task of the Long Range Arena.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "examples/train/evaluation.h"
#include "examples/train/options.h"
#include "examples/train/result.h"
#include "examples/train/trainer.h"
#include "layers/model_file.h"

namespace skiff {

class LraRun : private Objective {
 public:
  // Takes the run folder. only_best_test: measures only what a table of many runs shows, not the
  // accuracies of the last weights; large test sets make them slow.
  explicit LraRun(const CommandLine& command, bool only_best_test = false);

  // The result, or nothing when the run was stopped before its end.
  std::optional<Result> operator()();
  // What could not be written though the run went on; empty: nothing.
  std::string write_error() const { return trainer_ ? trainer_->write_error() : ""; }

 private:
  void next_batch() override { batch_ = batches_->next(); }
  Forward forward() override;
  int64_t tokens() const override { return batch_.input.size(); }
  int64_t position() const override { return batches_->position(); }
  void set_position(int64_t position) override { batches_->set_position(position); }
  int64_t batches_per_epoch() const override { return batches_->batches_per_epoch(); }
  std::optional<Scores> validate() override;
  double validations_after_training() const override;
  std::map<std::string, std::string> metadata() const override;
  void check_resumable(const safetensors::File& checkpoint) const override;
  std::string title() const override;
  double baseline_accuracy() const override { return majority_rate(data_.val); }
  void write_result() override;

  bool has_result();
  void load_data();
  void build(Display& display);
  void describe() const;
  const std::vector<Example>& watched() const { return watched_.empty() ? data_.val : watched_; }
  bool test_is_validation() const;
  std::optional<Evaluation> evaluate_on(const std::vector<Example>& examples,
                                        const std::string& doing);
  Scores test(const std::string& weights, int64_t step);
  void finish();
  const MetricsRow& row_of(int64_t step) const;

  Options options_;
  SessionOptions session_;
  bool only_best_test_;
  RunFolder folder_;
  std::string device_note_;  // why the CPU is used
  Device device_;
  FolderUse use_;
  TaskData data_;
  std::vector<Example> watched_;       // what --eval-limit leaves of validation; empty: all
  int64_t all_test_examples_ = 0;      // before --test-limit
  std::string train_data_, val_data_;  // fingerprints
  std::optional<Parameters> parameters_;
  ModelCard card_;
  std::optional<Model> model_;
  std::optional<Batches> batches_;
  Batch batch_;
  Display* display_ = nullptr;
  std::optional<Trainer> trainer_;
  PeakMemory peak_before_;  // before this program resumed the run
  std::optional<Result> result_;
};

}  // namespace skiff
