// Bubbles over a logarithmic x axis, coloured by group.
#include <algorithm>
#include <utility>

#include "examples/charts/charts.h"
#include "examples/charts/text.h"
#include "examples/charts/ticks.h"

namespace skiff::charts {
namespace {

struct Box {
  double left, top, right, bottom;
  double middle_x() const { return (left + right) / 2; }
  double middle_y() const { return (top + bottom) / 2; }
  bool meets(const Box& o) const {
    return left < o.right && o.left < right && top < o.bottom && o.top < bottom;
  }
};

// A place for a label beside one of `anchors` that meets nothing taken: the nearest that is found.
Box free_place(const std::vector<Box>& anchors, double width, double height,
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
        const auto meets_it = [&](const Box& other) { return other.meets(box); };
        if (inside && std::none_of(taken.begin(), taken.end(), meets_it)) return box;
      }
  const Box& first = anchors.front();
  return {first.left, first.top, first.left + width, first.top + height};
}

std::string circle(int group, double x, double y, double r) {
  return "<circle class=\"f" + std::to_string(group % 6) + "\" fill-opacity=\".45\" cx=\"" +
         coordinate(x) + "\" cy=\"" + coordinate(y) + "\" r=\"" + coordinate(r) + "\"/>\n";
}

// The bubbles, a line through those of one name, and one label per name.
std::string bubbles_and_names(const std::vector<Bubble>& points, const Axis& sx, const Axis& sy) {
  double largest = 1;
  for (const Bubble& b : points) largest = std::max(largest, b.area);
  std::vector<Box> taken;
  std::vector<std::pair<std::string, std::vector<Box>>> named;  // the bubbles of each name
  std::string circles, joins, labels;
  for (const Bubble& b : points) {
    const double r = 4 + 22 * std::sqrt(b.area / largest), x = sx.at(b.x), y = sy.at(b.y);
    circles += circle(b.group, x, y, r);
    taken.push_back({x - r, y - r, x + r, y + r});
    if (named.empty() || named.back().first != b.name) named.push_back({b.name, {}});
    named.back().second.push_back(taken.back());
  }
  for (const auto& [name, boxes] : named) {
    std::string d;
    for (const Box& b : boxes)
      d += (d.empty() ? "M" : "L") + coordinate(b.middle_x()) + " " + coordinate(b.middle_y());
    joins += "<path class=\"axis\" d=\"" + d + "\"/>\n";
    const Box label =
        free_place(boxes, 7.0 * double(name.size()), 14, taken, {sx.from, sy.to, sx.to, sy.from});
    taken.push_back(label);
    labels += text_at(label.middle_x(), label.middle_y() + 4, name, Anchor::Middle);
  }
  return joins + circles + labels;
}

}  // namespace

std::string bubbles_svg(const std::string& title, const std::string& x_label,
                        const std::vector<Bubble>& points, const std::vector<std::string>& groups) {
  constexpr double width = 820, height = 520;
  double x0 = INFINITY, x1 = 0;
  for (const Bubble& b : points) x0 = std::min(x0, b.x), x1 = std::max(x1, b.x);
  if (points.empty()) x0 = 1, x1 = 10;
  const Axis sx{x0 / 1.5, x1 * 1.5, 64, width - 150, true}, sy{0, 1, height - 70, 40};
  std::string s = "<text class=\"b\" x=\"64\" y=\"22\">" + escaped(title) + "</text>\n";
  for (const Tick& t : ticks(sy, 5)) {
    const double y = sy.at(t.at);
    s += "<path class=\"grid\" d=\"M" + coordinate(sx.from) + " " + coordinate(y) + "H" +
         coordinate(sx.to) + "\"/>" +
         text_at(sx.from - 8, y + 4, short_number(100 * t.at) + " %", Anchor::End);
  }
  for (const Tick& t : ticks(sx, 6))
    s += text_at(sx.at(t.at), sy.from + 20, t.text, Anchor::Middle);
  s += text_at(sx.to, sy.from + 40, x_label, Anchor::End) + bubbles_and_names(points, sx, sy);
  for (size_t g = 0; g < groups.size(); ++g) {
    const double y = sy.to + 20 * double(g) + 10;
    s += circle(int(g), sx.to + 24, y, 7) + text_at(sx.to + 38, y + 4, groups[g]);
  }
  return document(title, width, height, s);
}

}  // namespace skiff::charts
