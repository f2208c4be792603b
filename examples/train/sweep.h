// --sweep: a run for every combination of some values of options, one after the other.
//
// The file has a row per option: its name, and the values it takes. The last row changes fastest:
//
//   mixer  ski tno fd conv none
//   lr     1e-3 2e-3 4e-3
//   seed   1 2 3
//
// Every run has the steps that the options say or, with a row "minutes 5", as many as it can take
// in five minutes of training, by the speed of a few steps before it. That number is kept in its
// configuration, so that a resumed sweep has the same runs.
#pragma once

#include "examples/train/options.h"

namespace skiff {

// Prints a line per run and, sorted by the accuracy on validation, the table OUT/sweep.csv; a chart
// per option is in OUT/sweep.svg. A run that fails does not keep the others from running. Returns
// the exit code of the worst.
int run_sweep(const CommandLine& asked);

}  // namespace skiff
