// Points with intervals, one row each.
#include <algorithm>

#include "examples/charts/charts.h"
#include "examples/charts/text.h"
#include "examples/charts/ticks.h"

namespace skiff::charts {
namespace {

constexpr double kRow = 26, kTop = 44, kWidth = 760, kLetter = 7;  // units of the drawing

// From (x0, y0) to (x1, y1).
std::string line(const char* kind, double x0, double y0, double x1, double y1) {
  return std::string("<path class=\"") + kind + "\" d=\"M" + coordinate(x0) + " " + coordinate(y0) +
         "L" + coordinate(x1) + " " + coordinate(y1) + "\"/>\n";
}

double longest(const std::vector<IntervalRow>& rows, std::string IntervalRow::*text) {
  size_t most = 1;
  for (const IntervalRow& r : rows) most = std::max(most, (r.*text).size());
  return kLetter * double(most);
}

}  // namespace

std::string intervals_svg(const std::string& title, const std::string& x_label,
                          const std::vector<IntervalRow>& rows) {
  double least = 0, most = 0;
  for (const IntervalRow& r : rows)
    for (const double v : {r.middle, r.low, r.high})
      if (std::isfinite(v)) least = std::min(least, v), most = std::max(most, v);
  const double margin = most > least ? 0.08 * (most - least) : 0.01;
  const double left = 24 + longest(rows, &IntervalRow::name);
  const double right = std::max(left + 200, kWidth - 24 - longest(rows, &IntervalRow::text));
  const double width = right + 24 + longest(rows, &IntervalRow::text);
  const Axis x{least - margin, most + margin, left, right};
  const double bottom = kTop + kRow * double(rows.size());
  std::string s = "<text class=\"b\" x=\"12\" y=\"22\">" + escaped(title) + "</text>\n";
  for (const Tick& t : ticks(x, 6)) {
    s += line("grid", x.at(t.at), kTop, x.at(t.at), bottom);
    s += text_at(x.at(t.at), bottom + 18, short_number(100 * t.at) + " %", Anchor::Middle);
  }
  s += line("axis", x.at(0), kTop, x.at(0), bottom);
  s += text_at(right, bottom + 38, x_label, Anchor::End);
  for (size_t i = 0; i < rows.size(); ++i) {
    const IntervalRow& r = rows[i];
    const double y = kTop + kRow * (double(i) + 0.5);
    s += text_at(left - 12, y + 4, r.name, Anchor::End) + text_at(right + 12, y + 4, r.text);
    if (std::isfinite(r.low) && std::isfinite(r.high))
      s += line("s c0", x.at(r.low), y, x.at(r.high), y);
    if (std::isfinite(r.middle))
      s += "<circle class=\"f0\" cx=\"" + coordinate(x.at(r.middle)) + "\" cy=\"" + coordinate(y) +
           "\" r=\"4\"/>\n";
  }
  return document(title, width, bottom + 50, s);
}

}  // namespace skiff::charts
