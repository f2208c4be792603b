// Everything train_lra can be told, as one struct: flags, the configuration file and the defaults
// of a recipe all fill it.
#pragma once

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "examples/train/config_file.h"
#include "examples/train/program.h"
#include "examples/train/recipes.h"

namespace skiff {

struct Settings {
  // what
  std::string task = "listops", mixer = "ski", recipe = "tiny";
  uint64_t seed = 1;
  std::string data, out, init, config;
  // model
  std::string protocol = "s4", layout;
  bool bytes = false, mask_padding = false;
  double val_split = 0;
  int64_t heads = 0;
  int64_t layers = 0, dim = 0, rpe_width = 0, rpe_layers = 0, rank = 0, taps = 0, max_lag = 0;
  double expand = 0, glu_expand = 0, gamma = 0, dropout = 0, encoder_dropout = 0;
  std::string norm, readout = "mean", ski = "exact", warp = "auto", tno_rpe = "lra",
                    dtype = "float32";
  bool postnorm = false, scaled = false;
  // training
  int64_t batch_size = 0, epochs = 0, steps = 0, warmup = 0, horizon = 0, max_length = 0;
  double lr = 0, weight_decay = 0, clip = 0;
  std::string schedule, optimizer = "adamw";
  bool bucket = false;
  // the run: eval_every and eval_limit choose the best weights, test_limit what is tested; no other
  // changes a result
  int64_t eval_every = 0, save_every = 0, log_every = 0, keep = 2, stop_at = 0, eval_limit = 0,
          test_limit = 0;
  int threads = 0;
  bool resume = false, force = false, quiet = false, json = false, print_config = false,
       list = false, profile = false, checkpoint_activations = false;
  bool steps_given = false;  // on the command line: a run that is resumed may be made longer
  std::string progress = "auto", device = "cpu";
};

inline const char* name_of(NormKind kind) {
  switch (kind) {
    case NormKind::None:
      return "none";
    case NormKind::SimpleRms:
      return "simplerms";
    case NormKind::Rms:
      return "rms";
    case NormKind::GatedRms:
      return "gatedrms";
    case NormKind::Layer:
      return "layer";
    case NormKind::Batch:
      return "batch";
  }
  return "?";
}

inline const char* name_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::Constant:
      return "constant";
    case ScheduleKind::Cosine:
      return "cosine";
    case ScheduleKind::CosineUnclamped:
      return "cosine_unclamped";
    case ScheduleKind::InverseSqrt:
      return "inverse_sqrt";
  }
  return "?";
}

inline const std::vector<std::string>& mixer_names() {
  static const std::vector<std::string> names = {"ski", "tno", "fd", "attention"};
  return names;
}

inline const TaskShape& task_shape(const std::string& name) {
  std::vector<std::string> names;
  for (const TaskShape& shape : task_shapes()) {
    if (name == shape.name) return shape;
    names.push_back(shape.name);
  }
  fail<UsageError>("--task: unknown task '", name, "'", suggestion(name, names));
}

inline const Recipe& recipe_named(const std::string& name, const std::string& task) {
  task_shape(task);  // an unknown task gets its own message
  std::vector<std::string> names;
  for (const Recipe& r : recipes()) {
    if (task != r.task) continue;
    if (name == r.name) return r;
    names.push_back(r.name);
  }
  std::string known;
  for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
  fail<UsageError>("--recipe: ", task, " has ", known, "; got '", name, "'",
                   suggestion(name, names));
}

