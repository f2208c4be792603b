#include "examples/charts/diagram.h"

namespace skiff::charts {
namespace {

std::string at(const char* x_name, double x, const char* y_name, double y) {
  return std::string(" ") + x_name + "=\"" + coordinate(x) + "\" " + y_name + "=\"" +
         coordinate(y) + "\"";
}

std::string path_through(const std::vector<std::pair<double, double>>& points) {
  std::string d;
  for (const auto& [x, y] : points)
    d += (d.empty() ? "M" : "L") + coordinate(x) + " " + coordinate(y);
  return d;
}

}  // namespace

void Diagram::box(double x, double y, double width, double height, const std::string& word) {
  s_ += "<rect class=\"box\" rx=\"7\"" + at("x", x, "y", y) + at("width", width, "height", height) +
        "/>\n";
  if (!word.empty()) text(x + width / 2, y + height / 2 + 4, word, "v", "middle");
}

void Diagram::badge(double x, double y, const std::string& word) {
  s_ += "<circle class=\"badge\"" + at("cx", x, "cy", y) + " r=\"10\"/>";
  text(x, y + 4, word, "badge-text", "middle");
}

void Diagram::node(double x, double y, const std::string& sign) {
  s_ += "<circle class=\"box\"" + at("cx", x, "cy", y) + " r=\"11\"/>";
  text(x, y + 4.5, sign, "b", "middle");
}

void Diagram::dot(double x, double y, int color, double radius) {
  s_ += "<circle class=\"f" + std::to_string(color) + "\"" + at("cx", x, "cy", y) + " r=\"" +
        coordinate(radius) + "\"/>\n";
}

void Diagram::line(const std::vector<std::pair<double, double>>& points,
                   const std::string& classes) {
  s_ += "<path class=\"" + classes + "\" d=\"" + path_through(points) + "\"/>\n";
}

void Diagram::arrow(const std::vector<std::pair<double, double>>& points,
                    const std::string& classes) {
  line(points, classes);
  const auto& [x0, y0] = points[points.size() - 2];
  const auto& [x1, y1] = points.back();
  const double length = std::hypot(x1 - x0, y1 - y0);
  const double ux = 6 * (x1 - x0) / length, uy = 6 * (y1 - y0) / length;
  line({{x1 - ux - 0.6 * uy, y1 - uy + 0.6 * ux},
        {x1, y1},
        {x1 - ux + 0.6 * uy, y1 - uy - 0.6 * ux}},
       classes);
}

void Diagram::curve(double x0, double y0, double x1, double y1) {
  const double middle = (y0 + y1) / 2;
  s_ += "<path class=\"axis\" d=\"M" + coordinate(x0) + " " + coordinate(y0) + "C" +
        coordinate(x0) + " " + coordinate(middle) + " " + coordinate(x1) + " " +
        coordinate(middle) + " " + coordinate(x1) + " " + coordinate(y1 - 4) + "\"/>";
  arrow({{x1, y1 - 5}, {x1, y1}});
}

void Diagram::text(double x, double y, const std::string& words, const std::string& classes,
                   const char* anchor) {
  markup(x, y, escaped(words), classes, anchor);
}

void Diagram::markup(double x, double y, const std::string& words, const std::string& classes,
                     const char* anchor) {
  s_ += "<text";
  if (!classes.empty()) s_ += " class=\"" + classes + "\"";
  if (std::string(anchor) != "start") s_ += std::string(" text-anchor=\"") + anchor + "\"";
  s_ += at("x", x, "y", y) + ">" + words + "</text>\n";
}

void Diagram::add(const std::string& drawing, double x, double y, double scale) {
  s_ += "<g transform=\"translate(" + coordinate(x) + " " + coordinate(y) + ") scale(" +
        coordinate(scale) + ")\">\n" + drawing + "</g>\n";
}

}  // namespace skiff::charts
