// Several runs on the same examples: which setting is better, and how sure that is.
#pragma once

#include "examples/evaluate/options.h"

namespace skiff {

// Evaluates all runs on one split: a table with a row per setting (settings.h), or a JSON object.
// The setting of the first run is the one that the others are compared with. Another name of a
// checkpoint that was named before is left out. UsageError for --split all; DataError for runs of
// different tasks or on different examples.
int compare_runs(const EvaluateOptions& o);

}  // namespace skiff
