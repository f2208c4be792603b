#include "examples/train/pretrain.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "data/tasks.h"
#include "examples/train/divided.h"
#include "examples/train/evaluation.h"
#include "examples/train/open_run.h"

namespace skiff {

namespace {

// mean |decoder(features) - value|
Variable absolute_error(const Variable& predicted, const Tensor& values) {
  return mean(abs(predicted - Variable(values.to(predicted.dtype()))));
}

}  // namespace

std::optional<Scores> evaluate(const PositionModel& model, const InputFormat& format,
                               const PretrainRule& rule, const std::vector<Example>& examples,
                               int64_t batch_size, Device device,
                               const std::function<bool(int64_t)>& progress, int64_t shards) {
  const EvaluationBatches batches(format, &examples, batch_size);
  double loss = 0, correct = 0, targets = 0;
  int64_t done = 0;
  // Of a batch: loss, correct answers, targets, examples.
  const auto compute = [&](int64_t i) {
    const Batch all = batches[i];
    const PretrainBatch whole = pretrain_batch(all, format, rule, /*epoch=*/0);
    const int64_t parts = std::min(shards, all.size());
    std::vector<double> numbers = {0, 0, 0, double(all.size())};
    for (int64_t p = 0; p < parts; ++p) {
      const PretrainBatch batch = part_of(whole, part_of(all.size(), p, parts), format.pairs);
      const double count = double(batch.places.size());
      if (count == 0) continue;
      const Variable answers = model.decoder(model.features(
          batch.input.to(device), batch.lengths.to(device), batch.places.to(device)));
      if (batch.values) {
        numbers[0] += count * item(absolute_error(answers, batch.values.to(device)));
      } else {
        numbers[0] += count * item(cross_entropy(answers, batch.labels.to(device)));
        const std::vector<int64_t> predicted = predicted_classes(answers.value());
        for (size_t t = 0; t < predicted.size(); ++t)
          numbers[1] += double(predicted[t] == batch.labels.data<int32_t>()[t]);
      }
      numbers[2] += count;
    }
    return numbers;
  };
  const auto add = [&](const std::vector<double>& numbers) {
    loss += numbers[0], correct += numbers[1], targets += numbers[2];
    done += int64_t(numbers[3]);
  };
  if (!divided(batches.count(), compute, add, [&] { return progress(done); })) return std::nullopt;
  // The published code chooses by accuracy. Where one answer is right at most positions, as in
  // Pathfinder, many validations in a row have the same accuracy while the loss still falls.
  return Scores{loss / targets, predicts_values(format, rule) ? NAN : correct / targets, "",
                /*by_loss=*/true};
}

PretrainRun::PretrainRun(const CommandLine& command)
    : TaskRun(command),
      rule_{.objective = options_.pretrain.objective,
            .share = options_.pretrain.mask_share,
            .masked_pixel = task_named(options_.data.task).masked_pixel,
            .seed = options_.train.seed} {}

void PretrainRun::prepare_data() {
  constant_ = constant_answer(data_, rule_, data_.train, watched());
}

// The encoder of the classifier reads one token, or one number per position, less.
ModelCard PretrainRun::card() const {
  InputShape shape = input_shape(data_, options_.data.max_length);
  if (rule_.objective == Pretrain::Masked) ++(shape.vocab > 0 ? shape.vocab : shape.features);
  shape.classes = target_classes(data_, rule_);
  return {options_.model, shape, options_.data.task, data_.vocabulary};
}

void PretrainRun::next_batch() {
  const int64_t epoch = 1 + batches_->epoch();  // 0: of validation
  batch_ = pretrain_batch(batches_->next(), data_, rule_, epoch);
}

// The loss is the mean over the targets of the batch. A part has its own share of them, more or
// fewer than its share of the examples.
Forward PretrainRun::forward(Range examples) {
  PretrainBatch part = part_of(batch_, examples, data_.pairs);
  const int64_t targets = part.places.size();
  if (targets == 0) part.add_first_target();  // of weight 0: the model runs, and gradients are 0
  const Variable features =
      model_->features(part.input.to(device_), part.lengths.to(device_), part.places.to(device_));
  const Linear& decoder = model_->decoder;
  if (part.values) return {absolute_error(decoder(features), part.values.to(device_)), targets};
  return {linear_cross_entropy(features, decoder.weight, decoder.bias, part.labels.to(device_)),
          targets};
}

std::optional<Scores> PretrainRun::validate() {
  return evaluate(*model_, data_, rule_, watched(), options_.train.batch_size, device_,
                  showing("validating", int64_t(watched().size())), options_.train.shards);
}

std::string PretrainRun::title() const {
  return TaskRun::title() + ", pretraining " + value_text(rule_.objective);
}

Result PretrainRun::result_at_end() {
  Result r = facts();
  r.pretrain = value_text(rule_.objective);
  if (rule_.objective == Pretrain::Masked) r.mask_share = rule_.share;
  r.constant_val_loss = constant_.loss;
  r.majority_val = constant_.accuracy;
  r.majority_test = NAN;
  return r;
}

}  // namespace skiff
