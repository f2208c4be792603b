#include "examples/report/run_model.h"

#include <algorithm>
#include <filesystem>

#include "data/tasks.h"
#include "examples/train/checkpoint.h"
#include "examples/train/open_run.h"
#include "examples/train/recipes.h"
#include "layers/blocks/gtu.h"
#include "layers/blocks/mixer2d.h"

namespace skiff::report {
namespace {

// The operators of the units that have a kernel; of images, those along rows.
std::vector<SequenceOperator> operators_of(const Model& model, int64_t n) {
  std::vector<SequenceOperator> all;
  const std::vector<Block>& blocks = model.trunk.blocks;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Gtu* unit = dynamic_cast<const Gtu*>(blocks[i].unit.get());
    if (unit == nullptr) continue;
    const Mixer* mixer = unit->mixer.get();
    const Mixer2d* both = dynamic_cast<const Mixer2d*>(mixer);
    if (both != nullptr) mixer = both->rows.get();
    all.push_back({int64_t(i), unit->v_proj.weight.size(0), both != nullptr ? both->width : n,
                   model.options().mixer, [mixer](const Variable& x) { return (*mixer)(x, 1); }});
  }
  return all;
}

RunModel described(const Options& o, const Parameters& parameters, const Model& model) {
  return {.task = o.data.task,
          .mixer = model.options().mixer,
          .recipe = o.train.recipe,
          .seed = o.train.seed,
          .dtype = parameters.dtype(),
          .parameters = parameters.trained_count(),
          .operators = operators_of(model, std::clamp<int64_t>(o.data.max_length, 2, 128))};
}

}  // namespace

RunModel fresh_model(uint64_t seed) {
  Options o;
  o = recipe_named(o.train.recipe, o.data.task).options;
  o.train.seed = seed;
  const auto& [vocab, features, classes, max_length, height, width, pairs] =
      task_named(o.data.task).shape;
  const InputShape shape{vocab, features, classes, o.data.max_length, height, width, pairs};
  struct Made {
    Parameters parameters;
    Model model;
    Made(const Options& o, const InputShape& shape)
        : parameters(o.train.seed, o.model.dtype), model(parameters.root(), o.model, shape) {
      parameters.set_training(false);
    }
  };
  const auto made = std::make_shared<Made>(o, shape);
  RunModel m = described(o, made->parameters, made->model);
  m.model = made;
  return m;
}

RunModel read_model(const std::string& folder) {
  const std::string weights = checkpoint_at(folder).file;
  check<DataError>(std::filesystem::exists(folder + "/config.toml"), "--run: '", folder,
                   "' must be a run folder of train_lra, with config.toml");
  const auto run = std::make_shared<OpenedRun>(open_run(folder));
  RunModel m = described(run->options, *run->opened.parameters, run->model());
  m.model = run;
  const auto number = [&](const char* key) {
    const auto at = run->opened.metadata.find(key);
    check<DataError>(at != run->opened.metadata.end(), weights, ": '", key, "' is missing");
    return std::strtod(at->second.c_str(), nullptr);
  };
  m.best_accuracy = number("best_accuracy");
  m.best_step = int64_t(number("best_step"));
  return m;
}

}  // namespace skiff::report
