// Words of a drawing.
#pragma once

#include <string>

#include "examples/charts/charts.h"

namespace skiff::charts {

enum class Anchor { Start, Middle, End };  // which part of the text lies at x

// classes: of the style sheet, with blanks between them.
inline std::string text_at(double x, double y, const std::string& text,
                           Anchor anchor = Anchor::Start, const std::string& classes = "") {
  std::string s = "<text";
  if (!classes.empty()) s += " class=\"" + classes + "\"";
  if (anchor != Anchor::Start)
    s += std::string(" text-anchor=\"") + (anchor == Anchor::Middle ? "middle" : "end") + "\"";
  return s + " x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\">" + escaped(text) +
         "</text>\n";
}

}  // namespace skiff::charts
