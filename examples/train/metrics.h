// The rows of metrics.csv, and the curves drawn from them.
#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/charts/charts.h"

namespace skiff {

// A row of metrics.csv; NaN is an empty cell.
struct MetricsRow {
  int64_t step = 0;
  double epoch = 0, train_loss = NAN, train_accuracy = NAN, lr = NAN, gradient_norm = NAN;
  double val_loss = NAN, val_accuracy = NAN, seconds = 0, tokens_per_second = 0;
};
// A deque, since a vector would need three times its memory for a moment whenever it grows.
using MetricsRows = std::deque<MetricsRow>;
inline constexpr const char* kMetricsHeader =  // with its line end
    "step,epoch,train_loss,train_accuracy,lr,gradient_norm,val_loss,val_accuracy,seconds,"
    "tokens_per_second\n";

std::string text_of(const MetricsRow& row);  // a line of the file
// A word in a CSV file, in quotes where it has a comma, a quote or the end of a line (RFC 4180).
std::string csv_cell(const std::string& word);
// Nothing for a line that is not a whole row; without its end.
std::optional<MetricsRow> parse_row(std::string_view line);

// What the curves are compared with: dashed lines. NaN: none.
struct Baseline {
  std::string name = "majority class";
  double accuracy = NAN, loss = NAN;
};

// Loss and accuracy over the steps, as SVG; rows without any accuracy have a chart of the loss
// alone. marks: steps with a word.
std::string curves_svg(const MetricsRows& rows, const std::string& title, const Baseline& baseline,
                       const std::vector<charts::Mark>& marks = {});

}  // namespace skiff
