// A run of train_lra that learns the inputs of a task, without labels (data/pretraining.h). Its
// trunk is that of the classifier with the same options, which --init then starts from (init.h).
#pragma once

#include <optional>

#include "data/pretraining.h"
#include "examples/train/task_run.h"

namespace skiff {

// The mean over the targets of the examples, masked as in epoch 0. `progress` is called after each
// batch with the number of examples done; when it returns false, nothing is returned. shards: as in
// evaluation.h.
std::optional<Scores> evaluate(const PositionModel& model, const InputFormat& format,
                               const PretrainRule& rule, const std::vector<Example>& examples,
                               int64_t batch_size, Device device,
                               const std::function<bool(int64_t)>& progress, int64_t shards = 1);

class PretrainRun : public TaskRun {
 public:
  explicit PretrainRun(const CommandLine& command);

 private:
  void prepare_data() override;
  ModelCard card() const override;
  void build_model() override { model_.emplace(parameters_->root(), card_.options, card_.shape); }
  Result result_at_end() override;

  void next_batch() override;
  Forward forward(Range examples) override;
  int64_t terms() const override { return batch_.places.size(); }
  int64_t tokens() const override { return batch_.positions(); }
  std::optional<Scores> validate() override;
  double validations_after_training() const override { return 0; }
  std::string title() const override;
  Baseline baseline() const override {
    return {"one answer for all positions", constant_.accuracy, constant_.loss};
  }

  PretrainRule rule_;
  ConstantAnswer constant_;  // on what is watched of the validation split
  std::optional<PositionModel> model_;
  PretrainBatch batch_;
};

}  // namespace skiff
