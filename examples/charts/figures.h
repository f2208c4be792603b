// Figures as inline SVG, coloured by the style of the page they stand in (page.h): line charts with
// linear or logarithmic axes, and heat maps of matrices. Sizes are those of a phone's width, so
// that text keeps its size there.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "examples/report/dense.h"
#include "examples/report/page.h"

namespace skiff::figure {

struct Series {
  std::string name;
  std::vector<double> x, y;  // a NaN leaves a gap; on a logarithmic axis what is not positive, too
  int color = 0;             // 0 .. 5
  enum Kind { Line, Dashed, Guide, Points, Stems } kind = Line;
};

struct Mark {  // a vertical line with a word at its top
  double x;
  std::string word;
};

struct Chart {
  std::string caption;  // markup: what is to be seen
  std::string label;    // plain: what it is, for those who cannot see it
  std::string x_label, y_label;
  std::vector<Series> series = {};
  bool log_x = false, log_y = false, percent = false;
  double x0 = NAN, x1 = NAN, y0 = NAN, y1 = NAN;  // limits; NaN: from the data
  std::vector<Mark> marks = {};
  double height = 250;
};

inline std::string fixed(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", v);
  std::string s = text;
  while (s.back() == '0') s.pop_back();
  if (s.back() == '.') s.pop_back();
  return s == "-0" ? "0" : s;
}

// 10 with an exponent in small figures.
inline std::string power_of_ten(int e) {
  static const char* const digit[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  if (e >= 0 && e <= 3) return std::to_string(int(std::lround(std::pow(10, e))));
  if (e == -1) return "0.1";
  std::string s = "10", number = std::to_string(std::abs(e));
  if (e < 0) s += "⁻";
  for (const char c : number) s += digit[c - '0'];
  return s;
}

struct Tick {
  double at;
  std::string text;
};

inline std::string short_number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  std::string s = text;
  if (s[0] == '-') s = "−" + s.substr(1);
  return s;
}

inline std::vector<Tick> linear_ticks(double low, double high, int about) {
  const double raw = std::max(high - low, 1e-300) / about,
               power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double f : {1.0, 2.0, 5.0})
    if (raw <= f * power * (1 + 1e-9)) {
      step = f * power;
      break;
    }
  std::vector<Tick> ticks;
  for (double i = std::ceil(low / step - 1e-9); i <= high / step + 1e-9; ++i)
    ticks.push_back({i * step, short_number(i == 0 ? 0 : i * step)});
  return ticks;
}

inline std::vector<Tick> log_ticks(double low, double high, int most) {
  const int first = int(std::ceil(std::log10(low) - 1e-9)),
            last = int(std::floor(std::log10(high) + 1e-9));
  std::vector<Tick> ticks;
  if (last - first >= 2) {
    const int every = (last - first) / most + 1;
    for (int e = first; e <= last; ++e)
      if ((e - last) % every == 0) ticks.push_back({std::pow(10, e), power_of_ten(e)});
    return ticks;
  }
  for (int e = first - 1; e <= last; ++e)
    for (const double f : {1.0, 2.0, 5.0}) {
      const double at = f * std::pow(10, e);
      if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9))
        ticks.push_back({at, short_number(at)});
    }
  return ticks;
}

// Sizes of sequences: powers of two read better than powers of ten.
inline std::vector<Tick> octave_ticks(double low, double high) {
  std::vector<Tick> ticks;
  const int first = int(std::ceil(std::log2(low) - 1e-9)),
            last = int(std::floor(std::log2(high) + 1e-9));
  const int every = (last - first) / 6 + 1;
  for (int e = first; e <= last; e += every)
    ticks.push_back({std::exp2(e), short_number(std::exp2(e))});
  return ticks;
}