// The recipe's numbers as defaults.
inline void take_recipe(Settings& s) {
  const Recipe& r = recipe_named(s.recipe, s.task);
  s.layers = r.layers;
  s.dim = r.dim;
  s.expand = r.expand;
  s.glu_expand = r.glu_expand;
  s.gamma = r.gamma;
  s.rpe_width = r.rpe_width;
  s.rpe_layers = r.rpe_layers;
  s.rank = r.rank;
  s.taps = r.taps;
  s.max_lag = r.max_lag;
  s.norm = name_of(r.norm);
  s.dropout = r.dropout;
  s.encoder_dropout = r.encoder_dropout;
  s.scaled = r.scaled;
  s.readout = r.readout == Readout::Mean ? "mean" : "last";
  s.layout = r.sequence ? "sequence" : "image";
  s.batch_size = r.batch_size;
  s.epochs = r.epochs;
  s.steps = r.steps;
  s.lr = r.lr;
  s.weight_decay = r.weight_decay;
  s.clip = r.clip;
  s.schedule = name_of(r.schedule);
  s.warmup = r.warmup;
  s.horizon = r.horizon;
  s.max_length = r.max_length;
  s.bucket = r.bucket;
  s.eval_limit = r.eval_limit;
  s.test_limit = r.test_limit;
}

inline MixerKind mixer_kind(const std::string& name) {
  if (name == "tno") return MixerKind::Tno;
  if (name == "attention") return MixerKind::Attention;
  return name == "ski" ? MixerKind::Ski : MixerKind::Fd;
}

// The model that the settings describe, for the data at hand: tokens of a vocabulary, or one number
// a position (vocab 0).
inline TnnConfig model_config(const Settings& s, int64_t vocab, int64_t height, int64_t width) {
  Recipe r = recipe_named(s.recipe, s.task);
  r.layers = s.layers;
  r.dim = s.dim;
  r.expand = s.expand;
  r.glu_expand = s.glu_expand;
  r.gamma = s.gamma;
  r.rpe_width = s.rpe_width;
  r.rpe_layers = s.rpe_layers;
  r.rank = s.rank;
  r.taps = s.taps;
  r.max_lag = s.max_lag;
  r.norm = norm_named(s.norm);
  r.dropout = s.dropout;
  r.encoder_dropout = s.encoder_dropout;
  r.scaled = s.scaled;
  r.max_length = s.max_length;
  TaskShape shape = task_shape(s.task);
  shape.vocab = vocab;
  shape.features = vocab > 0 ? 0 : 1;
  shape.height = height;
  shape.width = width;
  r.readout = s.readout == "mean" ? Readout::Mean : Readout::Last;
  r.sequence = s.layout == "sequence";
  TnnConfig config = model_config(r, shape,
                                  {.mixer = mixer_kind(s.mixer),
                                   .published_ski = s.ski == "published",
                                   .warp = s.warp == "auto" ? Warp::Auto : Warp::Gamma,
                                   .heads = s.heads,
                                   .lra_rpe = s.tno_rpe == "lra"});
  config.prenorm = !s.postnorm;
  config.mask_padding = s.mask_padding;
  config.recompute = s.checkpoint_activations;
  return config;
}

// The table of recipes: what each trains, and what it reached.
inline void print_recipes() {
  std::printf("%-13s %-7s %6s %5s %6s %8s %7s %10s", "task", "recipe", "layers", "dim", "batch",
              "length", "steps", "lr");
  for (const std::string& mixer : mixer_names()) std::printf(" %10s", mixer.c_str());
  std::printf("\n");
  for (const Recipe& r : recipes()) {
    const std::string steps =
        r.steps > 0 ? std::to_string(r.steps) : std::to_string(r.epochs) + " ep";
    std::printf("%-13s %-7s %6lld %5lld %6lld %8lld %7s %10g", r.task, r.name, (long long)r.layers,
                (long long)r.dim, (long long)r.batch_size, (long long)r.max_length, steps.c_str(),
                r.lr);
    for (const std::string& mixer : mixer_names()) {
      const Measured* found = nullptr;
      for (const Measured& m : measured())
        if (std::string(m.recipe) == r.name && std::string(m.task) == r.task && m.mixer == mixer)
          found = &m;
      if (found)
        std::printf(" %8.1f %%", 100 * found->accuracy);
      else
        std::printf(" %10s", "-");
    }
    std::printf("\n");
  }
  std::printf("Right: test accuracy reached with seed 1; '-' is not yet measured. ep: epochs.\n");
}

// ---- flags ----

