// A short text that tells data apart: a checkpoint keeps it, so that a run is not resumed on other
// examples than it was trained on.
#pragma once

#include <string>
#include <vector>

#include "data/task.h"

namespace skiff {

// The number of examples, and the CRC-32 of their elements and labels in order:
//   "96000 examples, CRC-32 1a2b3c4d"
std::string fingerprint(const std::vector<Example>& examples);

}  // namespace skiff
