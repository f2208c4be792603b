// Scores the model of a run on labelled data: accuracy, loss, and a table and a picture of which
// classes it takes for which. Compares several runs: mean of the seeds, differences with intervals.
// Run:     build/cpu/evaluate runs/listops-tiny-ski-1 --data data --split test
//          build/cpu/evaluate runs/tno-1 runs/tno-2 runs/ski-1 runs/ski-2 --split test
// Expect:  one row per split, one per class, and confusion-test.svg in the run folder; of several
//          runs one row per setting
#include "examples/evaluate/comparison.h"
#include "examples/evaluate/scores.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/train/checkpoint.h"

using namespace skiff;

int main(int argc, char** argv) {
  EvaluateOptions options;
  Flags flags("Scores trained models on labelled data, and compares them.", "evaluate");
  flags.positional("run", options.runs,
                   "Run folders of train_lra, folders of several runs, or checkpoints");
  flags.add(options);
  flags.footer(
      "Examples:\n  evaluate runs/text-small-ski-1 --data data --split test\n"
      "  evaluate runs/tno-1 runs/tno-2 runs/ski-1 runs/ski-2 --data data --split test\n"
      "precision: share of the predictions of this class that are right; recall: share of the\n"
      "examples of this class that were found. Several runs: those that differ in the seed alone\n"
      "are one row; the interval of a difference is of the examples, in pairs, not of the seeds.");
  return run_program(argc, argv, flags, [&] {
    options.runs = runs_in(options.runs);
    return options.runs.size() == 1 ? evaluate_run(options) : compare_runs(options);
  });
}
