// Measures operators, layers and whole training steps, and in the same run what the hardware needs
// at least for the same work.
// Run:     build/cpu/bench --filter op/ski,op/fd --n 1024,2048,4096
// Expect:  a table, bench.jsonl with a JSON object a line, and bench.svg: time against n.
//
// The machine may be busy with other things. So cases take turns: each is measured once, then each
// again; a row has the median of its rounds and the quartiles. In a round a case runs once without
// being measured, then as often as fills 20 ms.
#include <omp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/memory.h"
#include "examples/bench/cases.h"
#include "examples/charts/plot.h"

using namespace skiff;
using namespace skiff::bench;

namespace {

struct Options {
  Sizes sizes;
  std::vector<std::string> filter;
  int threads = 0;
  int64_t repeats = 9;
  double seconds = 0;
  bool quick = false, list = false;
  std::string out = "build/bench", json;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Pages mapped or zeroed by the kernel for this process so far.
double page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_minflt);
}

struct Samples {
  std::vector<double> seconds, faults;  // of a call, one a round
  int64_t calls = 0, peak_bytes = 0;    // calls of the last round; tensors made by a call
};

// The value below which the share q of the samples lies.
double quantile(std::vector<double> v, double q) {
  std::sort(v.begin(), v.end());
  const double at = q * double(v.size() - 1);
  const size_t below = size_t(at), above = std::min(below + 1, v.size() - 1);
  return v[below] + (at - double(below)) * (v[above] - v[below]);
}

struct Row {
  const Case* what;
  Samples samples;
  double gemm = 0, copy = 0, fft = 0;  // seconds of the floor
  double median() const { return quantile(samples.seconds, 0.5); }
  double floor() const { return gemm + copy + fft; }
  double tokens_per_second() const { return double(what->n * what->batch) / median(); }
};

void measure_round(Row& row) {
  const std::function<void()>& run = row.what->work.run;
  Samples& s = row.samples;
  const int64_t live = memory::stats(Device::CPU).live;
  memory::reset_peak(Device::CPU);
  const double begin = now();
  run();
  const double first = now() - begin;
  s.peak_bytes = std::max(s.peak_bytes, memory::stats(Device::CPU).peak - live);
  s.calls = std::clamp<int64_t>(int64_t(0.02 / std::max(first, 1e-9)), 1, 10000);
  const double faults = page_faults(), start = now();
  for (int64_t i = 0; i < s.calls; ++i) run();
  s.seconds.push_back((now() - start) / double(s.calls));
  s.faults.push_back((page_faults() - faults) / double(s.calls));
}

std::vector<Row> measure(std::vector<Case>& cases, const Options& o) {
  std::vector<Row> rows;
  for (Case& c : cases) {
    c.work = c.make();
    rows.push_back({.what = &c, .samples = {}});
  }
  const double start = now();
  for (int64_t round = 1; round <= o.repeats; ++round) {
    for (Row& row : rows) measure_round(row);
    if (::isatty(2))
      std::fprintf(stderr, "round %lld of %lld, %.0f s\n", (long long)round, (long long)o.repeats,
                   now() - start);
    if (o.seconds > 0 && now() - start > o.seconds) break;
  }
  return rows;
}

// The rates of this run, from the rows of the floors.
void set_floors(std::vector<Row>& rows) {
  double flops = 0;                        // a second, the best shape's
  std::map<int64_t, double> bytes, pairs;  // a second, by n; 0: a large copy
  for (const Row& r : rows) {
    if (r.what->kind != "floor") continue;
    const Work& work = r.what->work;
    if (work.gemm_flops > 0) flops = std::max(flops, work.gemm_flops / r.median());
    if (work.copied_bytes > 0) bytes[r.what->n] = work.copied_bytes / r.median();
    if (work.transforms > 0) pairs[r.what->n] = double(work.transforms) / r.median();
  }
  for (Row& r : rows) {
    if (r.what->kind == "floor") continue;
    const Work& work = r.what->work;
    if (work.gemm_flops > 0) r.gemm = work.gemm_flops / flops;
    if (work.copied_bytes > 0)
      r.copy = work.copied_bytes / bytes[r.what->kind == "step" ? 0 : r.what->n];
    if (work.transforms > 0) r.fft = double(work.transforms) / pairs[r.what->n];
  }
}

// ---- what comes out ----

