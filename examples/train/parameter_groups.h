// Which parameters decay, and at which rate they are trained (--decaying, --kernel-lr).
#pragma once

#include <functional>

#include "examples/train/run_options.h"
#include "layers/parameters.h"

namespace skiff {

// Empty: all. `embedding`: the name of an embedding that does not count as a matrix; "": none.
std::function<bool(const Parameter&)> decaying_of(Decaying decaying, const std::string& embedding);

// lr of a parameter / lr; empty: 1 for all.
std::function<double(const Parameter&)> rates_of(double kernel_lr);

}  // namespace skiff
