// The report as one HTML file without scripts: values by name, which the templates show. Every
// number on the page is also in a block of JSON, by name, so that others can read it and a test
// can compare the two.
//
// What belongs in this folder: the report. templates/ has its words; one .cpp per section computes
// what the section shows (sections.h).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "examples/charts/charts.h"

namespace skiff::report {

using charts::escaped;
using Values = std::map<std::string, std::string>;  // markup by the name of its placeholder

std::string formatted(const char* format, double value);  // a format of printf for one double

// A number as it is printed: with a real minus, powers of ten in small figures. Without the markup
// the text is the same.
struct Typeset {
  std::string text, markup;
};
Typeset typeset(const std::string& number);

// Adds a drawing, for {{figure name: ..}}.
void draw(Values& values, const std::string& name, const charts::Chart& chart);
void draw(Values& values, const std::string& name, const charts::HeatMap& map);
void draw(Values& values, const std::string& name, const std::string& svg);

// Rows of a table. Cells are markup; the first is the head of its row, the first `words` cells are
// words, the others numbers.
std::string table_rows(const std::vector<std::vector<std::string>>& rows, size_t words = 1);
// Text as it is in a file. It scrolls by itself when the window is narrow.
std::string preformatted(const std::string& label, const std::string& text);
// One of several panels (name, markup) at a time, chosen by buttons without a script; on paper all.
std::string frames(const std::string& id, const std::string& question,
                   const std::vector<std::pair<std::string, std::string>>& panels);

class Page {
 public:
  // A number for the text. Templates show it as {{name}}, once or several times; the markup is
  // returned, too, for tables.
  std::string number(const std::string& name, double value, const char* format = "%.3g");
  std::string count(const std::string& name, int64_t value);
  // The same inside a drawing.
  std::string drawn_number(const std::string& name, double value, const char* format = "%.3g");
  std::string again(const std::string& name) const;
  double value(const std::string& name) const;

  void set(const std::string& name, const std::string& markup) { values[name] = markup; }
  Values values;  // of the placeholders besides numbers

  // A template with the values of the page; those of `local` come first.
  std::string render(const std::string& file, const Values& local = {}) const;
  std::string json() const;  // of all numbers
  std::string finish();      // the file: page.html

 private:
  struct Number {
    double value;
    Typeset shown;
  };
  std::string marked(const char* element, const char* attribute, const std::string& name) const;
  std::map<std::string, Number> numbers_;
  std::vector<std::string> names_;  // of the numbers, as they came
};

}  // namespace skiff::report