std::string json_line(const Row& r, const Options& o) {
  const Case& c = *r.what;
  nlohmann::ordered_json j = {{"kind", c.kind},
                              {"name", c.name},
                              {"pass", c.pass},
                              {"n", c.n},
                              {"batch", c.batch},
                              {"dim", c.dim},
                              {"threads", omp_get_max_threads()},
                              {"repeats", r.samples.seconds.size()},
                              {"calls", r.samples.calls},
                              {"median_s", r.median()},
                              {"q1_s", quantile(r.samples.seconds, 0.25)},
                              {"q3_s", quantile(r.samples.seconds, 0.75)},
                              {"min_s", quantile(r.samples.seconds, 0)},
                              {"max_s", quantile(r.samples.seconds, 1)}};
  if (c.kind == "step") j["recipe"] = o.sizes.recipe;
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

void print_table(const std::vector<Row>& rows, const Options& o) {
  std::printf("batch %lld, width %lld, float32, %d threads, %s, %zu rounds; times in ms, a call\n",
              (long long)o.sizes.batch, (long long)o.sizes.dim, omp_get_max_threads(),
              blas::description().c_str(), rows.front().samples.seconds.size());
  std::printf("floor: copy, fft, gemm as measured in this run\n\n");
  std::printf("%-30s %6s %10s %21s %10s %9s %8s %10s %7s\n", "floor", "n", "median", "quartiles",
              "", "", "", "rate", "");
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
    std::printf("%-30s %6s %s %41s\n", r.what->name.c_str(),
                r.what->n > 0 ? std::to_string(r.what->n).c_str() : "", times(r).c_str(), rate);
  }
  std::printf("\n%-30s %6s %10s %21s %10s %9s %8s %10s %7s\n", "case", "n", "median", "quartiles",
              "ktokens/s", "peak MB", "faults", "floor", "times");
  for (const Row& r : rows) {
    if (r.what->kind == "floor") continue;
    std::printf("%-30s %6lld %s %10.1f %9.1f %8.0f %10.3f %7.1f\n", r.what->label().c_str(),
                (long long)r.what->n, times(r).c_str(), r.tokens_per_second() / 1e3,
                double(r.samples.peak_bytes) / 1e6, quantile(r.samples.faults, 0.5),
                1e3 * r.floor(), r.median() / r.floor());
  }
}

// Time against n, forward and backward: the operators, and the pieces they are made of.
std::string chart(const std::vector<Row>& rows) {
  const auto panel = [&](const std::string& title, const std::vector<std::string>& names,
                         const std::vector<std::string>& floors) {
    plot::ScalingPanel p{title, "sequence length n", "ms", {}};
    const auto add = [&](const std::string& kind, const std::string& name,
                         const std::string& pass) {
      plot::ScalingLine line{.name = name, .dashed = kind == "floor"};
      for (const Row& r : rows)
        if (r.what->kind == kind && r.what->name == name && r.what->pass == pass) {
          line.x.push_back(double(r.what->n));
          line.y.push_back(1e3 * r.median());
          line.low.push_back(1e3 * quantile(r.samples.seconds, 0.25));
          line.high.push_back(1e3 * quantile(r.samples.seconds, 0.75));
        }
      if (!line.x.empty()) p.lines.push_back(line);
      return !line.x.empty();
    };
    bool any = false;
    for (const std::string& name : names) any = add("op", name, "train") || any;
    if (any)
      for (const std::string& name : floors) add("floor", name, "");
    return p;
  };
  std::vector<plot::ScalingPanel> panels;
  for (const auto& p :
       {panel("Operators, forward and backward", {"tno", "ski", "fd", "attention"}, {}),
        panel("Their pieces, forward and backward",
              {"spectral_conv", "toeplitz", "conv1d", "interpolate"}, {"fft", "copy"})})
    if (!p.lines.empty()) panels.push_back(p);
  return panels.empty() ? "" : plot::scaling("time against sequence length", panels);
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text << std::flush;
  check<IoError>(bool(out), "cannot write '", path, "'");
}

// ---- choosing ----

void quick_sizes(Options& o, const CLI::App& app) {
  const auto left_alone = [&](const char* name) { return app.get_option(name)->count() == 0; };
  if (left_alone("--n")) o.sizes.n = {64, 128};
  if (left_alone("--batch")) o.sizes.batch = 1;
  if (left_alone("--dim")) o.sizes.dim = 16;
  if (left_alone("--length")) o.sizes.length = 64;
  if (left_alone("--recipe")) o.sizes.recipe = "tiny";
  if (left_alone("--repeats")) o.repeats = 2;
}