// One of several words, with a suggestion for a near miss.
inline CLI::Validator one_of(std::vector<std::string> words) {
  std::string known;
  for (const std::string& w : words) known += (known.empty() ? "" : ", ") + w;
  return CLI::Validator(
      [words, known](std::string& text) {
        if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
        return "must be one of " + known + ", got '" + text + "'" + suggestion(text, words);
      },
      "{" + known + "}");
}

// A finite number in [low, high].
inline CLI::Validator between(double low, double high) {
  return CLI::Validator(
      [=](std::string& text) {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        const bool whole = end != text.c_str() && *end == '\0';
        if (whole && value >= low && value <= high) return std::string();
        std::ostringstream message;
        message << "must be a number from " << low << " to " << high << ", got '" << text << "'";
        return message.str();
      },
      "");
}

// The options that choose a recipe: they are read first, so that --help and the defaults are those
// of the recipe.
inline void add_choice_options(CLI::App& app, Settings& s) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--task", s.task, "What to learn; all, or several with commas, with every mixer")
      ->capture_default_str()
      ->group("What");
  app.add_option("--recipe", s.recipe,
                 "Set of defaults: tiny (minutes), small (an hour or so), paper (as published); "
                 "--list shows all")
      ->capture_default_str()
      ->group("What");
  app.add_option("--config", s.config, "Read options from a file made by --print-config")
      ->configurable(false);
}

