// Line charts.
#include "examples/charts/charts.h"

#include <algorithm>
#include <limits>

#include "examples/charts/text.h"
#include "examples/charts/ticks.h"

namespace skiff::charts {
namespace {

std::string path(const std::string& classes, const std::string& d) {
  return "<path class=\"" + classes + "\" d=\"" + d + "\"/>\n";
}

std::string point(double x, double y) { return coordinate(x) + " " + coordinate(y); }

std::string classes_of(const Series& s) {
  return (s.kind == Series::Guide ? std::string("s guide") : "s c" + std::to_string(s.color)) +
         (s.kind == Series::Dashed ? " dash" : "");
}

// Moves labels apart: at least `gap` between neighbours, in the same order, inside [top, bottom] as
// long as they fit.
std::vector<double> spread_labels(const std::vector<double>& wanted, double gap, double top,
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

bool begins_letter(char c) { return (c & 0xC0) != 0x80; }  // in UTF-8

size_t letters(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), begins_letter));
}

// The beginning and the end of a text, `count` letters with the dots between them.
std::string without_middle(const std::string& text, size_t count) {
  const size_t all = letters(text), first = count / 2, last = all - (count - first - 1);
  std::string kept;
  size_t letter = 0;
  for (const char c : text) {
    if (begins_letter(c) && ++letter == first + 1) kept += "…";
    if (letter <= first || letter > last) kept += c;
  }
  return kept;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : c_(chart) {
    const double top = 24 + (c_.title.empty() ? 0 : 22) + (c_.marks.empty() ? 0 : 16);
    x_ = {0, 0, 56, c_.width - (c_.names_at_ends ? 112 : 20), c_.log_x};
    y_ = {0, 0, c_.height - 43, top, c_.log_y};
    set_limits();
  }

  std::string text() {
    draw_y_axis();
    draw_x_axis();
    draw_marks();
    if (c_.growth && x_.high > x_.low) draw_growth();
    for (const Series& s : c_.series)
      s.kind == Series::Points || s.kind == Series::Stems ? draw_points(s) : draw_line(s);
    if (c_.names_at_ends) draw_names();
    return s_;
  }

 private:
  bool shown(const Series& s, size_t i) const {
    return std::isfinite(s.y[i]) && std::isfinite(s.x[i]) && (!c_.log_y || s.y[i] > 0) &&
           (!c_.log_x || s.x[i] > 0);
  }

  void set_limits() {
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (const Series& s : c_.series)
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!shown(s, i)) continue;
        x0 = std::min(x0, s.x[i]), x1 = std::max(x1, s.x[i]);
        if (s.kind == Series::Guide) continue;
        y0 = std::min({y0, s.y[i], s.low.empty() ? s.y[i] : s.low[i]});
        y1 = std::max({y1, s.y[i], s.high.empty() ? s.y[i] : s.high[i]});
      }
    if (!std::isfinite(x0)) x0 = c_.log_x ? 1 : 0, x1 = 10;
    if (x1 == x0) {
      if (c_.log_x) x0 /= 2;
      x1 = c_.log_x ? x1 * 2 : x1 + 1;
    }
    if (!(y1 > y0)) {
      const double middle = std::isfinite(y0) ? y0 : 1;
      const double room = std::max(1.0, 1e-6 * std::abs(middle));
      y0 = c_.log_y ? middle / 3 : middle - room, y1 = c_.log_y ? middle * 3 : middle + room;
    }
    if (c_.growth) y0 /= 3;  // the guides start below the series
    if (c_.log_y) {
      const double room = std::pow(y1 / y0, 0.06);
      y0 /= room, y1 *= room;
    } else {
      const double room = (y1 - y0) * 0.07;
      const bool from_zero = y0 >= 0 && y0 < (y1 - y0) * 0.3;
      y0 = from_zero ? 0 : y0 - room, y1 += room;
    }
    const auto chosen = [](double wanted, double found) {
      return std::isfinite(wanted) ? wanted : found;
    };
    x_.low = chosen(c_.x0, x0), x_.high = chosen(c_.x1, x1);
    y_.low = chosen(c_.y0, y0), y_.high = chosen(c_.y1, y1);
  }

  void draw_y_axis() {
    if (!c_.title.empty()) draw_title();
    s_ += text_at(2, c_.title.empty() ? 12 : 36, c_.y_label);
    for (const Tick& t : ticks(y_, c_.log_y ? 6 : 5)) {
      s_ += path("grid", "M" + point(x_.from, y_.at(t.at)) + "H" + coordinate(x_.to));
      s_ += text_at(x_.from - 6, y_.at(t.at) + 4,
                    c_.percent ? short_number(100 * t.at) + " %" : t.text, Anchor::End);
    }
  }

  void draw_x_axis() {
    const bool octaves = c_.log_x && x_.low >= 1 && x_.high / x_.low <= 1100;
    double last_end = -INFINITY;
    std::vector<Tick> named;
    for (const Mark& name : c_.x_names) named.push_back({name.x, name.word});
    for (const Tick& t : named.empty() ? ticks(x_, 6, octaves) : named) {
      const double at = x_.at(t.at), half = 3.7 * double(t.text.size());
      s_ += path("axis", "M" + point(at, y_.from) + "v4");
      if (at - half < last_end + 4) continue;
      last_end = at + half;
      s_ += text_at(at, y_.from + 18, t.text, Anchor::Middle);
    }
    s_ += path("axis", "M" + point(x_.from, y_.from) + "H" + coordinate(x_.to));
    if (!c_.log_y && y_.low < 0 && y_.high > 0)
      s_ += "<g opacity=\".6\">" +
            path("axis", "M" + point(x_.from, y_.at(0)) + "H" + coordinate(x_.to)) + "</g>";
    s_ += text_at(x_.to, c_.height - 6, c_.x_label, Anchor::End);
  }

  // Above the y axis or, if it is too long for that, further left; without its middle if it is too
  // long for the whole width.
  void draw_title() {
    constexpr double kLetter = 7.4, kMargin = 2;  // of bold text
    std::string title = c_.title;
    const size_t room = size_t((c_.width - 2 * kMargin) / kLetter);
    if (letters(title) > room) title = without_middle(title, room);
    const double left = c_.width - kMargin - kLetter * double(letters(title));
    s_ += text_at(std::clamp(left, kMargin, x_.from), 18, title, Anchor::Start, "b");
  }

  void draw_marks() {
    for (const Mark& m : c_.marks) {
      const double at = x_.at(m.x);
      const Anchor anchor = at > x_.to - 30     ? Anchor::End
                            : at < x_.from + 30 ? Anchor::Start
                                                : Anchor::Middle;
      s_ += path("thin", "M" + point(at, y_.to - 3) + "V" + coordinate(y_.from));
      s_ += text_at(at, y_.to - 7, m.word, anchor, "v");
    }
  }

  // Guides start below the series and are named inside the chart, near the place where they leave
  // it, where their names meet no line.
  void draw_growth() {
    const double start = 1.1 * y_.low;
    const auto guide = [&](auto growth) {
      Points line;
      for (int i = 0; i <= 128; ++i) {
        const double n = x_.low * std::pow(x_.high / x_.low, i / 128.0);
        const double y = start * growth(n) / growth(x_.low);
        if (y > y_.high) break;
        line.push_back({x_.at(n), y_.at(y)});
      }
      std::string d;
      for (const auto& [x, y] : line) d += (d.empty() ? "M" : "L") + point(x, y);
      s_ += path("s guide", d);
      return line;
    };
    const std::pair<const char*, Points> guides[] = {
        {"n", guide([](double n) { return n; })},
        {"n log n", guide([](double n) { return n * std::log(std::max(n, 2.0)); })},
        {"n²", guide([](double n) { return n * n; })}};
    Points ink = points_of_series();
    for (const auto& [name, line] : guides) ink.insert(ink.end(), line.begin(), line.end());
    for (const auto& [name, line] : guides) name_guide(name, line, ink);
  }

  using Points = std::vector<std::pair<double, double>>;

  // Coordinates on the lines, the bars and the names inside the chart, a few pixels apart.
  Points points_of_series() const {
    Points ink;
    const auto stroke = [&](double x0, double y0, double x1, double y1) {
      const int steps = 1 + int(std::hypot(x1 - x0, y1 - y0) / 4);
      for (int k = 0; k <= steps; ++k)
        ink.push_back({x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps});
    };
    for (const Series& s : c_.series) {
      double last_x = NAN, last_y = NAN;
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!shown(s, i)) continue;
        const double x = x_.at(s.x[i]), y = y_.at(s.y[i]);
        if (std::isfinite(last_x)) stroke(last_x, last_y, x, y);
        if (!s.low.empty()) stroke(x, y_.at(s.low[i]), x, y_.at(s.high[i]));
        last_x = x, last_y = y;
      }
      if (last_x < x_.to - 40)
        stroke(last_x, last_y, last_x + 8 + 7 * double(s.name.size()), last_y);
    }
    return ink;
  }

  // Beside the last point of the guide where the name, above at the left or below at the right,
  // keeps clear of all ink and of the names at the right edge; beside its end if there is no such
  // point. Of the guides n is the lowest, so that its name has most room below.
  void name_guide(const std::string& name, const Points& line, const Points& ink) {
    const double width = name == "n²" ? 14 : 7 * double(name.size());
    for (size_t i = line.size(); i-- > 0;)
      for (const bool above : {name != "n", name == "n"}) {
        const double left = line[i].first + (above ? -5 - width : 5),
                     base = line[i].second + (above ? -3 : 13);
        const bool inside = left > x_.from && left + width < x_.to - 24 && base < y_.from - 2;
        const auto meets = [&](const std::pair<double, double>& p) {
          return p.first > left - 2 && p.first < left + width + 2 && p.second > base - 12 &&
                 p.second < base + 3;
        };
        if (!inside || std::any_of(ink.begin(), ink.end(), meets)) continue;
        s_ += text_at(left, base, name, Anchor::Start, "halo");
        return;
      }
    s_ += text_at(line.back().first - 5, line.back().second - 3, name, Anchor::End, "halo");
  }

  double clipped(double y) const { return std::clamp(y, y_.to - 2, y_.from + 2); }

  void draw_points(const Series& s) {
    const double foot = c_.log_y ? y_.from : y_.at(std::clamp(0.0, y_.low, y_.high));
    const std::string color = std::to_string(s.color);
    std::string dots, stems;
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!shown(s, i) || (c_.log_y && s.y[i] < y_.low)) continue;
      const std::string x = coordinate(x_.at(s.x[i])), y = coordinate(clipped(y_.at(s.y[i])));
      if (s.kind == Series::Stems) stems += "M" + x + " " + coordinate(foot) + "V" + y;
      dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"" + (s.x.size() > 40 ? "1.9" : "2.7") +
              "\"/>";
    }
    if (!stems.empty())
      s_ += "<path class=\"s c" + color + "\" style=\"stroke-width:1.3\" d=\"" + stems + "\"/>";
    s_ += "<g class=\"f" + color + "\">" + dots + "</g>\n";
  }

  void draw_line(const Series& s) {
    std::string d, bars, dots;
    bool pen = false;
    int drawn = 0;
    for (size_t i = 0; i < s.x.size(); ++i) {
      const bool here =
          shown(s, i) && (s.kind != Series::Guide || (s.y[i] >= y_.low && s.y[i] <= y_.high));
      if (here) {
        d += (pen ? "L" : "M") + point(x_.at(s.x[i]), clipped(y_.at(s.y[i])));
        ++drawn;
      }
      pen = here;
      if (!here || s.low.empty()) continue;
      bars += "M" + point(x_.at(s.x[i]), y_.at(s.low[i])) + "V" + coordinate(y_.at(s.high[i]));
      dots += "M" + point(x_.at(s.x[i]), y_.at(s.y[i])) + "h0";
    }
    if (drawn == 1)  // with round ends a dot
      s_ += "<path class=\"" + classes_of(s) + "\" style=\"stroke-width:6\" d=\"" + d + "h0\"/>\n";
    else
      s_ += path(classes_of(s), d);
    if (!bars.empty())
      s_ += "<path class=\"s c" + std::to_string(s.color) + "\" style=\"stroke-width:1.2\" d=\"" +
            bars + "\"/><path class=\"s c" + std::to_string(s.color) +
            "\" style=\"stroke-width:5\" d=\"" + dots + "\"/>\n";
  }

  // Lines that reach the right edge are named beside it, with leaders in the order of the lines,
  // so that none cross; the others are named where they end.
  void draw_names() {
    std::vector<double> ends;
    std::vector<const Series*> named;
    for (const Series& s : c_.series) {
      if (s.name.empty() || s.x.empty()) continue;
      const double x = x_.at(s.x.back()), y = clipped(y_.at(s.y.back()));
      if (x < x_.to - 40) {
        s_ += text_at(x + 8, y + 4, s.name, Anchor::Start, "v halo");
        continue;
      }
      ends.push_back(y), named.push_back(&s);
    }
    const std::vector<double> at = spread_labels(ends, 16, y_.to, y_.from);
    for (size_t i = 0; i < named.size(); ++i) {
      s_ += "<g opacity=\".5\">" +
            path(classes_of(*named[i]),
                 "M" + point(x_.at(named[i]->x.back()), ends[i]) + "L" + point(x_.to + 16, at[i])) +
            "</g>" + text_at(x_.to + 20, at[i] + 4, named[i]->name, Anchor::Start, "v");
    }
  }

  const Chart& c_;
  Axis x_, y_;
  std::string s_;
};

