// Charts as SVG: line charts, heat maps, confusion matrices, bubbles, intervals, light and dark, no
// scripts, no fonts.
//
// What belongs here: everything that draws data for curves.svg, results.svg, bench.svg, the
// pictures of the documentation and the report. A drawing is coloured by classes. Inside a page it
// takes its colours from page_style(); `file` and the functions named _svg make a file of its own.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace skiff::charts {

// ---- text ----

std::string escaped(const std::string& text);  // for HTML and XML: nothing is taken for markup
std::string coordinate(double v);              // at most two decimals
std::string short_number(double v);            // at most four digits, with a real minus

// ---- style ----

// The colours as CSS variables and the rules of the classes, for the <style> of a page. Classes:
// c0 .. c5 stroke and f0 .. f5 fill with the colours of series, q0 .. q14 fill with a diverging
// ramp whose middle is q7; text is soft, .b bold, .v in the colour of the page's text.
std::string page_style();

// A drawing of this size as an <svg> element of a page; its colours come from page_style().
std::string element(double width, double height, const std::string& drawing);
// The same as a file of its own. The title is plain text, for those who cannot see it.
std::string document(const std::string& title, double width, double height,
                     const std::string& drawing);

// ---- line charts ----

struct Series {
  std::string name;
  std::vector<double> x, y;  // a NaN leaves a gap; so does a value <= 0 on a logarithmic axis
  int color = 0;             // 0 .. 5
  enum Kind { Line, Dashed, Guide, Points, Stems } kind = Line;
  std::vector<double> low = {}, high = {};  // a bar at each point, or empty
};

struct Mark {  // a word at a place of the x axis
  double x;
  std::string word;
};

struct Chart {
  std::string title = {}, x_label = {}, y_label = {};  // plain text
  std::vector<Series> series = {};
  bool log_x = false, log_y = false;
  bool percent = false;                           // y is a share, with ticks in %
  double x0 = NAN, x1 = NAN, y0 = NAN, y1 = NAN;  // limits; NaN: from the data
  std::vector<Mark> marks = {};                   // vertical lines with their words at the top
  std::vector<Mark> x_names = {};                 // in place of numbers on the x axis
  bool growth =
      false;  // dotted lines n, n log n and n^2, from below the series; needs both logarithms
  bool names_at_ends = false;  // each series is named at its right end instead of in a legend
  double width = 360, height = 250;
};

std::string drawing(const Chart& c);
std::string svg(const Chart& c);     // an element of a page
std::string legend(const Chart& c);  // its list of names, as HTML; "" if there are none
std::string swatch(const Series& s);
// Charts side by side in a file of its own, with their legends.
std::string file(const std::string& title, const std::vector<Chart>& charts);

// ---- matrices ----

struct Outline {  // a rectangle around cells, with a word inside at its top left
  double row, column, rows, columns;
  std::string word;
};

struct HeatMap {
  int64_t rows = 0, columns = 0;
  std::vector<double> values = {};  // row-major
  double limit = 0;                 // colours reach from -limit to limit; 0: the largest entry
  std::string row_label = "row i", column_label = "column j";
  std::vector<Outline> outlines = {};
  bool bar = true;  // the scale of colours below
};

std::string svg(const HeatMap& m);
std::string cells(const HeatMap& m, double side);  // a drawing of the cells alone

// Counts of (true class, predicted class), one row per true class, coloured by their share of the
// row. A file of its own.
std::string confusion_matrix_svg(const std::vector<std::vector<int64_t>>& counts,
                                 const std::vector<std::string>& classes, const std::string& title);

// ---- bubbles ----

struct Bubble {
  std::string name;  // bubbles of one name follow each other
  double x, y;       // x > 0 on a logarithmic axis, y a share
  double area;       // relative to the largest
  int group = 0;     // colour
};

// Those of one name are joined by a line and share one label, which keeps clear of all bubbles and
// of the other labels. A file of its own.
std::string bubbles_svg(const std::string& title, const std::string& x_label,
                        const std::vector<Bubble>& points, const std::vector<std::string>& groups);

// ---- intervals ----

struct IntervalRow {
  std::string name, text;    // at the left and at the right
  double middle, low, high;  // low, high: NaN where there is no interval
};

// A row each: a point and its interval, along an axis of shares that has a line at 0. A file of its
// own.
std::string intervals_svg(const std::string& title, const std::string& x_label,
                          const std::vector<IntervalRow>& rows);

}  // namespace skiff::charts
