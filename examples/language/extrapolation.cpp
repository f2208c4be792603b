#include "examples/language/extrapolation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <optional>

#include "examples/charts/charts.h"
#include "layers/generation/stream.h"

namespace skiff {

std::optional<Extrapolation> extrapolate(LanguageModel* model, const ScoredText& text,
                                         int64_t train_length, const std::vector<double>& multiples,
                                         int64_t batch_tokens, Device device,
                                         const EvaluationProgress& progress,
                                         const std::function<void(const std::string&)>& note) {
  Extrapolation e;
  const bool streams = has_kernels(model->options());
  for (const double multiple : multiples) {
    const auto length = int64_t(multiple * double(train_length));
    if (length < 2) {
      note("--extrapolate: half a window of " + std::to_string(train_length) + " is left out");
      continue;
    }
    if (length >= text.split.size()) {
      note("--extrapolate: windows of " + std::to_string(length) + " are left out: the text has " +
           std::to_string(text.split.size()) + " tokens");
      continue;
    }
    const auto blocks = evaluate(model, text, length, {.rule = EvaluationRule::Blocks},
                                 batch_tokens, device, progress);
    if (!blocks) return std::nullopt;
    e.lengths.push_back(length);
    e.blocks.push_back(blocks->score.loss());
    if (e.lengths.back() == *std::max_element(e.lengths.begin(), e.lengths.end()))
      e.by_position = blocks->by_position();
    if (!streams) continue;
    const auto stream = evaluate(model, text, length, {.rule = EvaluationRule::Stream},
                                 batch_tokens, device, progress);
    if (!stream) return std::nullopt;
    e.stream.push_back(stream->score.loss());
  }
  return e;
}

std::string table_of(const Extrapolation& e, const std::string& unit) {
  char row[160];
  const int width = int(unit.size()) + 9;
  const std::string bits = "bits/" + unit;
  std::snprintf(row, sizeof row, "%6s %13s %*s", "length", "blocks: nats", width, bits.c_str());
  std::string table = row;
  if (!e.stream.empty()) {
    std::snprintf(row, sizeof row, " %13s %*s", "stream: nats", width, bits.c_str());
    table += row;
  }
  table += "\n";
  for (size_t i = 0; i < e.lengths.size(); ++i) {
    std::snprintf(row, sizeof row, "%6lld %13.4f %*.4f", (long long)e.lengths[i], e.blocks[i],
                  width, e.blocks[i] / std::numbers::ln2);
    table += row;
    if (!e.stream.empty()) {
      std::snprintf(row, sizeof row, " %13.4f %*.4f", e.stream[i], width,
                    e.stream[i] / std::numbers::ln2);
      table += row;
    }
    table += "\n";
  }
  return table;
}

std::string svg_of(const std::vector<Extrapolated>& runs, const std::string& title,
                   double baseline) {
  using charts::Series;
  charts::Chart by_length{.title = title + ": loss by length",
                          .x_label = "tokens of a window",
                          .y_label = "nats",
                          .log_x = true};
  charts::Chart by_position{.title = "loss by position in the window",
                            .x_label = "position + 1",
                            .y_label = "nats",
                            .log_x = true};
  int color = 0;
  for (const auto& [name, e, train_length] : runs) {
    const std::vector<double> lengths(e.lengths.begin(), e.lengths.end());
    // A line of one point would not be seen.
    const Series::Kind kind = lengths.size() == 1 ? Series::Points : Series::Line;
    by_length.series.push_back(
        {runs.size() == 1 ? "blocks" : name, lengths, e.blocks, color, kind});
    Series positions{runs.size() == 1 ? "longest windows" : name, {}, {}, color};
    for (size_t i = 0; i < e.by_position.size(); ++i) {  // at 1, 2, 4, ..: a logarithm has no 0
      positions.x.push_back(std::pow(2, double(i)));
      positions.y.push_back(e.by_position[i]);
    }
    by_position.series.push_back(positions);
    if (runs.size() == 1 && !e.stream.empty())
      by_length.series.push_back({"stream", lengths, e.stream, ++color, kind});
    color = (color + 1) % 6;
    for (charts::Chart* chart : {&by_length, &by_position})
      if (chart->marks.empty()) chart->marks = {{double(train_length), "training"}};
  }
  if (!std::isnan(baseline) && !by_length.series.empty()) {
    const std::vector<double>& lengths = by_length.series[0].x;
    by_length.series.push_back(
        {"n-grams", lengths, std::vector<double>(lengths.size(), baseline), color, Series::Dashed});
  }
  return charts::file(title, {by_length, by_position});
}

}  // namespace skiff