// The mark of a series in a legend, 28 by 12.
std::string mark_of(const Series& s) {
  const std::string c = std::to_string(s.color);
  if (s.kind == Series::Points)
    return "<circle class=\"f" + c + "\" cx=\"14\" cy=\"6\" r=\"3.4\"/>";
  if (s.kind == Series::Stems)
    return "<path class=\"s c" + c + "\" d=\"M14 12V4\"/><circle class=\"f" + c +
           "\" cx=\"14\" cy=\"4\" r=\"2.6\"/>";
  return "<path class=\"" + classes_of(s) + "\" d=\"M1 6H27\"/>";
}

}  // namespace

std::string drawing(const Chart& c) { return Drawing(c).text(); }

std::string svg(const Chart& c) { return element(c.width, c.height, drawing(c)); }

std::string swatch(const Series& s) {
  return "<svg viewBox=\"0 0 28 12\" aria-hidden=\"true\">" + mark_of(s) + "</svg>";
}

std::string legend(const Chart& c) {
  std::string items;
  for (const Series& s : c.series)
    if (!s.name.empty()) items += "<li>" + swatch(s) + escaped(s.name) + "</li>";
  return items.empty() ? "" : "<ul class=\"legend\">" + items + "</ul>\n";
}

std::string file(const std::string& title, const std::vector<Chart>& charts) {
  std::string drawing;
  double width = 0, height = 0;
  for (const Chart& c : charts) {
    drawing += "<g transform=\"translate(" + coordinate(width) + " 0)\">\n" + Drawing(c).text();
    double at = 56, below = 0;  // of the next name of the legend
    for (const Series& s : c.series) {
      if (c.names_at_ends || s.name.empty()) continue;
      const double needed = 54 + 7 * double(s.name.size());
      if (below == 0 || at + needed > c.width) at = 56, below += 18;
      drawing += "<g transform=\"translate(" + coordinate(at) + " " +
                 coordinate(c.height + below - 12) + ")\">" + mark_of(s) + "</g>" +
                 text_at(at + 34, c.height + below - 2, s.name);
      at += needed;
    }
    drawing += "</g>\n";
    width += c.width;
    height = std::max(height, c.height + (below > 0 ? below + 10 : 0));
  }
  return document(title, width, height, drawing);
}

}  // namespace skiff::charts
