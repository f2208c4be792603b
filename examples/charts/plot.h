// Charts as SVG, for a browser: no scripts, no fonts of its own, light and dark.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

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

namespace detail {

inline std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  return text;
}

inline std::string escaped(const std::string& s) {
  std::string out;
  for (const char c : s)
    out += c == '<'   ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '&' ? "&amp;"
           : c == '"' ? "&quot;"
                      : std::string(1, c);
  return out;
}

// Round steps of 1, 2 or 5 times a power of ten: about five of them.
inline double tick_step(double range) {
  const double raw = std::max(range, 1e-12) / 5, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double f : {1.0, 2.0, 5.0})
    if (raw <= f * power) return f * power;
  return 10 * power;
}

inline std::string panel(const Panel& p, double left, double width, double height) {
  constexpr double margin_left = 58, margin_right = 26, top = 34, bottom = 62;
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (const Line& line : p.lines)
    for (size_t i = 0; i < line.x.size(); ++i) {
      if (!std::isfinite(line.y[i])) continue;
      x0 = std::min(x0, line.x[i]);
      x1 = std::max(x1, line.x[i]);
      y0 = std::min(y0, line.y[i]);
      y1 = std::max(y1, line.y[i]);
    }
  if (!(x1 >= x0)) x0 = y0 = 0, x1 = y1 = 1;
  if (x1 == x0) x1 = x0 + 1;
  const double step = tick_step(std::max(y1 - y0, 1e-9));
  y0 = std::floor(y0 / step) * step;
  y1 = std::max(std::ceil(y1 / step) * step, y0 + step);
  const double w = width - margin_left - margin_right, h = height - top - bottom;
  const auto sx = [&](double x) { return left + margin_left + (x - x0) / (x1 - x0) * w; };
  const auto sy = [&](double y) { return top + (y1 - y) / (y1 - y0) * h; };

  std::string s = "<text class='t' x='" + number(left + margin_left) + "' y='20'>" +
                  escaped(p.title) + "</text>\n";
  for (double y = y0; y <= y1 + step / 2; y += step) {
    const std::string at = number(sy(y));
    s += "<line class='g' x1='" + number(left + margin_left) + "' x2='" +
         number(left + width - margin_right) + "' y1='" + at + "' y2='" + at +
         "'/><text class='n' text-anchor='end' x='" + number(left + margin_left - 6) + "' y='" +
         number(sy(y) + 4) + "'>" +
         (p.percent ? number(std::round(y * 1000) / 10) + " %"
                    : number(std::abs(y) < step / 100 ? 0 : y)) +
         "</text>\n";
  }
  const double x_step = tick_step(x1 - x0);
  for (double x = std::ceil(x0 / x_step) * x_step; x <= x1 + x_step * 1e-9; x += x_step)
    s += "<text class='n' text-anchor='middle' x='" + number(sx(x)) + "' y='" +
         number(top + h + 18) + "'>" + number(x) + "</text>\n";
  s += "<text class='n' text-anchor='end' x='" + number(left + width - margin_right) + "' y='" +
       number(top + h + 34) + "'>" + escaped(p.x_label) + "</text>\n";
  double legend = left + margin_left;
  for (size_t k = 0; k < p.lines.size(); ++k) {
    const Line& line = p.lines[k];
    const std::string style =
        "class='l c" + std::to_string(k % 4) + "'" + (line.dashed ? " stroke-dasharray='5 4'" : "");
    std::string points;
    int count = 0;
    for (size_t i = 0; i < line.x.size(); ++i)
      if (std::isfinite(line.y[i])) {
        points += number(sx(line.x[i])) + "," + number(sy(line.y[i])) + " ";
        ++count;
      }
    if (count == 1) {  // a polyline of one point draws nothing
      const size_t comma = points.find(',');
      s += "<circle " + style + " r='2' cx='" + points.substr(0, comma) + "' cy='" +
           points.substr(comma + 1, points.find(' ') - comma - 1) + "'/>\n";
    }
    s += "<polyline " + style + " points='" + points + "'/>\n";
    const std::string y = number(height - 14);
    s += "<line " + style + " x1='" + number(legend) + "' x2='" + number(legend + 22) + "' y1='" +
         y + "' y2='" + y + "'/><text class='n' x='" + number(legend + 28) + "' y='" +
         number(height - 10) + "'>" + escaped(line.name) + "</text>\n";
    legend += 44 + 7.2 * double(line.name.size());
  }
  return s;
}

}  // namespace detail

