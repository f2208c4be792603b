// Arrays of strings in NumPy's .npy format (numpy.lib.format, versions 1.0 to 3.0).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skiff {

// Whether the bytes begin like a .npy file.
bool is_npy(std::string_view bytes);

// The rows of a two-dimensional array of dtype U or S in row-major order, in UTF-8. Throws
// DataError "<name>: <reason>".
std::vector<std::vector<std::string>> read_npy_strings(std::string_view bytes,
                                                       const std::string& name);

}  // namespace skiff
