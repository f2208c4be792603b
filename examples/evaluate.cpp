// Scores the model of a run on labelled data: accuracy, loss, and a table and a picture of which
// classes it takes for which.
// Run:     build/cpu/evaluate runs/listops-tiny-ski-1 --data data --split test
// Expect:  one row per split and one per class; confusion-test.svg in the run folder
#include <cstdio>

#include "examples/train/confusion.h"
#include "examples/train/device.h"
#include "examples/train/flags.h"
#include "examples/train/program.h"

using namespace skiff;

int main(int argc, char** argv) {
  EvaluateOptions options;
  Flags flags("Scores a trained model on labelled data.", "evaluate");
  flags.positional("run", options.run, "Run folder of train_lra, or a checkpoint of one");
  flags.add(options);
  flags.footer(
      "Example:\n  evaluate runs/text-small-ski-1 --data data --split test\n"
      "precision: share of the examples predicted as this class that belong to it; recall: share\n"
      "of the examples of this class that were found.");
  return run_program(argc, argv, flags, [&] { return evaluate_run(options); });
}
