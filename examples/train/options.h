// Everything that describes a run of train_lra, as one tree: each option is one field of one
// struct, and flags, --help, config.toml, checkpoints and the comparison at --resume are loops over
// `visit` (core/options.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/options.h"
#include "data/pretraining.h"
#include "examples/train/command_line.h"
#include "examples/train/run_options.h"
#include "layers/options.h"

namespace skiff {

struct PretrainOptions {
  Pretrain objective = Pretrain::None;
  double mask_share = 0.15;
  int64_t train_examples = 0, shortest = 0, longest = 0;

  static constexpr const char* kTitle = "Pretraining, and which examples";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "pretrain",
           .help = "Train on the inputs of the task without its labels: masked positions (masked), "
                   "or the next one (causal, with --causal); none: train on labels. --init "
                   "continues from such a run"},
          o.objective);
    field({.name = "mask-share",
           .help = "--pretrain masked: share of the positions that are masked",
           .low = 0.001,
           .high = 0.999},
          o.mask_share);
    field({.name = "train-examples",
           .help = "Labelled examples to train on, equally many of each class, drawn by --seed; "
                   "0: all",
           .low = 0,
           .high = kManySteps},
          o.train_examples);
    field({.name = "shortest",
           .help = "Train and validate on examples of at least so many positions; the test keeps "
                   "all",
           .low = 0,
           .high = kManySteps},
          o.shortest);
    field(
        {.name = "longest",
         .help = "Train and validate on examples of at most so many positions, end mark included; "
                 "0: no limit",
         .low = 0,
         .high = kManySteps},
        o.longest);
  }
};

struct Options {
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  PretrainOptions pretrain;
  RunOptions run;

  static constexpr const char* kTitle = "Options";
  template <class Self, class Visitor>
  static void visit(Self& o, Visitor&& field) {
    field({.name = "data", .help = ""}, o.data);
    field({.name = "model", .help = ""}, o.model);
    field({.name = "train", .help = ""}, o.train);
    field({.name = "pretrain", .help = ""}, o.pretrain);
    field({.name = "run", .help = ""}, o.run);
  }
};

using CommandLine = Command<Options>;

inline bool pretrains(const Options& o) { return o.pretrain.objective != Pretrain::None; }

// Reads the command line of train_lra into `flags` and runs the body with it, as run_command()
// does.
int run_with_options(int argc, char** argv, Flags& flags,
                     const std::function<int(CommandLine&)>& body);

bool is_several(const std::string& task);  // "all", or names with commas between them
std::vector<std::string> several_tasks(const std::string& text);

// A sentence per option of the command line that changes nothing. UsageError for one that cannot be
// meant.
std::vector<std::string> options_without_effect(const CommandLine& c);

}  // namespace skiff
