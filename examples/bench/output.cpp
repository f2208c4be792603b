#include "examples/bench/output.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "examples/charts/charts.h"

namespace skiff::bench {

std::string json_line(const Row& r) {
  const Case& c = *r.what;
  nlohmann::ordered_json j = {{"kind", c.kind},
                              {"name", c.name},
                              {"pass", c.pass},
                              {"n", c.n},
                              {"batch", c.batch},
                              {"dim", c.dim},
                              {"threads", c.threads},
                              {"repeats", r.samples.seconds.size()},
                              {"calls", r.samples.calls},
                              {"median_s", r.median()},
                              {"q1_s", quantile(r.samples.seconds, 0.25)},
                              {"q3_s", quantile(r.samples.seconds, 0.75)},
                              {"min_s", quantile(r.samples.seconds, 0)},
                              {"max_s", quantile(r.samples.seconds, 1)}};
  if (c.kind == "step") j["recipe"] = c.recipe;
  if (c.kind == "floor") {
    if (c.work.gemm_flops > 0) j["flops_per_s"] = c.work.gemm_flops / r.median();
    if (c.work.copied_bytes > 0) j["bytes_per_s"] = c.work.copied_bytes / r.median();
    return j.dump();
  }
  j["tokens_per_s"] = r.tokens_per_second();
  j["peak_tensor_bytes"] = r.samples.peak_bytes;
  j["page_faults"] = quantile(r.samples.faults, 0.5);
  j["parameters"] = c.work.parameters;
  j["floor_s"] = r.floor();
  j["floor_gemm_s"] = r.gemm;
  j["floor_copy_s"] = r.copy;
  j["floor_fft_s"] = r.fft;
  return j.dump();
}

namespace {

// Where cases were measured with several numbers of threads: how many times faster than with the
// least. Rows of a case stand one after the other.
void print_scaling(const std::vector<Row>& rows) {
  const int least = rows.front().what->threads;
  if (std::none_of(rows.begin(), rows.end(),
                   [&](const Row& r) { return r.what->threads != least; }))
    return;
  std::printf("\n%-30s %6s   times faster than with %d thread%s\n", "case", "n", least,
              least == 1 ? "" : "s");
  double base = 0;
  for (const Row& r : rows) {
    const bool first = r.what->threads == least;
    if (first) {
      if (base > 0) std::printf("\n");
      base = r.median();
      std::printf("%-30s %6lld", r.what->label().c_str(), (long long)r.what->n);
    } else {
      std::printf("   %d: %.2f", r.what->threads, base / r.median());
    }
  }
  std::printf("\n");
}

}  // namespace

void print_table(const std::vector<Row>& rows, const Sizes& sizes) {
  std::printf("operators and layers of %lld channels, float32, %s, %s, %zu rounds; in ms\n",
              (long long)sizes.dim, blas::description().c_str(), fft::description().c_str(),
              rows.front().samples.seconds.size());
  std::printf("floor: copy, fft, gemm as measured in this run\n\n");
  std::printf("%-30s %6s %5s %7s %10s %21s %41s\n", "floor", "n", "", "threads", "median",
              "quartiles", "rate");
  const auto times = [](const Row& r) {
    char text[80], spread[40];
    std::snprintf(spread, sizeof spread, "%.3f .. %.3f", 1e3 * quantile(r.samples.seconds, 0.25),
                  1e3 * quantile(r.samples.seconds, 0.75));
    std::snprintf(text, sizeof text, "%10.3f %21s", 1e3 * r.median(), spread);
    return std::string(text);
  };
  for (const Row& r : rows) {
    if (r.what->kind != "floor") continue;
    char rate[40] = "";
    if (r.what->work.gemm_flops > 0)
      std::snprintf(rate, sizeof rate, "%.1f Gflop/s", r.what->work.gemm_flops / r.median() / 1e9);
    if (r.what->work.copied_bytes > 0)
      std::snprintf(rate, sizeof rate, "%.1f GB/s", r.what->work.copied_bytes / r.median() / 1e9);
    std::printf("%-30s %6s %5s %7d %s %41s\n", r.what->name.c_str(),
                r.what->n > 0 ? std::to_string(r.what->n).c_str() : "", "", r.what->threads,
                times(r).c_str(), rate);
  }
  std::printf("\n%-30s %6s %5s %7s %10s %21s %10s %9s %8s %10s %7s\n", "case", "n", "batch",
              "threads", "median", "quartiles", "ktokens/s", "peak MB", "faults", "floor", "times");
  for (const Row& r : rows) {
    if (r.what->kind == "floor") continue;
    std::printf("%-30s %6lld %5lld %7d %s %10.1f %9.1f %8.0f %10.3f %7.1f\n",
                r.what->label().c_str(), (long long)r.what->n, (long long)r.what->batch,
                r.what->threads, times(r).c_str(), r.tokens_per_second() / 1e3,
                double(r.samples.peak_bytes) / 1e6, quantile(r.samples.faults, 0.5),
                1e3 * r.floor(), r.median() / r.floor());
  }
  print_scaling(rows);
}

// Time against n, forward and backward: the operators, and the pieces they are made of.
namespace {

charts::Series series_of(const std::vector<Row>& rows, const std::string& kind,
                         const std::string& name, const std::string& pass) {
  charts::Series line{.name = name};
  for (const Row& r : rows)
    if (r.what->kind == kind && r.what->name == name && r.what->pass == pass &&
        r.what->threads == rows.back().what->threads) {
      line.x.push_back(double(r.what->n));
      line.y.push_back(1e3 * r.median());
      line.low.push_back(1e3 * quantile(r.samples.seconds, 0.25));
      line.high.push_back(1e3 * quantile(r.samples.seconds, 0.75));
    }
  return line;
}

charts::Chart panel(const std::vector<Row>& rows, const std::string& title,
                    const std::vector<std::string>& names, const std::vector<std::string>& floors) {
  charts::Chart c{.title = title,
                  .x_label = "sequence length n",
                  .y_label = "ms",
                  .log_x = true,
                  .log_y = true,
                  .growth = true,
                  .names_at_ends = true,
                  .width = 560,
                  .height = 420};
  const auto add = [&](charts::Series line) {
    if (line.x.empty()) return;
    line.color = int(c.series.size() % 6);
    c.series.push_back(line);
  };
  for (const std::string& name : names) add(series_of(rows, "op", name, "train"));
  if (c.series.empty()) return c;
  for (const std::string& name : floors) {
    charts::Series line = series_of(rows, "floor", name, "");
    line.kind = charts::Series::Dashed;
    add(line);
  }
  return c;
}

}  // namespace

std::string chart(const std::vector<Row>& rows) {
  std::vector<charts::Chart> panels;
  for (const charts::Chart& c :
       {panel(rows, "Operators, forward and backward", {"tno", "ski", "fd", "attention"}, {}),
        panel(rows, "Their pieces, forward and backward",
              {"spectral_conv", "toeplitz", "conv1d", "interpolate"}, {"fft", "copy"})})
    if (!c.series.empty()) panels.push_back(c);
  return panels.empty() ? "" : charts::file("time against sequence length", panels);
}

}  // namespace skiff::bench