inline void add_options(CLI::App& app, Settings& s) {
  add_choice_options(app, s);
  const auto option = [&](const char* group, const char* name, auto& value, const char* help) {
    return app.add_option(name, value, help)->capture_default_str()->group(group);
  };
  const auto flag = [&](const char* group, const char* name, bool& value, const char* help) {
    return app.add_flag(name, value, help)->default_str(value ? "true" : "false")->group(group);
  };
  const double huge = 1e15;
  option("What", "--mixer", s.mixer, "Toeplitz operator, or the softmax baseline")
      ->check(one_of(mixer_names()));
  option("What", "--seed", s.seed, "Of first weights, batches and dropout")
      ->check(between(0, huge));
  option("What", "--data", s.data, "Folder of the data (or $SKIFF_DATA, $DATA_PATH; else 'data')");
  option("What", "--out", s.out, "Run folder; runs/TASK-RECIPE-MIXER-SEED if not given");
  option("What", "--init", s.init,
         "Checkpoint of another run whose parameters this one starts from");

  option("What", "--protocol", s.protocol,
         "Splits and tokens of later work (S4), or the original's")
      ->check(one_of({"s4", "gr"}));
  flag("What", "--bytes", s.bytes, "text: bytes, not characters");
  option("What", "--val-split", s.val_split,
         "text: share of training held out for validation; 0: the test split, as published")
      ->check(between(0, 0.9));

  option("Model", "--layers", s.layers, "Pairs of units")->check(between(0, 1000));
  option("Model", "--dim", s.dim, "Model width")->check(between(1, 65536));
  option("Model", "--expand", s.expand, "Toeplitz unit's width / dim")->check(between(0.01, 64));
  option("Model", "--glu-expand", s.glu_expand, "Gated linear unit's width / dim")
      ->check(between(0.01, 64));
  option("Model", "--norm", s.norm, "Normalisation")
      ->check(one_of({"none", "simplerms", "rms", "gatedrms", "layer", "batch"}));
  flag("Model", "--postnorm", s.postnorm, "Normalise after the residual sum");
  option("Model", "--dropout", s.dropout, "On residual branches")->check(between(0, 0.999));
  option("Model", "--encoder-dropout", s.encoder_dropout, "On the encoded input")
      ->check(between(0, 0.999));
  option("Model", "--readout", s.readout, "Pooling over positions")
      ->check(one_of({"mean", "last"}));
  option("Model", "--layout", s.layout, "Images: mix along rows and columns, or one long sequence")
      ->check(one_of({"image", "sequence"}));
  flag("Model", "--mask-padding", s.mask_padding, "Padded positions are not mixed in");
  option("Model", "--heads", s.heads, "attention: heads; 0: of 32 channels each")
      ->check(between(0, 1024));
  option("Model", "--gamma", s.gamma, "tno: decay per lag; ski with --warp gamma: its base")
      ->check(between(0, 1));
  option("Model", "--rpe-width", s.rpe_width, "tno, fd: width of the kernel's network")
      ->check(between(1, 65536));
  option("Model", "--rpe-layers", s.rpe_layers, "tno, fd: its hidden layers (variant A)")
      ->check(between(0, 100));
  option("Model", "--tno-rpe", s.tno_rpe, "tno: the LRA code's network, or the language models'")
      ->check(one_of({"lra", "tnn"}));
  option("Model", "--max-lag", s.max_lag, "tno: zero beyond; 0: no limit")->check(between(0, huge));
  option("Model", "--rank", s.rank, "ski: inducing points")->check(between(2, 65536));
  option("Model", "--taps", s.taps, "ski: of the short convolution, made odd")
      ->check(between(1, 65536));
  option("Model", "--ski", s.ski, "ski: exact interpolation, or as the released code computes it")
      ->check(one_of({"exact", "published"}));
  option("Model", "--warp", s.warp, "ski: base of the lag warp")->check(one_of({"auto", "gamma"}));
  flag("Model", "--scaled,!--unscaled", s.scaled,
       "ski: kernels in units in which their sums are O(1), at any length");
  option("Model", "--dtype", s.dtype, "Number type")->check(one_of({"float32", "float64"}));

  option("Training", "--batch-size", s.batch_size, "Examples a step")->check(between(1, 1e6));
  option("Training", "--epochs", s.epochs, "Passes over the data")->check(between(0, 1e6));
  option("Training", "--steps", s.steps, "Steps; 0: as many as the epochs have")
      ->check(between(0, huge));
  option("Training", "--lr", s.lr, "Learning rate")->check(between(0, 1e30));
  option("Training", "--weight-decay", s.weight_decay, "Of all parameters")->check(between(0, 1e6));
  option("Training", "--clip", s.clip, "Limit of the gradient's norm; 0: none")
      ->check(between(0, 1e30));
  option("Training", "--optimizer", s.optimizer, "Optimizer")
      ->check(one_of({"adamw", "adam", "sgd"}));
  option("Training", "--schedule", s.schedule, "Of the learning rate")
      ->check(one_of({"constant", "cosine", "cosine_unclamped", "inverse_sqrt"}));
  option("Training", "--warmup", s.warmup, "Steps of linear warm-up")->check(between(0, huge));
  option("Training", "--horizon", s.horizon, "Steps of the cosine; 0: all steps")
      ->check(between(0, huge));
  option("Training", "--max-length", s.max_length, "Longest sequence, end mark included")
      ->check(between(2, 1e7));
  flag("Training", "--bucket,!--no-bucket", s.bucket, "Batches of similar lengths");

  option("Run", "--eval-every", s.eval_every,
         "Steps between validations; 0: a tenth of the run, of less than 40 steps all")
      ->check(between(0, huge));
  option("Run", "--eval-limit", s.eval_limit, "Examples of every validation, evenly spread; 0: all")
      ->check(between(0, huge));
  option("Run", "--test-limit", s.test_limit, "Examples of the test, evenly spread; 0: all")
      ->check(between(0, huge));
  option("Run", "--save-every", s.save_every, "Steps between checkpoints; 0: as --eval-every")
      ->check(between(0, huge));
  option("Run", "--log-every", s.log_every, "Steps between rows of metrics.csv; 0: a hundredth")
      ->check(between(0, huge));
  option("Run", "--keep", s.keep, "Checkpoints kept besides the best")->check(between(1, 1e6));
  const auto aside = [](CLI::Option* o) { o->configurable(false); };
  aside(option("Run", "--threads", s.threads, "Threads; 0: OMP_NUM_THREADS or all cores")
            ->check(between(0, 4096)));
  aside(option("Run", "--device", s.device, "Where to compute; auto: cuda where it can be used")
            ->check(one_of({"cpu", "cuda", "auto"})));
  aside(option("Run", "--stop-at", s.stop_at, "Save and stop after this step; 0: do not")
            ->check(between(0, huge)));
  aside(flag(
      "Run", "--checkpoint-activations", s.checkpoint_activations,
      "Keep each block's input only and work the rest out again: less memory, the same results"));
  aside(flag("Run", "--resume", s.resume, "Go on with the run in the folder"));
  aside(flag("Run", "--force", s.force, "Start over in a folder that holds a run"));
  aside(option("Run", "--progress", s.progress, "Progress on stderr")
            ->check(one_of({"auto", "bar", "plain", "none"})));
  aside(flag("Run", "--quiet", s.quiet, "No progress and no notes"));
  aside(flag("Run", "--json", s.json,
             "The result as a JSON object, of several tasks an array of them"));
  aside(
      flag("Run", "--list", s.list, "Print all recipes with the accuracy they reached, and stop"));
  aside(flag("Run", "--profile", s.profile,
             "Time, bytes and calls of every op: a table, profile.csv; no validation and no test "
             "unless --eval-every "
             "is given"));
  aside(flag("Run", "--print-config", s.print_config, "Print the configuration and stop"));
}