// Panels side by side.
inline std::string svg(const std::string& title, const std::vector<Panel>& panels) {
  constexpr double width = 460, height = 320;
  const std::string total = detail::number(width * double(panels.size()));
  std::string s = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " + total + " " +
                  detail::number(height) + "' width='" + total + "' role='img'>\n<title>" +
                  detail::escaped(title) +
                  "</title>\n<style>svg{background:#fff}"
                  "text{font-family:sans-serif;fill:#333}.t{font-size:14px;font-weight:600}"
                  ".n{font-size:12px}.g{stroke:#ddd}.l{fill:none;stroke-width:1.8}"
                  ".c0{stroke:#1f6feb}.c1{stroke:#d1580b}.c2{stroke:#777}.c3{stroke:#2a8a4a}"
                  "@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#ccc}"
                  ".g{stroke:#333}.c0{stroke:#6ea8fe}.c1{stroke:#ff9d5c}.c2{stroke:#999}"
                  ".c3{stroke:#6fce8f}}</style>\n";
  for (size_t i = 0; i < panels.size(); ++i)
    s += detail::panel(panels[i], width * double(i), width, height);
  return s + "</svg>\n";
}

// Times over sizes, both logarithmic.
struct ScalingLine {
  std::string name;
  std::vector<double> x, y, low, high;  // all > 0; low and high: a bar at each point, or empty
  bool dashed = false;
};

struct ScalingPanel {
  std::string title, x_label, y_label;
  std::vector<ScalingLine> lines;
};