std::vector<Case> chosen(const Options& o) {
  std::vector<Case> all, cases;
  for (const int64_t n : o.sizes.n) add_operators(all, o.sizes, n);
  for (const int64_t n : o.sizes.n) add_layers(all, o.sizes, n);
  add_steps(all, o.sizes);
  if (!o.list) add_floors(cases, o.sizes, o.quick);
  const size_t floors = cases.size();
  for (const Case& c : all) {
    bool wanted = o.filter.empty();
    for (const std::string& part : o.filter)
      wanted = wanted || c.label().find(part) != std::string::npos;
    if (!wanted) continue;
    if (c.make)
      cases.push_back(c);
    else
      std::fprintf(stderr, "left out: %s over %lld positions, too much memory\n", c.label().c_str(),
                   (long long)c.n);
  }
  check<UsageError>(cases.size() > floors,
                    "--filter: no case that can run has this in its name; --list shows the names");
  return cases;
}

int run(Options& o, const CLI::App& app) {
  if (o.quick) quick_sizes(o, app);
  std::sort(o.sizes.n.begin(), o.sizes.n.end());
  o.sizes.n.erase(std::unique(o.sizes.n.begin(), o.sizes.n.end()), o.sizes.n.end());
  if (o.threads > 0) omp_set_num_threads(o.threads);
  std::vector<Case> cases = chosen(o);
  if (o.list) {
    for (const Case& c : cases) std::printf("%s %lld\n", c.label().c_str(), (long long)c.n);
    return 0;
  }
  std::vector<Row> rows = measure(cases, o);
  set_floors(rows);
  std::string lines;
  for (const Row& r : rows) lines += json_line(r, o) + "\n";
  if (o.json == "-") {
    std::fputs(lines.c_str(), stdout);
    return 0;
  }
  std::error_code error;
  std::filesystem::create_directories(o.out, error);
  check<IoError>(!error, "cannot create '", o.out, "': ", error.message());
  const std::string json = o.json.empty() ? o.out + "/bench.jsonl" : o.json, svg = chart(rows);
  write_file(json, lines);
  if (!svg.empty()) write_file(o.out + "/bench.svg", svg);
  print_table(rows, o);
  std::printf("\nrows: %s%s\n", json.c_str(),
              svg.empty() ? "" : (", chart: " + o.out + "/bench.svg").c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures operators, layers and training steps against the floor of the hardware.",
               "bench");
  Options o;
  const auto option = [&](const char* name, auto& value, const char* help) {
    return app.add_option(name, value, help)->capture_default_str();
  };
  option("--n", o.sizes.n, "Sequence lengths of operators and layers")
      ->delimiter(',')
      ->check(between(2, 1 << 20));
  option("--batch", o.sizes.batch, "Sequences at once")->check(between(1, 1e6));
  option("--dim", o.sizes.dim, "Channels of operators and layers")->check(between(1, 65536));
  option("--length", o.sizes.length, "Tokens of a step of ListOps or Text; 0: the recipe's")
      ->check(between(0, 1 << 20));
  option("--recipe", o.sizes.recipe, "Models of the steps")->check(one_of({"paper", "tiny"}));
  app.add_option("--filter", o.filter, "Only cases with one of these in their name")
      ->delimiter(',');
  option("--threads", o.threads, "Threads; 0: OMP_NUM_THREADS or all cores")
      ->check(between(0, 4096));
  option("--repeats", o.repeats, "Rounds")->check(between(1, 1e6));
  option("--seconds", o.seconds, "No further round after this time; 0: all rounds")
      ->check(between(0, 1e6));
  option("--out", o.out, "Folder of bench.jsonl and bench.svg");
  app.add_option("--json", o.json,
                 "The JSON lines in this file; -: on standard output, and nothing else");
  app.add_flag("--quick", o.quick, "Tiny sizes: does everything run?");
  app.add_flag("--list", o.list, "Print the names of the cases and stop");
  app.footer(
      "Examples:\n  bench --filter op/,layer/gtu --n 1024,2048,4096 --threads 1\n"
      "  bench --filter step/listops --batch 16 --repeats 5\n"
      "A name is kind/name/pass: op/tno/forward, layer/glu/train, step/text-ski/train; train is "
      "forward\n"
      "and backward, for a step with optimizer. The floor is measured in the same run, with the "
      "same\n"
      "threads: a copy of the same bytes, FFTW's contiguous transforms of the batch there and "
      "back, the\n"
      "multiplications of matrix products at the best rate of gemm. Peak: tensors made by a call.\n"
      "Faults: pages the kernel handed out, a call.");
  return run_program(argc, argv, app, [&] { return run(o, app); });
}
