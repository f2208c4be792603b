#include "examples/train/options.h"

#include <algorithm>
#include <sstream>

#include "core/check.h"
#include "data/tasks.h"
#include "examples/train/recipes.h"
#include "layers/mixers.h"

namespace skiff {

bool is_several(const std::string& task) {
  return task == "all" || task.find(',') != std::string::npos;
}

std::vector<std::string> several_tasks(const std::string& text) {
  if (text == "all") return names_of(tasks());
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string name; std::getline(parts, name, ',');) names.push_back(task_named(name).name);
  return names;
}

int run_with_options(int argc, char** argv, Flags& flags,
                     const std::function<int(CommandLine&)>& body) {
  const auto of_recipe = [](const Options& chosen) {
    const std::string& task = chosen.data.task;
    // Each of several tasks takes its own recipe later; the first one's numbers only fill --help.
    Options o =
        recipe_named(chosen.train.recipe, is_several(task) ? several_tasks(task).front() : task)
            .options;
    o.data.task = task;
    return o;
  };
  return run_command<Options>(argc, argv, flags, "train_lra", {{"task", "recipe"}, of_recipe},
                              body);
}

std::vector<std::string> options_without_effect(const CommandLine& c) {
  std::vector<std::string> notes;
  const auto needs = [&](bool holds, const std::string& reason,
                         const std::vector<const char*>& names) {
    if (holds) return;
    for (const std::string name : names)
      if (contains(c.given, name)) notes.push_back("--" + name + " has no effect " + reason);
  };
  const auto& [model, data, train, pretrain, run] = c.options;
  if (is_several(data.task)) return notes;
  const Task& chosen = task_named(data.task);
  const TaskShape& shape = chosen.shape;
  const bool images = shape.height > 0;
  const std::string task = "with --task " + data.task, mixer = "with --mixer " + model.mixer;
  const std::string one_size = task + ": its images have one size";
  for (const std::string& name : field_names(data))
    if (name != "task" && name != "data" && !contains(chosen.reads, name))
      needs(false, name == "max-length" ? one_size : task, {name.c_str()});
  needs(!images, one_size, {"mask-padding", "bucket"});
  needs(images, task + ": it has no images", {"layout"});
  needs(!images || mixer_named(model.mixer).reads_images(),
        mixer + ": it reads an image as one sequence", {"layout"});
  const bool lra = model.mixer == "tno" && model.tno.network == TnoNetwork::Lra;
  const bool warp = model.mixer == "ski" && model.ski.warp == Warp::Auto;
  for (const std::string& name : unread_options(model)) {
    const bool decay = model.mixer == "tno" && name == "gamma";
    const std::string reason = lra && name == "rpe-layers" ? "with --tno-rpe lra"
                               : warp && name == "gamma"   ? "with --warp auto"
                               : decay ? "with --tno-decay " + value_text(model.tno.decay)
                                       : mixer;
    needs(false, reason, {name.c_str()});
  }
  needs(train.steps == 0, "beside --steps", {contains(c.given, "steps") ? "epochs" : ""});
  needs(train.schedule != ScheduleKind::Constant && train.schedule != ScheduleKind::InverseSqrt,
        "with --schedule " + value_text(train.schedule), {"horizon"});
  needs(train.optimizer != OptimizerKind::Sgd, "with --optimizer sgd", {"beta2", "decaying"});
  const bool kernels = model.mixer != "attention" && model.mixer != "none";
  needs(kernels, mixer + ": it has no kernels", {"kernel-lr"});
  needs(train.shards > 1, "with --shards 1", {"sync-norm"});
  needs(model.norm == NormKind::Batch, "with --norm " + value_text(model.norm), {"sync-norm"});
  needs(train.batch_tokens == 0, "beside --batch-tokens", {"bucket"});
  needs(!train.init.empty(), "without --init", {"init-moments"});
  const bool masked = pretrain.objective == Pretrain::Masked;
  const std::string objective = "with --pretrain " + value_text(pretrain.objective);
  needs(masked, objective, {"mask-share"});
  needs(!pretrains(c.options), objective + ": no label is read",
        {"train-examples", "readout", "test-limit", "label-smoothing"});
  check<UsageError>(pretrain.objective != Pretrain::Causal || model.kernel.causal,
                    "--pretrain causal: needs --causal: without it every position sees the ones "
                    "after it, which it has to predict");
  if (model.mixer == "ski" && contains(c.given, "inducing-points")) {
    const int64_t positions = !images ? data.max_length
                              : model.layout == Layout::Sequence
                                  ? shape.height * shape.width
                                  : std::max(shape.height, shape.width);
    check<UsageError>(model.ski.inducing_points <= positions, "--inducing-points: at most ",
                      positions, " inducing points fit the ", positions,
                      " positions of a sequence, got ", model.ski.inducing_points);
  }
  return notes;
}

}  // namespace skiff
