// The course of a training, and where its time and memory went: metrics.csv and profile.csv.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/check.h"
#include "data/files/text_file.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

using charts::Series;

// A table of numbers and words with a header, separated by commas.
struct Csv {
  std::string path;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  explicit Csv(const std::string& path);
  size_t column(const std::string& name) const {
    const auto at = std::find(head.begin(), head.end(), name);
    check<DataError>(at != head.end(), path, ": has no column '", name, "'");
    return size_t(at - head.begin());
  }
  double number(size_t row, const std::string& name) const {
    const std::string& cell = rows[row][column(name)];
    if (cell.empty()) return NAN;
    char* end = nullptr;
    const double v = std::strtod(cell.c_str(), &end);
    check<DataError>(*end == '\0', path, ": row ", row + 1, ": column '", name,
                     "' must hold numbers, got ", quoted(cell));
    return v;
  }
};

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    all.emplace_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

Csv::Csv(const std::string& path) : path(path) {
  LineReader in(path);
  std::string_view line;
  while (in.next(&line)) {
    if (head.empty()) {
      head = cells_of(line);
      continue;
    }
    rows.push_back(cells_of(line));
    check<DataError>(rows.back().size() == head.size(), path, ":", in.line(), ": ", head.size(),
                     " columns are needed, got ", rows.back().size());
  }
}

Series column_of(const Csv& metrics, const std::string& column, const std::string& name, int color,
                 Series::Kind kind) {
  Series s{name, {}, {}, color, kind};
  for (size_t i = 0; i < metrics.rows.size(); ++i) {
    const double v = metrics.number(i, column);
    if (std::isfinite(v)) s.x.push_back(metrics.number(i, "step")), s.y.push_back(v);
  }
  return s;
}

std::string profile(Page& page, const std::string& file) {
  if (!std::filesystem::exists(file)) return page.render("profile_none.html");
  const Csv profile(file);
  std::vector<std::vector<std::string>> rows;
  double rest = 0, rest_bytes = 0;
  for (size_t i = 0; i < profile.rows.size(); ++i) {
    const double share = profile.number(i, "share"), steps = profile.number(i, "steps");
    const double bytes = profile.number(i, "bytes") / steps / 1e6;
    if (i >= 12) {
      rest += share, rest_bytes += bytes;
      continue;
    }
    const std::string op = profile.rows[i][profile.column("name")];
    const std::string phase = profile.rows[i][profile.column("phase")];
    const double width = 120 * std::min(1.0, share / profile.number(0, "share"));
    const std::string key = "profile." + std::to_string(i);
    rows.push_back({escaped(phase == "other" || phase.empty() ? op : op + ", " + phase),
                    "<svg class=\"share\" viewBox=\"0 0 120 11\" aria-hidden=\"true\"><rect "
                    "class=\"f0\" width=\"" +
                        charts::coordinate(width) + "\" height=\"11\"/></svg>",
                    page.number(key + ".share", 100 * share, "%.1f") + "\u00a0%",
                    page.number(key + ".ms", 1e3 * profile.number(i, "seconds") / steps, "%.3f"),
                    page.number(key + ".MB", bytes, "%.2f")});
  }
  rows.push_back({"everything else", "",
                  page.number("profile.rest.share", 100 * rest, "%.1f") + "\u00a0%", "",
                  page.number("profile.rest.MB", rest_bytes, "%.2f")});
  return page.render("profile.html", {{"profile.rows", table_rows(rows)}});
}

}  // namespace

void check_metrics(const std::string& folder) {
  const Csv metrics(folder + "/metrics.csv");
  check<DataError>(!metrics.rows.empty(), metrics.path, ": holds no rows");
  for (size_t row = 0; row < metrics.rows.size(); ++row)
    for (const char* name : {"step", "train_loss", "train_accuracy", "val_loss", "val_accuracy"})
      metrics.number(row, name);
  const std::string file = folder + "/profile.csv";
  if (!std::filesystem::exists(file)) return;
  const Csv profile(file);
  for (const char* name : {"name", "phase"}) profile.column(name);
  for (size_t row = 0; row < profile.rows.size(); ++row)
    for (const char* name : {"share", "steps", "bytes", "seconds"}) profile.number(row, name);
}

std::string training(Page& page, const std::string& folder) {
  const Csv metrics(folder + "/metrics.csv");
  const auto chart = [&](const std::string& what) {
    return charts::Chart{
        .x_label = "step",
        .y_label = what,
        .series = {column_of(metrics, "train_" + what, "training", 0, Series::Line),
                   column_of(metrics, "val_" + what, "validation", 1, Series::Points)},
        .percent = what == "accuracy"};
  };
  Values local = {{"training.profile", profile(page, folder + "/profile.csv")}};
  draw(local, "training.loss", chart("loss"));
  draw(local, "training.accuracy", chart("accuracy"));
  return page.render("training.html", local);
}

}  // namespace skiff::report
