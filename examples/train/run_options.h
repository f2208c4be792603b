// What every training program can be told, whatever it trains: how it trains (TrainOptions), where
// it keeps its files (RunOptions), and how this one program runs (SessionOptions). The first two go
// into config.toml and describe a run; the last is given anew each time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/options.h"
#include "examples/program/device.h"
#include "examples/train/display.h"
#include "layers/units/norm.h"
#include "optim/schedule.h"

namespace skiff {

enum class OptimizerKind { AdamW, Adam, Sgd };
inline std::span<const Word<OptimizerKind>> words_of(OptimizerKind) {
  static constexpr Word<OptimizerKind> kWords[] = {
      {OptimizerKind::AdamW, "adamw"}, {OptimizerKind::Adam, "adam"}, {OptimizerKind::Sgd, "sgd"}};
  return kWords;
}

// What weight decay acts on. Kernels of Toeplitz operators are small and structured; published
// state space models (S4, S5, LRU) train theirs without decay, and no biases and norms decay
// anywhere.
enum class Decaying {
  All,      // as published for TNN
  Trunk,    // all but kernels
  Matrices  // of linear maps outside kernels
};
inline std::span<const Word<Decaying>> words_of(Decaying) {
  static constexpr Word<Decaying> kWords[] = {
      {Decaying::All, "all"}, {Decaying::Trunk, "trunk"}, {Decaying::Matrices, "matrices"}};
  return kWords;
}

inline constexpr double kManySteps = 1e15;

inline constexpr const char* kSmallShards =
    "note: batch norm takes its statistics from a shard, and those of fewer than 4 examples are "
    "poor; fewer --shards have larger ones, and --sync-norm takes the statistics of all of them";

struct TrainOptions {
  std::string recipe = "tiny";
  uint64_t seed = 1;
  std::string init;
  bool init_moments = false;
  int64_t batch_size = 32, batch_tokens = 0, shards = 1;
  bool sync_norm = false;
  int64_t epochs = 0, steps = 0;
  double lr = 1e-3, kernel_lr = 1, weight_decay = 0, clip = 0, average = 0, label_smoothing = 0;
  Decaying decaying = Decaying::All;
  OptimizerKind optimizer = OptimizerKind::AdamW;
  double beta2 = 0.999;
  ScheduleKind schedule = ScheduleKind::Cosine;
  int64_t warmup = 0, horizon = 0;
  bool bucket = false;
  int64_t eval_every = 0, eval_limit = 0, test_limit = 0;

  // Examples of a batch; with --batch-tokens the run checks the real batches (task_run.cpp).
  int64_t examples_at_least() const { return batch_tokens > 0 ? shards : batch_size; }
  int64_t largest_shard() const { return (batch_size + shards - 1) / shards; }
  std::string shards_text() const {
    return shards == 1 ? "" : " in " + std::to_string(shards) + " shards";
  }
  bool has_small_shards(NormKind norm, int64_t smallest_batch) const {
    return norm == NormKind::Batch && shards > 1 && !sync_norm && smallest_batch / shards < 4;
  }

  static constexpr const char* kTitle = "Training";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "recipe",
           .help =
               "Set of defaults for all other options: demo (listops: what make demo trains), tiny "
               "(trains in minutes), small (about an hour), paper (as published); --list shows "
               "all"},
          o.recipe);
    field({.name = "seed",
           .help = "Seed of first weights, batch order and dropout; change it to repeat a run",
           .low = 0,
           .high = kManySteps},
          o.seed);
    field({.name = "init",
           .help = "Run folder or checkpoint of another run whose parameters this run starts from"},
          o.init);
    field({.name = "init-moments",
           .help = "--init also takes what the optimizer and --average keep, of the same model"},
          o.init_moments);
    field({.name = "batch-size", .help = "Examples per step", .low = 1, .high = 1e6}, o.batch_size);
    field({.name = "batch-tokens",
           .help = "Positions per training step, padding included: a batch has as many examples of "
                   "similar lengths as fit. --batch-size then counts in evaluations only; 0: it "
                   "counts everywhere",
           .low = 0,
           .high = 1e9},
          o.batch_tokens);
    field({.name = "shards",
           .help = "Parts of a batch that are computed one after the other, or by several "
                   "processes: memory for one part. Gradients are added along a fixed tree. Batch "
                   "norm takes its statistics from a part. Also --accumulate",
           .low = 1,
           .high = 1e6},
          o.shards);
    field({.name = "sync-norm",
           .help = "Batch norm takes its statistics from all --shards together, so that their "
                   "number changes nothing but rounding. A process then holds all of its shards in "
                   "memory at once, and processes exchange sums twice per norm and step"},
          o.sync_norm);
    field({.name = "epochs", .help = "Passes over the training data", .low = 0, .high = 1e6},
          o.epochs);
    field({.name = "steps",
           .help = "Steps; 0: as many as --epochs has. The only option that --resume may raise",
           .low = 0,
           .high = kManySteps},
          o.steps);
    field({.name = "lr",
           .help = "Learning rate: size of a step. Lower it when the loss is not finite",
           .low = 0,
           .high = 1e30},
          o.lr);
    field({.name = "kernel-lr",
           .help = "Learning rate of the kernels of Toeplitz operators, as a share of --lr",
           .low = 0,
           .high = 1000},
          o.kernel_lr);
    field({.name = "weight-decay",
           .help = "Weight decay of the parameters that --decaying names",
           .low = 0,
           .high = 1e6},
          o.weight_decay);
    field({.name = "decaying",
           .help = "What weight decay acts on: all parameters (all, as published), those outside "
                   "the kernels of Toeplitz operators (trunk), or the matrices of linear maps "
                   "outside kernels, and so no biases, norms and embeddings (matrices)"},
          o.decaying);
    field({.name = "clip",
           .help = "Limit of the norm of the whole gradient; 0: no limit",
           .low = 0,
           .high = 1e30},
          o.clip);
    field({.name = "average",
           .help = "Decay per step of an average of the weights, such as 0.999, which is validated "
                   "beside the weights: the better of both counts; 0: none",
           .low = 0,
           .high = 0.99999},
          o.average);
    field({.name = "label-smoothing",
           .help = "Share of the target that is spread over all classes, such as 0.1",
           .low = 0,
           .high = 0.999},
          o.label_smoothing);
    field({.name = "optimizer", .help = "Optimizer; adam adds weight decay to the gradient"},
          o.optimizer);
    field({.name = "beta2",
           .help = "adam, adamw: decay of the mean of the squared gradients",
           .low = 0,
           .high = 0.9999999},
          o.beta2);
    field({.name = "schedule", .help = "Course of the learning rate after the warm-up"},
          o.schedule);
    field({.name = "warmup",
           .help = "Steps in which the learning rate rises from 0 to --lr",
           .low = 0,
           .high = kManySteps},
          o.warmup);
    field({.name = "horizon",
           .help = "Steps until a cosine schedule reaches 0; 0: all steps",
           .low = 0,
           .high = kManySteps},
          o.horizon);
    field({.name = "bucket",
           .help = "Put examples of similar length into one batch: less padding, faster steps"},
          o.bucket);
    field({.name = "eval-every",
           .help = "Steps between validations, which choose the best weights; 0: a tenth of the "
                   "run, or the end alone if it has fewer than 40 steps",
           .low = 0,
           .high = kManySteps},
          o.eval_every);
    field({.name = "eval-limit",
           .help = "Examples per validation, evenly spread; 0: all",
           .low = 0,
           .high = kManySteps},
          o.eval_limit);
    field({.name = "test-limit",
           .help = "Examples of the test, evenly spread; 0: all",
           .low = 0,
           .high = kManySteps},
          o.test_limit);
  }
};

