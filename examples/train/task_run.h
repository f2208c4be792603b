// One run of train_lra on a task of the Long Range Arena, whatever it learns there: labels (lra.h)
// or the inputs themselves (pretrain.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "examples/train/options.h"
#include "examples/train/result.h"
#include "examples/train/trainer.h"
#include "layers/model_file.h"

namespace skiff {

class TaskRun : protected Objective {
 public:
  // Takes the run folder.
  explicit TaskRun(const CommandLine& command);

  // The result, or nothing when the run was stopped before its end.
  std::optional<Result> operator()();
  // What could not be written though the run went on; empty: nothing.
  std::string write_error() const { return trainer_ ? trainer_->write_error() : ""; }

 protected:
  // What a kind of run does in its own way, beside the objective of the trainer.
  virtual void prepare_data() {}  // once it is read
  virtual ModelCard card() const = 0;
  virtual void build_model() = 0;      // in parameters_, of card_
  virtual Result result_at_end() = 0;  // after the last step
  // A result that leaves out what only one run alone needs: of many runs in one table.
  virtual bool only_best_test() const { return false; }

  int64_t position() const override { return batches_->position(); }
  void set_position(int64_t position) override { batches_->set_position(position); }
  int64_t examples() const override { return batches_->last_size(); }
  int64_t batches_per_epoch() const override { return batches_->batches_per_epoch(); }
  std::map<std::string, std::string> metadata() const override;
  void check_resumable(const safetensors::File& checkpoint) const override;
  std::string title() const override { return options_.data.task + ", " + options_.model.mixer; }
  void write_result() override;

  const std::vector<Example>& watched() const { return watched_.empty() ? data_.val : watched_; }
  // Shows how far an evaluation is; returns what it calls with the number of examples done, which
  // is false after a signal. The model is not in training mode then.
  std::function<bool(int64_t)> showing(const std::string& doing, int64_t examples);
  const MetricsRow& row_of(int64_t step) const;
  // What is known without tests at the end, and before they load other weights.
  Result facts() const;

  Options options_;
  SessionOptions session_;
  RunFolder folder_;
  std::string device_note_;  // why the CPU is used
  Device device_;
  TaskData data_;
  std::optional<Parameters> parameters_;
  ModelCard card_;
  std::optional<Batches> batches_;
  Display* display_ = nullptr;
  std::optional<Trainer> trainer_;

 private:
  bool has_result();
  void load_data();
  void keep_lengths();
  void build();
  void describe() const;

  FolderUse use_;
  bool other_data_ = false;            // --data names another place than the run began with
  std::vector<Example> watched_;       // what --eval-limit leaves of validation; empty: all
  bool chosen_on_test_ = false;        // validation is the test split, or examples of it
  std::string train_data_, val_data_;  // fingerprints
  PeakMemory peak_before_;             // before this program resumed the run
  std::optional<Result> result_;
};

// The run that the options ask for.
std::unique_ptr<TaskRun> make_task_run(const CommandLine& command);

}  // namespace skiff
