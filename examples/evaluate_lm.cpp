// Scores the language model of a run on a text: losses by a rule, in windows of any length.
// Run:     build/cpu/evaluate_lm runs/input-tiny-fd-1 --extrapolate 1,2,4,8
//          build/cpu/evaluate_lm runs/fd runs/ski runs/tno --extrapolate 1,4,16 --svg mixers.svg
//          build/cpu/evaluate_lm runs/input-tiny-fd-1 --eval-rule sliding --eval-stride 32
// Expect:  a row per split; with --extrapolate, a row per length and extrapolation.svg in the folder
#include "examples/language/evaluate_runs.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"

using namespace skiff;

int main(int argc, char** argv) {
  EvaluateLmOptions options;
  Flags flags("Scores a language model on a text.", "evaluate_lm");
  flags.positional("run", options.runs, "Run folders of train_lm, or checkpoints");
  flags.add(options);
  flags.footer("Example:\n  evaluate_lm runs/input-tiny-fd-1 --extrapolate 1,2,4,8,16,28");
  return run_program(argc, argv, flags, [&] { return evaluate_runs(options); });
}
