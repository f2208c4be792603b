// Time and memory against the length of the sequence, as bench measured them.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/files/text_file.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

using charts::Series;

struct Name {
  const char *key, *label;
};
constexpr Name kDrawn[] = {
    {"ski", "SKI"}, {"fd", "FD"}, {"tno", "TNO"}, {"attention", "attention"}};

struct Point {
  double n, ms, low, high, bytes;
};
struct Measurements {                               // of forward and backward of an operator
  std::map<std::string, std::vector<Point>> lines;  // by the name of the operator
  int64_t batch = 0, dim = 0, threads = 0;
};

Measurements read_bench(const std::string& path) {
  LineReader in(path);
  Measurements m;
  for (std::string_view line; in.next(&line);) {
    const int64_t number = in.line();
    try {
      const nlohmann::json j = nlohmann::json::parse(line);
      if (j.at("kind") != "op" || j.at("pass") != "train") continue;
      const std::string name = j.at("name");
      if (std::none_of(std::begin(kDrawn), std::end(kDrawn),
                       [&](const Name& drawn) { return drawn.key == name; }))
        continue;
      // Of measurements with several numbers of threads, those with most of them.
      const int64_t threads = j.at("threads");
      if (threads < m.threads) continue;
      if (threads > m.threads) m.lines.clear();
      const int64_t batch = j.at("batch"), dim = j.at("dim"), n = j.at("n");
      check<DataError>(m.lines.empty() || (batch == m.batch && dim == m.dim), path, ":", number,
                       ": all rows need the batch ", m.batch, " and ", m.dim, " channels, got ",
                       batch, " and ", dim);
      for (const Point& p : m.lines[name])
        check<DataError>(p.n != double(n), path, ":", number, ": ", name, " at n = ", n,
                         " is there already; give one measurement");
      m.batch = batch, m.dim = dim, m.threads = threads;
      m.lines[name].push_back({double(n), 1e3 * j.at("median_s").get<double>(),
                               1e3 * j.at("q1_s").get<double>(), 1e3 * j.at("q3_s").get<double>(),
                               j.at("peak_tensor_bytes").get<double>()});
    } catch (const nlohmann::json::exception& e) {
      fail<DataError>(path, ":", number, ": not a row of bench: ", e.what());
    }
  }
  check<DataError>(!m.lines.empty(), path,
                   ": holds no row op/NAME/train of ski, fd, tno or attention");
  for (auto& [name, points] : m.lines)
    std::sort(points.begin(), points.end(),
              [](const Point& a, const Point& b) { return a.n < b.n; });
  return m;
}

}  // namespace

void check_bench(const std::string& file) {
  if (!file.empty()) read_bench(file);
}

void add_cost(Page& page, const std::string& file) {
  if (file.empty()) {
    page.set("cost.results", page.render("cost_none.html"));
    return;
  }
  Measurements measured = read_bench(file);
  charts::Chart time{.x_label = "sequence length n", .log_x = true, .log_y = true, .height = 290};
  charts::Chart memory = time;
  time.y_label = "ms, forward and backward", memory.y_label = "MB";
  time.growth = true;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, label] : kDrawn) {
    if (measured.lines[name].empty()) continue;
    Series times{label, {}, {}, int(memory.series.size())}, bytes = times;
    for (const Point& p : measured.lines[name]) {
      times.x.push_back(p.n), times.y.push_back(p.ms);
      times.low.push_back(p.low), times.high.push_back(p.high);
      bytes.x.push_back(p.n), bytes.y.push_back(p.bytes / 1e6);
      const std::string key = std::string("cost.") + name + "." + formatted("%.0f", p.n);
      rows.push_back({std::string(label) + ", n = " + formatted("%.0f", p.n),
                      page.number(key + ".ms", p.ms), page.number(key + ".q1", p.low),
                      page.number(key + ".q3", p.high), page.number(key + ".MB", p.bytes / 1e6)});
    }
    time.series.push_back(times);
    memory.series.push_back(bytes);
  }
  page.count("cost.batch", measured.batch);
  page.count("cost.channels", measured.dim);
  page.count("cost.threads", measured.threads);
  draw(page.values, "cost.time", time);
  draw(page.values, "cost.memory", memory);
  page.set("cost.rows", table_rows(rows));
  page.set("cost.results", page.render("cost_results.html"));
}

}  // namespace skiff::report