namespace detail {

// Moves labels apart: at least `gap` between neighbours, in the same order, inside [top, bottom] as
// long as they fit.
inline std::vector<double> spread_labels(const std::vector<double>& wanted, double gap, double top,
                                         double bottom) {
  std::vector<size_t> order(wanted.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> at = wanted;
  double next = top;
  for (const size_t i : order) {
    at[i] = std::max(at[i], next);
    next = at[i] + gap;
  }
  next = bottom;
  for (size_t k = order.size(); k-- > 0;) {
    at[order[k]] = std::min(at[order[k]], next);
    next = at[order[k]] - gap;
  }
  return at;
}

inline std::string scaling_panel(const ScalingPanel& p, double left, double width, double height) {
  constexpr double margin_left = 64, margin_right = 130, top = 40, bottom = 54, gap = 15;
  double x0 = INFINITY, x1 = 0, y0 = INFINITY, y1 = 0;
  std::vector<double> sizes;
  for (const ScalingLine& line : p.lines)
    for (size_t i = 0; i < line.x.size(); ++i) {
      sizes.push_back(line.x[i]);
      x0 = std::min(x0, line.x[i]);
      x1 = std::max(x1, line.x[i]);
      y0 = std::min(y0, line.low.empty() ? line.y[i] : line.low[i]);
      y1 = std::max(y1, line.high.empty() ? line.y[i] : line.high[i]);
    }
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  if (!(x1 > 0)) x0 = y0 = 1, x1 = y1 = 10;

  // Guides start at the lowest point of the smallest size.
  std::vector<ScalingLine> guides;
  if (x1 > x0) {
    double start = INFINITY;
    for (const ScalingLine& line : p.lines)
      if (!line.dashed && line.x.front() == x0) start = std::min(start, line.y.front());
    if (!std::isfinite(start)) start = y0;
    const auto guide = [&](const std::string& name, auto growth) {
      ScalingLine line{.name = name, .x = {}, .y = {}, .low = {}, .high = {}};
      for (int i = 0; i <= 16; ++i) {
        line.x.push_back(x0 * std::pow(x1 / x0, i / 16.0));
        line.y.push_back(start * growth(line.x.back()) / growth(x0));
      }
      y1 = std::max(y1, line.y.back());
      guides.push_back(line);
    };
    guide("n", [](double n) { return n; });
    guide("n log n", [](double n) { return n * std::log(n); });
    guide("n\u00b2", [](double n) { return n * n; });
  } else {
    x0 /= 2, x1 *= 2;
  }
  y0 /= 1.3, y1 *= 1.3;
  const double w = width - margin_left - margin_right, h = height - top - bottom;
  const auto sx = [&](double x) {
    return left + margin_left + std::log(x / x0) / std::log(x1 / x0) * w;
  };
  const auto sy = [&](double y) { return top + std::log(y1 / y) / std::log(y1 / y0) * h; };

  std::string s = "<text class='t' x='" + number(left + margin_left) + "' y='20'>" +
                  escaped(p.title) + "</text>\n<text class='n' text-anchor='end' x='" +
                  number(left + margin_left - 8) + "' y='" + number(top - 8) + "'>" +
                  escaped(p.y_label) + "</text>\n";
  const bool few_decades = y1 / y0 < 200;
  for (double decade = std::pow(10, std::floor(std::log10(y0))); decade <= y1; decade *= 10)
    for (const double f : {1.0, 2.0, 5.0}) {
      const double y = decade * f;
      if (y < y0 || y > y1 || (f != 1 && !few_decades)) continue;
      s += "<line class='g' x1='" + number(left + margin_left) + "' x2='" +
           number(left + margin_left + w) + "' y1='" + number(sy(y)) + "' y2='" + number(sy(y)) +
           "'/><text class='n' text-anchor='end' x='" + number(left + margin_left - 8) + "' y='" +
           number(sy(y) + 4) + "'>" + number(y) + "</text>\n";
    }
  double last = -INFINITY;
  for (const double x : sizes) {
    if (sx(x) - last < 44) continue;  // too near to the label before
    last = sx(x);
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", x);
    s += "<text class='n' text-anchor='middle' x='" + number(sx(x)) + "' y='" +
         number(top + h + 18) + "'>" + text + "</text>\n";
  }
  s += "<text class='n' text-anchor='end' x='" + number(left + margin_left + w) + "' y='" +
       number(top + h + 38) + "'>" + escaped(p.x_label) + "</text>\n";

  // Lines over guides, each named at its right end.
  std::vector<std::string> names, classes;
  std::vector<double> ends, ends_x;
  const auto draw = [&](const ScalingLine& line, const std::string& style) {
    std::string points;
    for (size_t i = 0; i < line.x.size(); ++i)
      points += number(sx(line.x[i])) + "," + number(sy(line.y[i])) + " ";
    s += "<polyline class='" + style + "' points='" + points + "'/>\n";
    for (size_t i = 0; i < line.low.size(); ++i)
      s += "<line class='" + style + "' x1='" + number(sx(line.x[i])) + "' x2='" +
           number(sx(line.x[i])) + "' y1='" + number(sy(line.low[i])) + "' y2='" +
           number(sy(line.high[i])) + "'/><circle class='" + style + "' r='2.5' cx='" +
           number(sx(line.x[i])) + "' cy='" + number(sy(line.y[i])) + "'/>\n";
    names.push_back(line.name);
    classes.push_back(style);
    ends.push_back(sy(line.y.back()));
    ends_x.push_back(sx(line.x.back()));
  };
  for (const ScalingLine& guide : guides) draw(guide, "l u");
  int colour = 0;
  for (const ScalingLine& line : p.lines)
    draw(line, line.dashed ? "l f" : "l c" + std::to_string(colour++ % 4));
  const std::vector<double> at = spread_labels(ends, gap, top, top + h);
  const double x = left + margin_left + w;
  for (size_t i = 0; i < names.size(); ++i) {
    s += "<line class='" + classes[i] + "' x1='" + number(ends_x[i]) + "' y1='" + number(ends[i]) +
         "' x2='" + number(x + 16) + "' y2='" + number(at[i]) +
         "' stroke-opacity='.45'/><text class='n' x='" + number(x + 20) + "' y='" +
         number(at[i] + 4) + "'>" + escaped(names[i]) + "</text>\n";
  }
  return s;
}

}  // namespace detail

// Panels side by side: time against size, with n, n log n and n^2 to compare the slopes with.
inline std::string scaling(const std::string& title, const std::vector<ScalingPanel>& panels) {
  constexpr double width = 560, height = 420;
  const std::string total = detail::number(width * double(panels.size()));
  std::string s =
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " + total + " " +
      detail::number(height) + "' width='" + total + "' role='img'>\n<title>" +
      detail::escaped(title) +
      "</title>\n<style>svg{background:#fff}text{font-family:sans-serif;fill:#333}"
      ".t{font-size:14px;font-weight:600}.n{font-size:12px}.g{stroke:#e4e4e4}"
      ".l{fill:none;stroke-width:1.8}.u{stroke:#aaa;stroke-width:1;stroke-dasharray:2 4}"
      ".f{stroke:#777;stroke-dasharray:6 "
      "4}circle{stroke-dasharray:none}.c0{stroke:#1f6feb}.c1{stroke:#d1580b}.c2{stroke:#2a8a4a}"
      ".c3{stroke:#8a3ffc}@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#ccc}"
      ".g{stroke:#2c2f36}.u{stroke:#666}.f{stroke:#999}.c0{stroke:#6ea8fe}.c1{stroke:#ff9d5c}"
      ".c2{stroke:#6fce8f}.c3{stroke:#be95ff}}</style>\n";
  for (size_t i = 0; i < panels.size(); ++i)
    s += detail::scaling_panel(panels[i], width * double(i), width, height);
  return s + "</svg>\n";
}

struct Bubble {
  std::string name;  // those of one name stand one after the other
  double x, y;       // x > 0 (log scale), y a share
  double area;       // relative to the largest
  int group = 0;     // colour
};

namespace detail {

struct Box {
  double left, top, right, bottom;
  double middle_x() const { return (left + right) / 2; }
  double middle_y() const { return (top + bottom) / 2; }
  bool meets(const Box& o) const {
    return left < o.right && o.left < right && top < o.bottom && o.top < bottom;
  }
};

// A place for a label beside one of `anchors` that meets nothing taken: the nearest that was found.
inline Box free_place(const std::vector<Box>& anchors, double width, double height,
                      const std::vector<Box>& taken, const Box& area) {
  for (double away = 2; away < 300; away += 6)
    for (const auto& [dx, dy] : {std::pair{0.0, -1.0}, {0.0, 1.0}, {1.0, 0.0}, {-1.0, 0.0}})
      for (const Box& anchor : anchors) {
        const double x = anchor.middle_x() + dx * ((anchor.right - anchor.left + width) / 2 + away);
        const double y =
            anchor.middle_y() + dy * ((anchor.bottom - anchor.top + height) / 2 + away);
        const Box box{x - width / 2, y - height / 2, x + width / 2, y + height / 2};
        const bool inside = box.left >= area.left && box.right <= area.right &&
                            box.top >= area.top && box.bottom <= area.bottom;
        if (inside &&
            std::none_of(taken.begin(), taken.end(), [&](const Box& t) { return t.meets(box); }))
          return box;
      }
  const Box& first = anchors.front();
  return {first.left, first.top, first.left + width, first.top + height};
}

}  // namespace detail

// Bubbles over a logarithmic x axis, coloured by group. Those of one name are joined by a line and
// share one label, which keeps clear of all bubbles and of the other labels.
inline std::string bubbles(const std::string& title, const std::string& x_label,
                           const std::vector<Bubble>& points,
                           const std::vector<std::string>& groups) {
  using detail::escaped;
  using detail::number;
  constexpr double width = 820, height = 520, left = 64, right = 150, top = 40, bottom = 70;
  double x0 = INFINITY, x1 = 0, largest = 0;
  for (const Bubble& b : points) {
    x0 = std::min(x0, b.x);
    x1 = std::max(x1, b.x);
    largest = std::max(largest, b.area);
  }
  if (points.empty()) x0 = 1, x1 = 10;
  x0 /= 1.5;
  x1 *= 1.5;
  const double w = width - left - right, h = height - top - bottom;
  const auto sx = [&](double x) { return left + std::log(x / x0) / std::log(x1 / x0) * w; };
  const auto sy = [&](double y) { return top + (1 - y) * h; };
  std::string s =
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " + number(width) + " " +
      number(height) + "' width='" + number(width) + "' role='img'>\n<title>" + escaped(title) +
      "</title>\n<style>svg{background:#fff}text{font-family:sans-serif;fill:#333;font-size:12px}"
      ".t{font-size:14px;font-weight:600}.g{stroke:#ddd}.k{fill:none;stroke:#999}circle{fill-"
      "opacity:.45;stroke-width:1.2}"
      ".c0{fill:#1f6feb;stroke:#1f6feb}.c1{fill:#d1580b;stroke:#d1580b}.c2{fill:#2a8a4a;stroke:#"
      "2a8a4a}"
      ".c3{fill:#777;stroke:#777}@media(prefers-color-scheme:dark){svg{background:#16181c}"
      "text{fill:#ccc}.g{stroke:#333}}</style>\n<text class='t' x='" +
      number(left) + "' y='22'>" + escaped(title) + "</text>\n";
  for (int tick = 0; tick <= 10; tick += 2) {
    const std::string y = number(sy(tick / 10.0));
    s += "<line class='g' x1='" + number(left) + "' x2='" + number(left + w) + "' y1='" + y +
         "' y2='" + y + "'/><text text-anchor='end' x='" + number(left - 8) + "' y='" +
         number(sy(tick / 10.0) + 4) + "'>" + std::to_string(10 * tick) + " %</text>\n";
  }
  for (double decade = 0.1; decade < 1e7; decade *= 10)
    for (const double f : {1.0, 2.0, 5.0})
      if (decade * f >= x0 && decade * f <= x1)
        s += "<text text-anchor='middle' x='" + number(sx(decade * f)) + "' y='" +
             number(top + h + 20) + "'>" + number(decade * f) + "</text>\n";
  s += "<text text-anchor='end' x='" + number(left + w) + "' y='" + number(top + h + 40) + "'>" +
       escaped(x_label) + "</text>\n";
  std::vector<detail::Box> taken;
  std::vector<std::pair<std::string, std::vector<detail::Box>>> named;  // the bubbles of each name
  std::string circles, joins, labels;
  for (const Bubble& b : points) {
    const double r = 4 + 22 * std::sqrt(b.area / std::max(largest, 1.0)), x = sx(b.x), y = sy(b.y);
    circles += "<circle class='c" + std::to_string(b.group % 4) + "' cx='" + number(x) + "' cy='" +
               number(y) + "' r='" + number(r) + "'/>\n";
    taken.push_back({x - r, y - r, x + r, y + r});
    if (named.empty() || named.back().first != b.name) named.push_back({b.name, {}});
    named.back().second.push_back(taken.back());
  }
  for (const auto& [name, boxes] : named) {
    std::string path;
    for (const detail::Box& b : boxes)
      path += number(b.middle_x()) + "," + number(b.middle_y()) + " ";
    joins += "<polyline class='k' points='" + path + "'/>\n";
    const detail::Box label = detail::free_place(boxes, 7.0 * double(name.size()), 14, taken,
                                                 {left, top, left + w, top + h});
    taken.push_back(label);
    labels += "<text text-anchor='middle' x='" + number(label.middle_x()) + "' y='" +
              number(label.middle_y() + 4) + "'>" + escaped(name) + "</text>\n";
  }
  s += joins + circles + labels;
  for (size_t g = 0; g < groups.size(); ++g) {
    const double y = top + 20 * double(g) + 10;
    s += "<circle class='c" + std::to_string(g % 4) + "' cx='" + number(left + w + 24) + "' cy='" +
         number(y) + "' r='7'/><text x='" + number(left + w + 38) + "' y='" + number(y + 4) + "'>" +
         escaped(groups[g]) + "</text>\n";
  }
  return s + "</svg>\n";
}

}  // namespace skiff::plot
