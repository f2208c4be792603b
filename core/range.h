// Ranges of whole numbers, and how a range is cut into parts.
#pragma once

#include <cstdint>

#include "core/check.h"

namespace skiff {

struct Range {  // first, first + 1, .., end - 1
  int64_t first = 0, end = 0;
  int64_t size() const { return end - first; }
  bool operator==(const Range&) const = default;
};

// Part i of 0 .. count-1 cut into `parts`: floor(i count / parts) .. floor((i+1) count / parts)
// - 1. Sizes differ by one at most; none is empty while parts <= count.
inline Range part_of(int64_t count, int64_t i, int64_t parts) {
  check(i >= 0 && i < parts, "part_of: a part of ", parts, " is needed, got ", i);
  return {i * count / parts, (i + 1) * count / parts};
}

}  // namespace skiff
