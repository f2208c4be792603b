// The options of evaluate.
#pragma once

#include <string>
#include <vector>

#include "examples/train/inference.h"

namespace skiff {

std::vector<std::string> labelled_splits();  // the words of --split

struct EvaluateOptions {
  std::vector<std::string> runs;
  std::string data, split = "all", svg, predictions;
  int64_t limit = 0, batch_size = 0, max_length = 0;
  bool quiet = false;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "data",
           .help = "Folder of the data (or $SKIFF_DATA, $DATA_PATH; else that of the training, or "
                   "'data')"},
          o.data);
    field({.name = "split",
           .help = "Which examples; several runs are compared on one split",
           .words = labelled_splits},
          o.split);
    field({.name = "limit", .help = "Examples per split, evenly spread; 0: all", .low = 0},
          o.limit);
    field(
        {.name = "max-length",
         .help = "Longest sequence in positions, end mark included; longer ones are cut. 0: as in "
                 "training",
         .low = 0,
         .high = 1e7},
        o.max_length);
    field(
        {.name = "batch-size",
         .help = "Examples per batch; 0: as in training. A model without --mask-padding reads the "
                 "padding, so that its scores depend on the batch",
         .low = 0,
         .high = 1e6},
        o.batch_size);
    field({.name = "svg",
           .help = "File of the confusion matrix, confusion-SPLIT.svg in the run folder if not "
                   "given; of several runs, file of the chart of their differences"},
          o.svg);
    field({.name = "predictions",
           .help = "File to write, of one run on one split: a row per example, with its label and "
                   "the predicted class"},
          o.predictions);
    field({.name = "quiet", .help = "Print no progress"}, o.quiet);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

}  // namespace skiff