inline std::string swatch(const Series& s) {
  const std::string c = std::to_string(s.color);
  std::string mark;
  if (s.kind == Series::Points)
    mark = "<circle class=\"f" + c + "\" cx=\"14\" cy=\"6\" r=\"3.4\"/>";
  else if (s.kind == Series::Stems)
    mark = "<path class=\"s c" + c + "\" d=\"M14 12V4\"/><circle class=\"f" + c +
           "\" cx=\"14\" cy=\"4\" r=\"2.6\"/>";
  else
    mark = std::string("<path class=\"s ") + (s.kind == Series::Guide ? "guide" : "c" + c) +
           (s.kind == Series::Dashed ? " dash" : "") + "\" d=\"M1 6H27\"/>";
  return "<svg viewBox=\"0 0 28 12\" aria-hidden=\"true\">" + mark + "</svg>";
}

inline std::string with_caption(const std::string& svg, const std::string& legend,
                                const std::string& caption) {
  return "<figure>\n" + svg + legend + "<figcaption>" + caption + "</figcaption></figure>\n";
}

inline std::string svg_open(double width, double height, const std::string& label) {
  return "<svg viewBox=\"0 0 " + fixed(width) + " " + fixed(height) +
         "\" role=\"img\" aria-label=\"" + html(label) + "\">\n";
}

