#include "examples/train/options.h"

#include <algorithm>
#include <sstream>

#include "core/check.h"
#include "data/tasks.h"
#include "examples/train/recipes.h"
#include "examples/train/without_effect.h"
#include "layers/mixers.h"

namespace skiff {

bool is_several(const std::string& task) {
  return task == "all" || task.find(',') != std::string::npos;
}

std::vector<std::string> several_tasks(const std::string& text) {
  if (text == "all") return names_of(tasks());
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string name; std::getline(parts, name, ',');) {
    task_named(name);  // an unknown task gets its own message
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

int run_with_options(int argc, char** argv, Flags& flags,
                     const std::function<int(CommandLine&)>& body) {
  const auto of_recipe = [](const Options& chosen) {
    const std::string& task = chosen.data.task;
    // Each of several tasks takes its own recipe later, and one without it is left out; the numbers
    // of the first one only fill --help.
    std::string first = task;
    if (is_several(task)) {
      const std::vector<std::string> all = several_tasks(task);
      const auto with_recipe = std::ranges::find_if(all, [&](const std::string& one) {
        return std::ranges::any_of(recipes(), [&](const Recipe& r) {
          return r.task() == one && r.name() == chosen.train.recipe;
        });
      });
      first = with_recipe == all.end() ? all.front() : *with_recipe;
    }
    Options o = recipe_named(chosen.train.recipe, first).options;
    o.data.task = task;
    return o;
  };
  return run_command<Options>(argc, argv, flags, "train_lra", {{"task", "recipe"}, of_recipe},
                              body);
}

std::vector<std::string> options_without_effect(const CommandLine& c) {
  WithoutEffect without(c.given);
  const auto& [model, data, train, pretrain, run] = c.options;
  if (is_several(data.task)) return {};
  const Task& chosen = task_named(data.task);
  const TaskShape& shape = chosen.shape;
  const bool images = shape.height > 0;
  // By the first protocol an image is a sequence of pixels (data/README.md).
  const bool rows = images && data.protocol == Protocol::S4;
  const std::string task = "with --task " + data.task, mixer = "with --mixer " + model.mixer;
  const std::string one_size = task + ": its images have one size";
  for (const std::string& name : field_names(data))
    if (name != "task" && name != "data" && !contains(chosen.reads, name))
      without.unless(false, name == "max-length" ? one_size : task, {name});
  without.unless(!images, one_size, {"mask-padding", "bucket"});
  without.unless(images, task + ": it has no images", {"layout"});
  without.unless(!images || rows, "with --protocol gr", {"layout"});
  without.unless(data.protocol == Protocol::S4, "with --protocol gr", {"bytes"});
  without.unless(!rows || mixer_named(model.mixer).reads_images(),
                 mixer + ": it reads an image as one sequence", {"layout"});
  const bool lra = model.mixer == "tno" && model.tno.network == TnoNetwork::Lra;
  const bool warp = model.mixer == "ski" && model.ski.warp == Warp::Auto;
  for (const std::string& name : unread_options(model)) {
    const bool decay = model.mixer == "tno" && name == "gamma";
    const std::string reason = lra && name == "rpe-layers" ? "with --tno-rpe lra"
                               : warp && name == "gamma"   ? "with --warp auto"
                               : decay ? "with --tno-decay " + value_text(model.tno.decay)
                                       : mixer;
    without.unless(false, reason, {name});
  }
  without.of_training(train, model);
  without.unless(train.batch_tokens == 0, "beside --batch-tokens", {"bucket"});
  without.unless(!train.init.empty(), "without --init", {"init-moments"});
  const bool masked = pretrain.objective == Pretrain::Masked;
  const std::string objective = "with --pretrain " + value_text(pretrain.objective);
  without.unless(masked, objective, {"mask-share"});
  without.unless(!pretrains(c.options), objective + ": no label is read",
                 {"train-examples", "readout", "test-limit", "label-smoothing"});
  check<UsageError>(pretrain.objective != Pretrain::Causal || model.kernel.causal,
                    "--pretrain causal: needs --causal: without it every position sees the ones "
                    "after it, which it has to predict");
  if (model.mixer == "ski" && contains(c.given, "inducing-points")) {
    const int64_t positions = !images ? data.max_length
                              : !rows || model.layout == Layout::Sequence
                                  ? shape.height * shape.width
                                  : std::max(shape.height, shape.width);
    check<UsageError>(model.ski.inducing_points <= positions, "--inducing-points: at most ",
                      positions, " inducing points fit the ", positions,
                      " positions of a sequence, got ", model.ski.inducing_points);
  }
  return without.notes();
}

}  // namespace skiff