inline std::set<std::string> given_options(const CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0) names.insert(option->get_name());
  return names;
}

inline bool is_several(const std::string& task) {
  return task == "all" || task.find(',') != std::string::npos;
}

// A sentence for each option of the command line that changes nothing. UsageError for one that
// cannot be meant.
inline std::vector<std::string> options_without_effect(const Settings& s,
                                                       const std::set<std::string>& given) {
  std::vector<std::string> notes;
  const auto needs = [&](bool holds, const std::string& reason,
                         const std::vector<const char*>& options) {
    if (holds) return;
    for (const char* option : options)
      if (given.count(option) > 0)
        notes.push_back(std::string(option) + " has no effect " + reason);
  };
  if (is_several(s.task)) {
    needs(false, "with several tasks: each is trained with every mixer", {"--mixer"});
    return notes;
  }
  const TaskShape& shape = task_shape(s.task);
  const bool images = shape.height > 0;
  const bool attention = s.mixer == "attention", tno = s.mixer == "tno", ski = s.mixer == "ski",
             fd = s.mixer == "fd";
  const std::string task = "with --task " + s.task, mixer = "with --mixer " + s.mixer;
  needs(!images, task + ": its images have one size",
        {"--max-length", "--mask-padding", "--bucket"});
  needs(images, task + ": it has no images", {"--layout"});
  needs(s.task == "text", task, {"--val-split", "--bytes"});
  needs(s.task != "listops" && s.task != "fashion", task + ": it has one protocol", {"--protocol"});
  needs(attention, mixer, {"--heads"});
  needs(!images || !attention, mixer + ": it reads an image as one sequence", {"--layout"});
  needs(ski, mixer, {"--rank", "--taps", "--ski", "--warp", "--scaled"});
  needs(tno, mixer, {"--tno-rpe", "--max-lag"});
  needs(tno || fd, mixer, {"--rpe-width"});
  needs(fd || (tno && s.tno_rpe == "tnn"), tno ? "with --tno-rpe lra" : mixer, {"--rpe-layers"});
  needs(tno || (ski && (s.warp == "gamma" || s.ski == "published")),
        ski ? "with --warp auto" : mixer, {"--gamma"});
  needs(s.steps == 0, "beside --steps", {given.count("--steps") > 0 ? "--epochs" : ""});
  needs(s.schedule.starts_with("cosine"), "with --schedule " + s.schedule, {"--horizon"});
  if (ski && given.count("--rank") > 0) {
    const int64_t positions = !images                  ? s.max_length
                              : s.layout == "sequence" ? shape.height * shape.width
                                                       : std::max(shape.height, shape.width);
    check<UsageError>(s.rank <= positions, "--rank: at most ", positions,
                      " inducing points fit the ", positions, " positions of a sequence, got ",
                      s.rank);
  }
  return notes;
}

}  // namespace skiff