inline std::string chart(const Chart& c) {
  constexpr double width = 360, left = 56, right = 14;
  const double top = c.marks.empty() ? 24 : 40, bottom = 43, height = c.height;
  const auto shown = [&](const Series& s, size_t i) {
    return std::isfinite(s.y[i]) && std::isfinite(s.x[i]) && (!c.log_y || s.y[i] > 0) &&
           (!c.log_x || s.x[i] > 0);
  };
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (const Series& s : c.series)
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!shown(s, i)) continue;
      x0 = std::min(x0, s.x[i]), x1 = std::max(x1, s.x[i]);
      if (s.kind == Series::Guide) continue;
      y0 = std::min(y0, s.y[i]), y1 = std::max(y1, s.y[i]);
    }
  if (!(x1 > x0)) x0 = c.log_x ? 1 : 0, x1 = 10;
  if (!(y1 > y0)) {
    const double middle = std::isfinite(y0) ? y0 : 1;
    y0 = c.log_y ? middle / 3 : middle - 1, y1 = c.log_y ? middle * 3 : middle + 1;
  }
  if (c.log_y) {
    const double room = std::pow(y1 / y0, 0.06);
    y0 /= room, y1 *= room;
  } else {
    const double room = (y1 - y0) * 0.07;
    const bool from_zero = y0 >= 0 && y0 < (y1 - y0) * 0.3;
    y0 = from_zero ? 0 : y0 - room, y1 += room;
  }
  if (std::isfinite(c.x0)) x0 = c.x0;
  if (std::isfinite(c.x1)) x1 = c.x1;
  if (std::isfinite(c.y0)) y0 = c.y0;
  if (std::isfinite(c.y1)) y1 = c.y1;
  const double w = width - left - right, h = height - top - bottom;
  const auto along = [](double v, double a, double b, bool logarithmic) {
    return logarithmic ? std::log(v / a) / std::log(b / a) : (v - a) / (b - a);
  };
  const auto sx = [&](double x) { return left + w * along(x, x0, x1, c.log_x); };
  const auto sy = [&](double y) { return top + h * (1 - along(y, y0, y1, c.log_y)); };

  std::string s = svg_open(width, height, c.label);
  for (const Tick& t : c.log_y ? log_ticks(y0, y1, 6) : linear_ticks(y0, y1, 5)) {
    const std::string text = c.percent ? fixed(100 * t.at) + " %" : t.text;
    s += "<path class=\"grid\" d=\"M" + fixed(left) + " " + fixed(sy(t.at)) + "H" +
         fixed(left + w) + "\"/><text text-anchor=\"end\" x=\"" + fixed(left - 6) + "\" y=\"" +
         fixed(sy(t.at) + 4) + "\">" + text + "</text>\n";
  }
  const bool octaves = c.log_x && x0 >= 1 && x1 / x0 <= 1100;
  double last_end = -INFINITY;
  for (const Tick& t : octaves   ? octave_ticks(x0, x1)
                       : c.log_x ? log_ticks(x0, x1, 6)
                                 : linear_ticks(x0, x1, 6)) {
    const double at = sx(t.at), half = 3.7 * double(t.text.size());
    s += "<path class=\"axis\" d=\"M" + fixed(at) + " " + fixed(top + h) + "v4\"/>";
    if (at - half < last_end + 4) continue;
    last_end = at + half;
    s += "<text text-anchor=\"middle\" x=\"" + fixed(at) + "\" y=\"" + fixed(top + h + 18) + "\">" +
         t.text + "</text>\n";
  }
  s += "<path class=\"axis\" d=\"M" + fixed(left) + " " + fixed(top + h) + "H" + fixed(left + w) +
       "\"/>\n";
  if (!c.log_y && y0 < 0 && y1 > 0)
    s += "<path class=\"axis\" d=\"M" + fixed(left) + " " + fixed(sy(0)) + "H" + fixed(left + w) +
         "\" opacity=\".6\"/>\n";
  s += "<text text-anchor=\"end\" x=\"" + fixed(left + w) + "\" y=\"" + fixed(height - 6) + "\">" +
       html(c.x_label) + "</text><text x=\"2\" y=\"12\">" + html(c.y_label) + "</text>\n";
  for (const Mark& m : c.marks) {
    const double at = sx(m.x);
    const char* anchor = at > left + w - 30 ? "end" : at < left + 30 ? "start" : "middle";
    s += "<path class=\"thin\" d=\"M" + fixed(at) + " " + fixed(top - 3) + "V" + fixed(top + h) +
         "\"/><text class=\"v\" text-anchor=\"" + anchor + "\" x=\"" + fixed(at) + "\" y=\"" +
         fixed(top - 7) + "\">" + html(m.word) + "</text>\n";
  }
  const auto clip = [&](double y) { return std::clamp(y, top - 2, top + h + 2); };
  for (const Series& line : c.series) {
    const std::string color = std::to_string(line.color);
    if (line.kind == Series::Points || line.kind == Series::Stems) {
      const double foot = c.log_y ? top + h : sy(std::clamp(0.0, y0, y1));
      std::string dots, stems;
      for (size_t i = 0; i < line.x.size(); ++i) {
        if (!shown(line, i) || (c.log_y && line.y[i] < y0)) continue;
        const std::string x = fixed(sx(line.x[i])), y = fixed(clip(sy(line.y[i])));
        if (line.kind == Series::Stems) stems += "M" + x + " " + fixed(foot) + "V" + y;
        dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"" +
                (line.x.size() > 40 ? "1.9" : "2.7") + "\"/>";
      }
      if (!stems.empty())
        s += "<path class=\"s c" + color + "\" style=\"stroke-width:1.3\" d=\"" + stems + "\"/>";
      s += "<g class=\"f" + color + "\">" + dots + "</g>\n";
      continue;
    }
    std::string d;
    bool pen = false;
    for (size_t i = 0; i < line.x.size(); ++i) {
      const bool here =
          shown(line, i) && (line.kind != Series::Guide || (line.y[i] >= y0 && line.y[i] <= y1));
      if (here) d += (pen ? "L" : "M") + fixed(sx(line.x[i])) + " " + fixed(clip(sy(line.y[i])));
      pen = here;
    }
    s += std::string("<path class=\"s ") + (line.kind == Series::Guide ? "guide" : "c" + color) +
         (line.kind == Series::Dashed ? " dash" : "") + "\" d=\"" + d + "\"/>\n";
  }
  s += "</svg>\n";
  std::string legend;
  for (const Series& line : c.series)
    if (!line.name.empty()) legend += "<li>" + swatch(line) + html(line.name) + "</li>";
  if (!legend.empty()) legend = "<ul class=\"legend\">" + legend + "</ul>\n";
  return with_caption(s, legend, c.caption);
}

struct Outline {  // a rectangle around cells, with a word inside at its top left
  double row, column, rows, columns;
  std::string word;
};

struct HeatMap {
  std::string caption, label;
  Matrix values = {};
  double limit = 0;  // colours reach from -limit to limit; 0: the largest entry
  std::string row_label = "row i", column_label = "column j";
  std::vector<Outline> outlines = {};
  bool bar = true;
};

