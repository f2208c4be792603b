// The version of the project: what --version says, checkpoints record and skiff.pc states.
#pragma once

namespace skiff {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace skiff
