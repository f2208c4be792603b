// Tables of strings as numpy.save() writes them (.npy, version 1.0), which is how the authors'
// Pathfinder generator keeps its metadata.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace skiff {

// Whether the bytes begin like a .npy file.
bool is_npy(std::string_view bytes);

// Calls take(row) for each row of a two-dimensional array of dtype <U or S, in UTF-8. Throws
// DataError "<name>: <reason>", also for fewer than min_columns (1 or more) columns.
void read_npy_strings(std::string_view bytes, const std::string& name, int64_t min_columns,
                      const std::function<void(const std::vector<std::string>&)>& take);

}  // namespace skiff
