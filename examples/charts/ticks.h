// Axes: where a value is drawn, and the round numbers beside it.
#pragma once

#include <string>
#include <vector>

namespace skiff::charts {

struct Axis {
  double low, high;  // values
  double from, to;   // their coordinates
  bool logarithmic = false;
  double at(double value) const;
};

struct Tick {
  double at;
  std::string text;
};

// Round steps of 1, 2 or 5 times a power of ten, about as many as asked for; on a logarithmic axis
// powers of ten, of two for sizes of sequences (`octaves`), or 1, 2, 5 within a few decades.
std::vector<Tick> ticks(const Axis& axis, int about, bool octaves = false);

}  // namespace skiff::charts
