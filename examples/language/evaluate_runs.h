// What evaluate_lm does: scores language models of runs, also in windows of other lengths.
#pragma once

#include <string>
#include <vector>

#include "examples/language/evaluation.h"
#include "examples/train/inference.h"

namespace skiff {

std::vector<std::string> evaluated_splits();  // the words of --split

struct EvaluateLmOptions {
  std::vector<std::string> runs;
  std::string data, split = "val", svg, extrapolate;
  int64_t length = 0, limit = 0, batch_tokens = 4096;
  EvaluationOptions evaluation;
  bool quiet = false;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "data",
           .help = "The text; that of the run if not given. Another one is read in the units and "
                   "with the vocabulary of the run"},
          o.data);
    field({.name = "split",
           .help = "Which part of it; whole: the text as one, without splits",
           .words = evaluated_splits},
          o.split);
    field({.name = "limit", .help = "Tokens per split, from its beginning; 0: all", .low = 0},
          o.limit);
    field({.name = "length",
           .help = "Tokens of a window, or lags of the kernels of a stream; 0: as in training",
           .low = 0,
           .high = 1e7},
          o.length);
    field({.name = "evaluation", .help = ""}, o.evaluation);
    field({.name = "extrapolate",
           .help = "Score also in windows of these multiples of the length of training, such as "
                   "1,2,4,8,16,28"},
          o.extrapolate);
    field({.name = "svg",
           .help = "File of its curves; extrapolation.svg in the run folder if not given. Several "
                   "runs share one"},
          o.svg);
    field({.name = "batch-tokens",
           .help = "About how many tokens the model reads at once",
           .low = 1,
           .high = 1e9},
          o.batch_tokens);
    field({.name = "quiet", .help = "Print no progress"}, o.quiet);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

// Prints a table per run, or a line of JSON; the exit code.
int evaluate_runs(const EvaluateLmOptions& options);

}  // namespace skiff