// Cells of one colour are one path, runs along a row one rectangle.
inline std::string heat_map(const HeatMap& m) {
  const int64_t rows = m.values.rows, columns = m.values.columns;
  double limit = m.limit;
  if (limit == 0)
    for (const double v : m.values.at) limit = std::max(limit, std::abs(v));
  if (limit == 0) limit = 1;
  constexpr double width = 360, left = 22, top = 22;
  const double side = (width - left) / double(columns), h = side * double(rows);
  const double foot = m.bar ? 44 : 4;
  std::vector<std::string> paths(15);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns;) {
      const auto level = [&](int64_t column) {
        return int(std::lround(std::clamp(m.values(i, column) / limit, -1.0, 1.0) * 7)) + 7;
      };
      const int q = level(j);
      int64_t end = j + 1;
      while (end < columns && level(end) == q) ++end;
      if (q != 7)
        paths[size_t(q)] += "M" + std::to_string(j) + " " + std::to_string(i) + "h" +
                            std::to_string(end - j) + "v1H" + std::to_string(j);
      j = end;
    }
  std::string s = svg_open(width, top + h + foot, m.label);
  s += "<text x=\"" + fixed(left) + "\" y=\"14\">" + html(m.column_label) +
       " →</text><text text-anchor=\"end\" transform=\"translate(13 " + fixed(top) +
       ") rotate(-90)\">← " + html(m.row_label) + "</text>\n";
  s += "<rect class=\"q7\" x=\"" + fixed(left) + "\" y=\"" + fixed(top) + "\" width=\"" +
       fixed(width - left) + "\" height=\"" + fixed(h) +
       "\"/><g shape-rendering=\"crispEdges\" transform=\"translate(" + fixed(left) + " " +
       fixed(top) + ") scale(" + formatted("%.5g", side) + ")\">";
  for (int q = 0; q < 15; ++q)
    if (!paths[size_t(q)].empty())
      s += "<path class=\"q" + std::to_string(q) + "\" d=\"" + paths[size_t(q)] + "\"/>";
  s += "</g><rect class=\"edge\" x=\"" + fixed(left) + "\" y=\"" + fixed(top) + "\" width=\"" +
       fixed(width - left) + "\" height=\"" + fixed(h) + "\"/>\n";
  for (const Outline& o : m.outlines)
    s += "<rect class=\"mark\" x=\"" + fixed(left + o.column * side) + "\" y=\"" +
         fixed(top + o.row * side) + "\" width=\"" + fixed(o.columns * side) + "\" height=\"" +
         fixed(o.rows * side) + "\"/><text class=\"b halo\" x=\"" +
         fixed(left + o.column * side + 5) + "\" y=\"" + fixed(top + o.row * side + 14) + "\">" +
         html(o.word) + "</text>\n";
  if (m.bar) {
    const double y = top + h + 12, step = (width - left) / 15;
    for (int q = 0; q < 15; ++q)
      s += "<rect class=\"q" + std::to_string(q) + "\" x=\"" + fixed(left + q * step) + "\" y=\"" +
           fixed(y) + "\" width=\"" + fixed(step + 0.3) + "\" height=\"9\"/>";
    s += "<rect class=\"edge\" x=\"" + fixed(left) + "\" y=\"" + fixed(y) + "\" width=\"" +
         fixed(width - left) + "\" height=\"9\"/><text x=\"" + fixed(left) + "\" y=\"" +
         fixed(y + 23) + "\">" + short_number(-std::stod(formatted("%.2g", limit))) +
         "</text><text text-anchor=\"middle\" x=\"" + fixed(left + (width - left) / 2) + "\" y=\"" +
         fixed(y + 23) + "\">0</text><text text-anchor=\"end\" x=\"" + fixed(width) + "\" y=\"" +
         fixed(y + 23) + "\">" + short_number(std::stod(formatted("%.2g", limit))) + "</text>\n";
  }
  return with_caption(s + "</svg>\n", "", m.caption);
}

}  // namespace skiff::figure
