// --stages: one run that trains in stages, such as on short expressions before long ones. A stage
// begins with the last weights of the one before it and with what its optimizer and average keep;
// its learning rate has a warm-up and a course of its own. Every stage is a run folder, so stopping
// and resuming are those of a run.
//
// The file is a table. Its first row names options, each other row holds their values in a stage;
// '-' leaves the value of the command line:
//
//   data    longest  batch-size  steps  lr    warmup
//   data/A  150      64          8000   3e-3  300
//   data/D  -        48          18000  2e-3  200
#pragma once

#include "examples/train/options.h"

namespace skiff {

// OUT/stage-1, OUT/stage-2 .. are the run folders; OUT/metrics.csv and OUT/curves.svg count the
// steps of all stages through, OUT/stages.csv is the table that is printed at the end. Returns the
// exit code.
int run_stages(const CommandLine& asked);

}  // namespace skiff
