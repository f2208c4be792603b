#include "examples/train/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "examples/charts/plot.h"
#include "examples/train/progress.h"

namespace skiff {

namespace {

// The cells after the step, in the order of kMetricsHeader.
template <class Row>
auto cells_of(Row& r) {
  return std::array{&r.epoch,         &r.train_loss, &r.train_accuracy, &r.lr,
                    &r.gradient_norm, &r.val_loss,   &r.val_accuracy,   &r.seconds,
                    &r.tokens_per_second};
}

}  // namespace

std::string text_of(const MetricsRow& row) {
  std::string line = std::to_string(row.step);
  for (const double* v : cells_of(row)) {
    char cell[40];
    std::snprintf(cell, sizeof cell, ",%.9g", *v);
    line += std::isnan(*v) ? "," : cell;
  }
  return line + "\n";
}

std::optional<MetricsRow> parse_row(std::string_view line) {
  std::vector<std::string_view> cells;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  MetricsRow row;
  const auto values = cells_of(row);
  if (cells.size() != 1 + values.size()) return {};
  const std::optional<int64_t> step = whole_number(cells[0]);
  if (!step) return {};
  row.step = *step;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string_view cell = cells[i + 1];
    *values[i] = NAN;
    if (cell.empty()) continue;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), *values[i]);
    if (error != std::errc() || end != cell.data() + cell.size()) return {};
  }
  return row;
}

std::string curves_svg(const std::vector<MetricsRow>& rows, const std::string& title,
                       double majority_rate) {
  plot::Line train_loss{"training", {}, {}}, val_loss{"validation", {}, {}};
  plot::Line train_accuracy = train_loss, val_accuracy = val_loss;
  plot::Line majority{"majority class", {}, {}, true};
  // One validation that goes astray must not flatten the rest: it is drawn at the upper edge.
  double edge = 0;
  for (const MetricsRow& r : rows)
    if (std::isfinite(r.train_loss)) edge = std::max(edge, 2 * r.train_loss);
  for (const MetricsRow& r : rows) {
    const double x = double(r.step);
    train_loss.x.push_back(x), train_loss.y.push_back(r.train_loss);
    train_accuracy.x.push_back(x), train_accuracy.y.push_back(r.train_accuracy);
    val_loss.x.push_back(x),
        val_loss.y.push_back(r.val_loss > edge && edge > 0 ? edge : r.val_loss);
    val_accuracy.x.push_back(x), val_accuracy.y.push_back(r.val_accuracy);
    majority.x.push_back(x), majority.y.push_back(majority_rate);
  }
  return plot::svg(title, {{title + ": loss", "step", {train_loss, val_loss}, false},
                          {"accuracy", "step", {train_accuracy, val_accuracy, majority}, true}});
}

}  // namespace skiff
