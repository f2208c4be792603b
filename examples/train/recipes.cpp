#include "examples/train/recipes.h"

#include <algorithm>
#include <cstdio>

#include "core/check.h"
#include "data/tasks.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

// What all published recipes share.
Options paper(Options o) {
  o.train.recipe = "paper";
  o.train.seed = 2222;
  o.model.norm = NormKind::Batch;
  o.model.encoder_dropout = 0.1;
  o.train.schedule = ScheduleKind::CosineUnclamped;
  o.train.horizon = 50000;
  return o;
}

// What our own share: scaled kernels, clipped gradients, one cosine over the run.
Options own(const char* recipe, Options o) {
  o.train.recipe = recipe;
  o.model.kernel.rpe.layers = 1;
  o.model.ski.scaled = true;
  o.train.clip = 1;
  o.train.schedule = ScheduleKind::Cosine;
  return o;
}
Options demo(const Options& o) { return own("demo", o); }
Options tiny(const Options& o) { return own("tiny", o); }
Options small(const Options& o) { return own("small", o); }

std::vector<Recipe> make_recipes() {
  constexpr NormKind batch = NormKind::Batch, layer = NormKind::Layer;
  return {
      {paper(
           {.model = {.layers = 4,
                      .dim = 128,
                      .expand = 1,
                      .glu_expand = 1,
                      .kernel = {.gamma = 1, .rpe = {.width = 32, .layers = 3}},
                      .tno = {.max_lag = 1023},
                      .ski = {.inducing_points = 64, .filter = 32}},
            .data = {.task = "listops", .max_length = 2048},
            .train =
                {.batch_size = 64, .epochs = 40, .lr = 5e-4, .weight_decay = 0.1, .warmup = 1000}}),
       {}},
      // A token's depth is the number of brackets open before it. The kernel that counts them is 1
      // for lags from 0 on and 0 for others: so it must not decay, and its network reads the
      // logarithm of the lag, which makes such a step at 0 easy.
      {demo({.model = {.layers = 4,
                       .dim = 64,
                       .expand = 1,
                       .glu_expand = 1,
                       .norm = layer,
                       .sinusoids = false,
                       .mask_padding = true,
                       .kernel = {.gamma = 1, .rpe = {.width = 32, .input = KernelInput::Log}},
                       .ski = {.inducing_points = 64, .filter = 33}},
             .data = {.task = "listops", .max_length = 256},
             .train = {.batch_size = 64,
                       .steps = 4000,
                       .lr = 5e-3,
                       .weight_decay = 0.01,
                       .average = 0.998,
                       .beta2 = 0.98,
                       .warmup = 300,
                       .bucket = true}}),
       {{"ski", 0.621}, {"tno", 0.63}, {"fd", 0.626}}},
      {tiny({.model = {.layers = 2,
                       .dim = 64,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = layer,
                       .kernel = {.gamma = 0.99, .rpe = {.width = 32}},
                       .ski = {.inducing_points = 32, .filter = 16}},
             .data = {.task = "listops", .max_length = 256},
             .train = {.batch_size = 32,
                       .steps = 8000,
                       .lr = 2e-3,
                       .weight_decay = 0.01,
                       .warmup = 200,
                       .bucket = true}}),
       {{"ski", 0.582}, {"tno", 0.6145}, {"fd", 0.5885}, {"attention", 0.4605}}},
      {small({.model = {.layers = 2,
                        .dim = 64,
                        .expand = 1,
                        .glu_expand = 2,
                        .norm = layer,
                        .encoder_dropout = 0.1,
                        .kernel = {.gamma = 0.99, .rpe = {.width = 32}},
                        .ski = {.inducing_points = 32, .filter = 16}},
              .data = {.task = "listops", .max_length = 2048},
              .train = {.batch_size = 32,
                        .steps = 8000,
                        .lr = 2e-3,
                        .weight_decay = 0.01,
                        .warmup = 200,
                        .bucket = true,
                        .eval_limit = 1000}}),
       {}},

      {paper({.model = {.layers = 4,
                        .dim = 128,
                        .expand = 1,
                        .glu_expand = 2,
                        .dropout = 0.1,
                        .kernel = {.gamma = 0.9, .rpe = {.width = 32, .layers = 3}},
                        .tno = {.max_lag = 1023},
                        .ski = {.inducing_points = 64, .filter = 32}},
              .data = {.task = "text", .max_length = 4096},
              .train = {.batch_size = 16,
                        .epochs = 32,
                        .lr = 1.05e-3,
                        .weight_decay = 1e-3,
                        .warmup = 3000}}),
       {}},
      {tiny({.model = {.layers = 2,
                       .dim = 64,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = layer,
                       .dropout = 0.1,
                       .encoder_dropout = 0.1,
                       .kernel = {.gamma = 0.99, .rpe = {.width = 32}},
                       .ski = {.inducing_points = 32, .filter = 8}},
             .data = {.task = "text", .max_length = 512},
             .train = {.batch_size = 16,
                       .steps = 800,
                       .lr = 3e-3,
                       .weight_decay = 0.05,
                       .warmup = 80,
                       .bucket = true,
                       .eval_limit = 500,
                       .test_limit = 5000}}),
       {{"ski", 0.6762}, {"tno", 0.5974}, {"fd", 0.636}, {"attention", 0.5952}}},
      {small({.model = {.layers = 3,
                        .dim = 64,
                        .expand = 1,
                        .glu_expand = 2,
                        .norm = layer,
                        .dropout = 0.1,
                        .encoder_dropout = 0.1,
                        .kernel = {.gamma = 0.99, .rpe = {.width = 32}},
                        .ski = {.inducing_points = 32, .filter = 9}},
              .data = {.task = "text", .max_length = 4096, .val_split = 0.1},
              .train = {.batch_size = 16,
                        .epochs = 7,
                        .lr = 2e-3,
                        .weight_decay = 0.05,
                        .warmup = 300,
                        .bucket = true,
                        .eval_limit = 1000}}),
       {{"ski", 0.846}}},

      {paper({.model = {.layers = 2,
                        .dim = 64,
                        .expand = 1,
                        .glu_expand = 1.5,
                        .kernel = {.gamma = 0.6, .rpe = {.width = 16, .layers = 3}},
                        .tno = {.max_lag = 1023},
                        .ski = {.inducing_points = 64, .filter = 32}},
              .data = {.task = "retrieval", .max_length = 4000},
              .train = {.batch_size = 32,
                        .epochs = 20,
                        .lr = 1e-2,
                        .weight_decay = 1e-2,
                        .warmup = 25000}}),
       {}},
      {tiny({.model = {.layers = 2,
                       .dim = 48,
                       .expand = 1,
                       .glu_expand = 1.5,
                       .norm = layer,
                       .dropout = 0.1,
                       .kernel = {.gamma = 0.99, .rpe = {.width = 16}},
                       .ski = {.inducing_points = 32, .filter = 16}},
             .data = {.task = "retrieval", .max_length = 1024},
             .train = {.batch_size = 8,
                       .steps = 150,
                       .lr = 2e-3,
                       .weight_decay = 0.01,
                       .warmup = 40,
                       .bucket = true,
                       .eval_limit = 200,
                       .test_limit = 2000}}),
       {}},

      {paper({.model = {.layers = 12,
                        .dim = 128,
                        .expand = 2,
                        .glu_expand = 3,
                        .dropout = 0.1,
                        .kernel = {.gamma = 0.7, .rpe = {.width = 16, .layers = 0}},
                        .ski = {.inducing_points = 32, .filter = 16}},
              .data = {.task = "image", .max_length = 1024},
              .train = {.batch_size = 50,
                        .epochs = 200,
                        .lr = 7e-3,
                        .weight_decay = 1e-3,
                        .warmup = 30000}}),
       {}},
      {tiny({.model = {.layers = 2,
                       .dim = 48,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = batch,
                       .dropout = 0.1,
                       .kernel = {.gamma = 0.7, .rpe = {.width = 16}},
                       .ski = {.inducing_points = 16, .filter = 8}},
             .data = {.task = "image", .max_length = 1024},
             .train = {.batch_size = 32,
                       .steps = 100,
                       .lr = 4e-3,
                       .weight_decay = 0.02,
                       .warmup = 20,
                       .eval_limit = 200,
                       .test_limit = 1000}}),
       {}},
      {small({.model = {.layers = 4,
                        .dim = 64,
                        .expand = 1,
                        .glu_expand = 1,
                        .norm = batch,
                        .kernel = {.gamma = 0.7, .rpe = {.width = 16}},
                        .ski = {.inducing_points = 16, .filter = 8}},
              .data = {.task = "image", .max_length = 1024},
              .train = {.batch_size = 25,
                        .steps = 10800,
                        .lr = 4e-3,
                        .weight_decay = 0.02,
                        .warmup = 600,
                        .eval_limit = 2000}}),
       {{"fd", 0.755}}},

      {tiny({.model = {.layers = 2,
                       .dim = 48,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = batch,
                       .dropout = 0.1,
                       .kernel = {.gamma = 0.7, .rpe = {.width = 16}},
                       .ski = {.inducing_points = 14, .filter = 8}},
             .data = {.task = "fashion", .max_length = 784},
             .train = {.batch_size = 32,
                       .steps = 200,
                       .lr = 4e-3,
                       .weight_decay = 0.02,
                       .warmup = 20,
                       .eval_limit = 200,
                       .test_limit = 2000}}),
       {{"ski", 0.747}, {"tno", 0.7235}, {"fd", 0.7755}, {"attention", 0.7225}}},
      {small({.model = {.layers = 3,
                        .dim = 48,
                        .expand = 1,
                        .glu_expand = 2,
                        .norm = batch,
                        .kernel = {.gamma = 0.7, .rpe = {.width = 16}},
                        .ski = {.inducing_points = 14, .filter = 8}},
              .data = {.task = "fashion", .max_length = 784},
              .train = {.batch_size = 32,
                        .steps = 3200,
                        .lr = 4e-3,
                        .weight_decay = 0.02,
                        .warmup = 100,
                        .eval_limit = 1000}}),
       {{"ski", 0.884}, {"tno", 0.876}, {"fd", 0.897}}},

      {paper({.model = {.layers = 6,
                        .dim = 64,
                        .expand = 3,
                        .glu_expand = 2.5,
                        .readout = Readout::Last,
                        .kernel = {.gamma = 1, .rpe = {.width = 16, .layers = 0}},
                        .ski = {.inducing_points = 32, .filter = 16}},
              .data = {.task = "pathfinder32", .max_length = 1024},
              .train = {.batch_size = 32, .epochs = 200, .lr = 1e-3, .warmup = 5000}}),
       {}},
      {tiny({.model = {.layers = 3,
                       .dim = 48,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = batch,
                       .kernel = {.gamma = 0.9, .rpe = {.width = 16}},
                       .ski = {.inducing_points = 16, .filter = 8}},
             .data = {.task = "pathfinder32", .max_length = 1024},
             .train = {.batch_size = 32,
                       .steps = 40,
                       .lr = 3e-3,
                       .weight_decay = 0.01,
                       .warmup = 10,
                       .eval_limit = 200,
                       .test_limit = 1000}}),
       {{"ski", 0.534}, {"tno", 0.534}, {"fd", 0.534}, {"attention", 0.534}}},

      {paper({.model = {.layers = 6,
                        .dim = 64,
                        .expand = 3,
                        .glu_expand = 2.5,
                        .readout = Readout::Last,
                        .kernel = {.gamma = 0.999, .rpe = {.width = 16, .layers = 0}},
                        .ski = {.inducing_points = 32, .filter = 16}},
              .data = {.task = "pathx", .max_length = 16384},
              .train = {.batch_size = 8, .epochs = 100, .lr = 1e-4, .warmup = 312}}),
       {}},
      {tiny({.model = {.layers = 2,
                       .dim = 32,
                       .expand = 1,
                       .glu_expand = 2,
                       .norm = batch,
                       .kernel = {.gamma = 0.98, .rpe = {.width = 16}},
                       .ski = {.inducing_points = 64, .filter = 16}},
             .data = {.task = "pathx", .max_length = 16384},
             .train = {.batch_size = 2,
                       .steps = 40,
                       .lr = 1e-3,
                       .weight_decay = 0.01,
                       .warmup = 10,
                       .eval_limit = 100,
                       .test_limit = 200}}),
       {}}};
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all = [] {
    std::vector<Recipe> made = make_recipes();
    for (Recipe& r : made) r.options.pretrain.mask_share = task_named(r.task()).mask_share;
    return made;
  }();
  return all;
}

