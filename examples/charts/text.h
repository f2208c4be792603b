// Words of a drawing.
#pragma once

#include <string>

#include "examples/charts/charts.h"

namespace skiff::charts {

// anchor: "start", "middle" or "end", which lies at x.
inline std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return std::string("<text text-anchor=\"") + anchor + "\" x=\"" + coordinate(x) + "\" y=\"" +
         coordinate(y) + "\">" + escaped(text) + "</text>\n";
}

}  // namespace skiff::charts
