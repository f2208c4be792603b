// The curves of a run and the bubbles of several, by the charts of charts.h.
#pragma once

#include "examples/charts/charts.h"

namespace skiff::plot {

struct Line {
  std::string name;
  std::vector<double> x, y;  // a NaN leaves a point out
  bool dashed = false;
};

struct Panel {
  std::string title, x_label;
  std::vector<Line> lines;
  bool percent = false;  // y is a share: ticks in %
};

inline std::string svg(const std::string& title, const std::vector<Panel>& panels) {
  std::vector<charts::Chart> all;
  for (const Panel& p : panels) {
    charts::Chart c{
        .title = p.title, .x_label = p.x_label, .percent = p.percent, .width = 460, .height = 300};
    for (const Line& line : p.lines)
      c.series.push_back({line.name, line.x, line.y, int(c.series.size()),
                          line.dashed ? charts::Series::Dashed : charts::Series::Line});
    all.push_back(c);
  }
  return charts::file(title, all);
}

using charts::Bubble;
inline std::string bubbles(const std::string& title, const std::string& x_label,
                           const std::vector<Bubble>& points,
                           const std::vector<std::string>& groups) {
  return charts::bubbles_svg(title, x_label, points, groups);
}

}  // namespace skiff::plot