struct RunOptions {
  std::string out, stages, sweep;
  int64_t save_every = 0, log_every = 0, keep = 2;

  static constexpr const char* kTitle = "Run folder";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "out",
           .help = "Run folder; runs/TASK-RECIPE-MIXER-SEED if not given, with -masked or -causal "
                   "after it for a pretraining, -stages or -sweep for those, and without the mixer "
                   "for several tasks",
           .changes_result = false},
          o.out);
    field(
        {.name = "stages",
         .help = "File with a row per stage of the run, each of which goes on from the one before: "
                 "a table whose first row names options (examples/README.md)",
         .changes_result = false},
        o.stages);
    field({.name = "sweep",
           .help = "File with a row per option and its values: a run for every combination "
                   "(examples/README.md)",
           .changes_result = false},
          o.sweep);
    field({.name = "save-every",
           .help = "Steps between checkpoints; 0: as --eval-every",
           .low = 0,
           .high = kManySteps,
           .changes_result = false},
          o.save_every);
    field({.name = "log-every",
           .help = "Steps between rows of metrics.csv; 0: a hundredth of the run",
           .low = 0,
           .high = kManySteps,
           .changes_result = false},
          o.log_every);
    field({.name = "keep",
           .help = "Checkpoints to keep besides the best",
           .low = 1,
           .high = 1e6,
           .changes_result = false},
          o.keep);
  }
};

struct SessionOptions {
  std::string config, device = "cpu", progress = "auto";
  int64_t threads = 0, stop_at = 0, timeout = 600;
  bool resume = false, force = false, quiet = false, json = false, profile = false, list = false,
       print_config = false;
  // No options: this is a stage, or one run of a sweep or of several tasks, of the run in this
  // folder; steps of earlier stages.
  std::string outer;
  int64_t steps_before = 0;
  std::function<void()> taken;  // called when the run keeps its options in its folder

  static constexpr const char* kTitle = "This program only (not in the configuration file)";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "config",
           .help = "Read options from a file made by --print-config, or of a run folder"},
          o.config);
    field({.name = "threads",
           .help = "Threads; 0: OMP_NUM_THREADS or all cores. Changes no result",
           .low = 0,
           .high = 4096},
          o.threads);
    field({.name = "device", .help = kDeviceHelp, .words = device_words}, o.device);
    field({.name = "stop-at",
           .help = "Save and stop after this step; 0: do not stop",
           .low = 0,
           .high = kManySteps},
          o.stop_at);
    field({.name = "timeout",
           .help = "Of several processes (mpirun): seconds that one waits for the others before it "
                   "ends them all",
           .low = 1,
           .high = kManySteps},
          o.timeout);
    field({.name = "resume", .help = "Continue the run in the folder"}, o.resume);
    field({.name = "force", .help = "Start over in a folder that holds a run"}, o.force);
    field({.name = "progress", .help = "Form of the progress on stderr", .words = progress_words},
          o.progress);
    field({.name = "quiet", .help = "Print no progress and no notes"}, o.quiet);
    field({.name = "json", .help = "Print the result as JSON: an object, or an array of several"},
          o.json);
    field({.name = "profile",
           .help = "Measure time, bytes and calls of every op: a table and profile.csv; validates "
                   "and tests only if --eval-every is given, or the run is one of several"},
          o.profile);
    field({.name = "list", .help = "Print all recipes, and stop"}, o.list);
    field({.name = "print-config", .help = "Print the configuration and stop"}, o.print_config);
  }
};

}  // namespace skiff
