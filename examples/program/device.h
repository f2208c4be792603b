// --device of the programs: where tensors live and ops compute.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"

namespace skiff {

inline constexpr const char* kDeviceHelp =
    "Where to compute: cpu, cuda, or auto: cuda where it can be used";

std::vector<std::string> device_words();  // those of --device

// `note` becomes the line that explains why auto is the CPU; "" otherwise.
Device device_named(const std::string& name, std::string& note);
Device device_named(const std::string& name);  // prints the note to stderr

}  // namespace skiff
