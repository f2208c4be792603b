// The version of the project, which --version says and skiff.pc states, and what else decides the
// last bits of a computation.
#pragma once

#include <string>

namespace skiff {

inline constexpr const char* kVersion = "0.1.0";

// Compiler, vector instructions, FFT and the generator of random numbers.
std::string build_description();
// The same and the kernels that BLAS has chosen for this processor. Checkpoints record it: a run
// that goes on with another one may have other bits.
std::string bits_description();

}  // namespace skiff
