#include "examples/train/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "examples/charts/charts.h"
#include "examples/train/progress.h"

namespace skiff {

namespace {

// The cells after the step, in the order of kMetricsHeader.
template <class Row>
auto cells_of(Row& r) {
  return std::array{&r.epoch,        &r.train_loss,    &r.train_accuracy,
                    &r.lr,           &r.gradient_norm, &r.val_loss,
                    &r.val_accuracy, &r.seconds,       &r.tokens_per_second};
}

}  // namespace

std::string text_of(const MetricsRow& row) {
  std::string line = std::to_string(row.step);
  for (const double* v : cells_of(row)) {
    line += ',';
    char cell[40];  // the shortest digits that are read back as the same number
    if (!std::isnan(*v)) line.append(cell, std::to_chars(cell, cell + sizeof cell, *v).ptr);
  }
  return line + "\n";
}

std::string csv_cell(const std::string& word) {
  if (word.find_first_of(",\"\r\n") == word.npos) return word;
  std::string cell = "\"";
  for (const char c : word) cell += c == '"' ? "\"\"" : std::string(1, c);
  return cell + "\"";
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

namespace {

// The values of a column where it has one. A chart is a few hundred pixels wide, so it shows at
// most about a thousand points of a long run, evenly spread, and the last one: drawing after each
// validation costs no more as a run grows.
template <class Value>
void fill(charts::Series& series, const MetricsRows& rows, const Value& value) {
  constexpr size_t kMostPoints = 1000;
  size_t count = 0, at = 0;
  for (const MetricsRow& r : rows) count += !std::isnan(value(r));
  const size_t every = (count + kMostPoints - 1) / kMostPoints;
  for (const MetricsRow& r : rows) {
    if (std::isnan(value(r))) continue;
    if (at % every == 0 || at + 1 == count)
      series.x.push_back(double(r.step)), series.y.push_back(value(r));
    ++at;
  }
}

}  // namespace

std::string curves_svg(const MetricsRows& rows, const std::string& title, const Baseline& baseline,
                       const std::vector<charts::Mark>& marks) {
  using charts::Series;
  Series train_loss{"training", {}, {}, 0}, val_loss{"validation", {}, {}, 1};
  Series train_accuracy = train_loss, val_accuracy = val_loss;
  Series majority{baseline.name, {}, {}, 2, Series::Dashed};
  Series counting = majority;
  // One validation that diverges must not flatten the rest: it is drawn at the upper edge.
  double edge = 0;
  for (const MetricsRow& r : rows)
    if (std::isfinite(r.train_loss)) edge = std::max(edge, 2 * r.train_loss);
  // Most rows have no validation: its line joins those that do.
  fill(train_loss, rows, [](const MetricsRow& r) { return r.train_loss; });
  fill(val_loss, rows,
       [&](const MetricsRow& r) { return r.val_loss > edge && edge > 0 ? edge : r.val_loss; });
  fill(train_accuracy, rows, [](const MetricsRow& r) { return r.train_accuracy; });
  fill(val_accuracy, rows, [](const MetricsRow& r) { return r.val_accuracy; });
  fill(majority, rows, [&](const MetricsRow&) { return baseline.accuracy; });
  fill(counting, rows, [&](const MetricsRow&) { return baseline.loss; });
  std::vector<charts::Chart> charts = {
      {.title = title + ": loss", .x_label = "step", .series = {train_loss, val_loss}}};
  if (!counting.x.empty()) charts[0].series.push_back(counting);
  const bool classes = rows.empty() || !train_accuracy.x.empty() || !val_accuracy.x.empty();
  if (classes)
    charts.push_back({.title = "accuracy",
                      .x_label = "step",
                      .series = {train_accuracy, val_accuracy},
                      .percent = true});
  if (classes && !majority.x.empty()) charts.back().series.push_back(majority);
  for (charts::Chart& chart : charts) {
    chart.marks = marks;
    if (!rows.empty())  // the legend does not name what is not drawn
      std::erase_if(chart.series, [](const Series& s) { return s.x.empty(); });
  }
  return charts::file(title, charts);
}

}  // namespace skiff