const Recipe& recipe_named(const std::string& name, const std::string& task) {
  task_named(task);  // an unknown task gets its own message
  std::vector<std::string> names;
  std::string known;
  for (const Recipe& r : recipes()) {
    if (r.task() != task) continue;
    if (r.name() == name) return r;
    names.push_back(r.name());
    known += (known.empty() ? "" : ", ") + r.name();
  }
  fail<UsageError>("--recipe: ", task, " has ", known, "; got '", name, "'",
                   suggestion(name, names));
}

void print_recipes() {
  std::printf("%-13s %-7s %6s %5s %6s %8s %7s %10s", "task", "recipe", "layers", "dim", "batch",
              "length", "steps", "lr");
  for (const std::string& mixer : mixer_names()) std::printf(" %10s", mixer.c_str());
  std::printf("\n");
  for (const Recipe& r : recipes()) {
    const auto& [model, data, train, pretrain, run] = r.options;
    const std::string steps =
        train.steps > 0 ? std::to_string(train.steps) : std::to_string(train.epochs) + " ep";
    std::printf("%-13s %-7s %6lld %5lld %6lld %8lld %7s %10g", r.task().c_str(), r.name().c_str(),
                (long long)model.layers, (long long)model.dim, (long long)train.batch_size,
                (long long)data.max_length, steps.c_str(), train.lr);
    for (const std::string& mixer : mixer_names()) {
      const auto found = std::find_if(r.measured.begin(), r.measured.end(),
                                      [&](const Measured& m) { return m.mixer == mixer; });
      if (found != r.measured.end())
        std::printf(" %8.1f %%", 100 * found->accuracy);
      else
        std::printf(" %10s", "-");
    }
    std::printf("\n");
  }
  std::printf("Right: test accuracy reached with seed 1; '-' is not yet measured. ep: epochs.\n");
}

}  // namespace skiff
