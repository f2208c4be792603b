// Several tasks with every mixer: one table, results.csv and results.svg.
#pragma once

#include "examples/train/options.h"

namespace skiff {

// Every task takes its own recipe, of which only the numbers below may be replaced. Returns the
// exit code of the worst run; one that fails does not keep the others from running.
int run_several(const CommandLine& asked);

}  // namespace skiff
