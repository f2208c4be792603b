// Boxes, arrows and words, for pictures that explain. Coordinates grow to the right and down.
#pragma once

#include <string>
#include <vector>

#include "examples/charts/charts.h"

namespace skiff::charts {

class Diagram {
 public:
  // A box with a word in its middle.
  void box(double x, double y, double width, double height, const std::string& word);
  void badge(double x, double y, const std::string& word);  // a filled circle
  // A circle with a sign in it, such as × or +.
  void node(double x, double y, const std::string& sign);
  void dot(double x, double y, int color = 0, double radius = 3.4);
  void line(const std::vector<std::pair<double, double>>& points,
            const std::string& classes = "axis");
  // A line with an arrow head at its end, which points along the last piece.
  void arrow(const std::vector<std::pair<double, double>>& points,
             const std::string& classes = "axis");
  // A curved arrow from above to below.
  void curve(double x0, double y0, double x1, double y1);
  void text(double x, double y, const std::string& words, const std::string& classes = "",
            const char* anchor = "start");
  // The same with words that are markup already.
  void markup(double x, double y, const std::string& words, const std::string& classes = "",
              const char* anchor = "start");
  void add(const std::string& drawing, double x, double y, double scale = 1);  // moved there
  const std::string& drawing() const { return s_; }

 private:
  std::string s_;
};

}  // namespace skiff::charts
