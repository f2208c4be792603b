// Heat maps and confusion matrices.
#include <algorithm>
#include <cstdio>

#include "core/check.h"
#include "examples/charts/charts.h"

namespace skiff::charts {
namespace {

constexpr double kWidth = 360, kLeft = 22, kTop = 22;

std::string rectangle(const std::string& classes, double x, double y, double width, double height) {
  return "<rect class=\"" + classes + "\" x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) +
         "\" width=\"" + coordinate(width) + "\" height=\"" + coordinate(height) + "\"/>";
}

double limit_of(const HeatMap& m) {
  double limit = m.limit;
  if (limit == 0)
    for (const double v : m.values) limit = std::max(limit, std::abs(v));
  return limit == 0 ? 1 : limit;
}

// Cells of one colour are one path, runs along a row one rectangle.
std::string paths_of(const HeatMap& m) {
  const double limit = limit_of(m);
  std::vector<std::string> paths(15);
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.columns;) {
      const auto level = [&](int64_t column) {
        const double v = m.values[size_t(i * m.columns + column)] / limit;
        return int(std::lround(std::clamp(v, -1.0, 1.0) * 7)) + 7;
      };
      const int q = level(j);
      int64_t end = j + 1;
      while (end < m.columns && level(end) == q) ++end;
      if (q != 7)
        paths[size_t(q)] += "M" + std::to_string(j) + " " + std::to_string(i) + "h" +
                            std::to_string(end - j) + "v1H" + std::to_string(j);
      j = end;
    }
  std::string s;
  for (int q = 0; q < 15; ++q)
    if (!paths[size_t(q)].empty())
      s += "<path class=\"q" + std::to_string(q) + "\" d=\"" + paths[size_t(q)] + "\"/>";
  return s;
}

// The scale of colours, from -limit to limit.
std::string color_bar(double y, double limit) {
  char rounded[32];
  std::snprintf(rounded, sizeof rounded, "%.2g", limit);
  const double end = std::strtod(rounded, nullptr), width = kWidth - kLeft, step = width / 15;
  std::string s;
  for (int q = 0; q < 15; ++q)
    s += rectangle("q" + std::to_string(q), kLeft + q * step, y, step + 0.3, 9);
  s += rectangle("edge", kLeft, y, width, 9);
  const std::string base = "\" y=\"" + coordinate(y + 23) + "\">";
  return s + "<text x=\"" + coordinate(kLeft) + base + short_number(-end) +
         "</text><text text-anchor=\"middle\" x=\"" + coordinate(kLeft + width / 2) + base +
         "0</text><text text-anchor=\"end\" x=\"" + coordinate(kWidth) + base + short_number(end) +
         "</text>\n";
}

}  // namespace

std::string cells(const HeatMap& m, double side) {
  const double width = side * double(m.columns), height = side * double(m.rows);
  char scale[32];
  std::snprintf(scale, sizeof scale, "%.5g", side);
  return rectangle("q7", 0, 0, width, height) +
         "<g shape-rendering=\"crispEdges\" transform=\"scale(" + scale + ")\">" + paths_of(m) +
         "</g>" + rectangle("edge", 0, 0, width, height) + "\n";
}

std::string svg(const HeatMap& m) {
  const double side = (kWidth - kLeft) / double(m.columns), height = side * double(m.rows);
  std::string s = "<text x=\"" + coordinate(kLeft) + "\" y=\"14\">" + escaped(m.column_label) +
                  " →</text><text text-anchor=\"end\" transform=\"translate(13 " +
                  coordinate(kTop) + ") rotate(-90)\">← " + escaped(m.row_label) +
                  "</text>\n<g transform=\"translate(" + coordinate(kLeft) + " " +
                  coordinate(kTop) + ")\">" + cells(m, side) + "</g>\n";
  for (const Outline& o : m.outlines) {
    const double x = kLeft + o.column * side, y = kTop + o.row * side;
    s += rectangle("mark", x, y, o.columns * side, o.rows * side) + "<text class=\"b halo\" x=\"" +
         coordinate(x + 5) + "\" y=\"" + coordinate(y + 14) + "\">" + escaped(o.word) + "</text>\n";
  }
  if (m.bar) s += color_bar(kTop + height + 12, limit_of(m));
  return element(kWidth, kTop + height + (m.bar ? 44 : 4), s);
}

std::string confusion_matrix_svg(const std::vector<std::vector<int64_t>>& counts,
                                 const std::vector<std::string>& classes,
                                 const std::string& title) {
  const size_t n = classes.size();
  check(counts.size() == n, "confusion_matrix_svg: ", n, " classes need as many rows, got ",
        counts.size());
  size_t longest = 1;
  for (const std::string& name : classes) longest = std::max(longest, name.size());
  const double names = 7.2 * double(longest) + 14, side = n <= 4 ? 72 : n <= 12 ? 48 : 34;
  const double left = names + 22, top = 64, below = longest > 5 ? names : 24;
  std::string s = "<text class=\"b\" x=\"10\" y=\"20\">" + escaped(title) + "</text>\n<text x=\"" +
                  coordinate(left) + "\" y=\"" + coordinate(top - 12) +
                  "\">count, coloured by its share of the row</text>\n"
                  "<text text-anchor=\"middle\" transform=\"translate(16 " +
                  coordinate(top + side * double(n) / 2) + ") rotate(-90)\">true class</text>\n";
  for (size_t i = 0; i < n; ++i) {
    check(counts[i].size() == n, "confusion_matrix_svg: row ", i, " must have ", n, " counts, got ",
          counts[i].size());
    const double y = top + side * double(i);
    int64_t total = 0;
    for (const int64_t count : counts[i]) total += count;
    s += "<text class=\"v\" text-anchor=\"end\" x=\"" + coordinate(left - 8) + "\" y=\"" +
         coordinate(y + side / 2 + 4) + "\">" + escaped(classes[i]) + "</text>";
    const double at = left + side * (double(i) + 0.5), foot = top + side * double(n) + 16;
    s += longest > 5 ? "<text class=\"v\" text-anchor=\"end\" transform=\"translate(" +
                           coordinate(at + 4) + " " + coordinate(foot - 8) + ") rotate(-90)\">"
                     : "<text class=\"v\" text-anchor=\"middle\" x=\"" + coordinate(at) +
                           "\" y=\"" + coordinate(foot) + "\">";
    s += escaped(classes[i]) + "</text>\n";
    for (size_t j = 0; j < n; ++j) {
      const double x = left + side * double(j);
      const double share = total > 0 ? double(counts[i][j]) / double(total) : 0;
      s += "<g fill-opacity=\"" + coordinate(0.75 * share) + "\">" +
           rectangle("f0", x, y, side, side) + "</g>" + rectangle("edge", x, y, side, side) +
           "<text class=\"v\" text-anchor=\"middle\" x=\"" + coordinate(x + side / 2) + "\" y=\"" +
           coordinate(y + side / 2 + 4) + "\">" + std::to_string(counts[i][j]) + "</text>\n";
    }
  }
  const double width = left + side * double(n) + 16, height = top + side * double(n) + below + 22;
  s += "<text text-anchor=\"middle\" x=\"" + coordinate(left + side * double(n) / 2) + "\" y=\"" +
       coordinate(height - 8) + "\">predicted class</text>\n";
  return document(title, std::max({width, 7.5 * double(title.size()) + 20, left + 290}), height, s);
}

}  // namespace skiff::charts
