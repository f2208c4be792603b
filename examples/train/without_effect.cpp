#include "examples/train/without_effect.h"

#include <algorithm>

namespace skiff {

void WithoutEffect::unless(bool holds, const std::string& reason,
                           const std::vector<std::string>& names) {
  if (holds) return;
  for (const std::string& name : names)
    if (std::find(given_.begin(), given_.end(), name) != given_.end())
      notes_.push_back("--" + name + " has no effect " + reason);
}

void WithoutEffect::of_training(const TrainOptions& train, const ModelOptions& model) {
  unless(train.steps == 0, "beside --steps", {"epochs"});
  check<UsageError>(train.schedule != ScheduleKind::CosineUnclamped || train.horizon == 0 ||
                        train.horizon > train.warmup,
                    "--horizon: with --schedule cosine_unclamped it must be above the ",
                    train.warmup, " steps of --warmup, got ", train.horizon);
  unless(train.schedule != ScheduleKind::Constant && train.schedule != ScheduleKind::InverseSqrt,
         "with --schedule " + value_text(train.schedule), {"horizon"});
  unless(train.optimizer != OptimizerKind::Sgd, "with --optimizer sgd",
         {"beta1", "beta2", "eps", "decaying"});
  unless(model.mixer != "attention" && model.mixer != "none",
         "with --mixer " + model.mixer + ": it has no kernels", {"kernel-lr"});
  unless(model.dropout > 0, "without --dropout", {"glu-dropout"});
  unless(train.shards > 1, "with --shards 1", {"sync-norm"});
  unless(model.norm == NormKind::Batch, "with --norm " + value_text(model.norm), {"sync-norm"});
}

}  // namespace skiff
