#include "examples/evaluate/comparison.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "core/io/atomic_file.h"
#include "data/files/text_file.h"
#include "examples/charts/charts.h"
#include "examples/evaluate/scores.h"
#include "examples/train/result.h"

namespace skiff {

namespace {

// These say where a run reads and writes, how often it looks, or which draw of a setting it is, not
// what it tries.
constexpr const char* kNoSetting[] = {"recipe",     "seed",       "data",   "out",
                                      "eval-every", "eval-limit", "keep",   "test-limit",
                                      "save-every", "log-every",  "stages", "sweep"};

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

}  // namespace

Interval paired_difference(std::span<const double> a, std::span<const double> b) {
  std::vector<double> d(a.size());
  for (size_t i = 0; i < d.size(); ++i) d[i] = b[i] - a[i];
  const double mean = mean_of(d), count = double(d.size());
  double squares = 0;
  for (const double v : d) squares += (v - mean) * (v - mean);
  return {mean, d.size() < 2 ? NAN : 1.96 * std::sqrt(squares / (count - 1) / count)};
}

double Setting::mean() const { return mean_of(accuracies); }
double Setting::lowest() const { return *std::min_element(accuracies.begin(), accuracies.end()); }
double Setting::highest() const { return *std::max_element(accuracies.begin(), accuracies.end()); }

std::vector<Setting> settings_of(const std::vector<ScoredRun>& runs) {
  std::vector<Setting> settings;
  std::map<std::map<std::string, std::string>, size_t> place;  // of a setting with these options
  for (const ScoredRun& run : runs) {
    std::map<std::string, std::string> options = run.options;
    for (const char* name : kNoSetting) options.erase(name);
    // Every seed may start from a pretraining of its own.
    if (std::string& init = options["init"]; !init.empty()) init = "yes";
    const auto [found, fresh] = place.try_emplace(options, settings.size());
    if (fresh) {
      Setting s{.name = options["mixer"]};
      for (const auto& [name, value] : options) {
        const auto first = runs[0].options.find(name);
        const bool same =
            first != runs[0].options.end() &&
            (name == "init" ? first->second.empty() == value.empty() : first->second == value);
        if (name != "mixer" && !same) s.name += ", " + name + "=" + value;
      }
      s.right.assign(run.right.size(), 0);
      s.parameters = run.parameters;
      settings.push_back(s);
    }
    Setting& s = settings[found->second];
    const double before = double(s.folders.size());
    s.folders.push_back(run.folder);
    s.accuracies.push_back(mean_of(run.right));
    for (size_t i = 0; i < run.right.size(); ++i)
      s.right[i] = (s.right[i] * before + run.right[i]) / (before + 1);
    s.tokens_per_second =
        before == 0 ? run.tokens_per_second
                    : (s.tokens_per_second * before + run.tokens_per_second) / (before + 1);
    s.peak_tensors = before == 0 ? run.peak_tensors : std::max(s.peak_tensors, run.peak_tensors);
  }
  return settings;
}

namespace {

std::string text_at(const std::string& path) {
  std::string text;
  LineReader lines(path);
  for (std::string_view line; lines.next(&line);) text += std::string(line) + "\n";
  return text;
}

// What a run says of its own training, if it has ended.
std::optional<Result> result_in(const std::string& folder) {
  const std::string path = folder + "/result.json";
  if (!std::filesystem::exists(path)) return {};
  return result_from(text_at(path), /*only_best_test=*/true);
}

// The options of a run, with what its checkpoint does not know: its steps, and which one it is.
std::map<std::string, std::string> options_of(const OpenedRun& run) {
  std::map<std::string, std::string> options = to_texts(run.options);
  const std::string config = run.folder + "/config.toml";
  if (std::filesystem::exists(config))
    for (const ConfigEntry& e : parse_config(text_at(config), config))
      if (e.key == "steps" || e.key == "epochs") options[e.key] = e.value;
  const std::string file = std::filesystem::path(run.checkpoint).filename();
  if (file != "best.safetensors") options["checkpoint"] = file;
  return options;
}

struct Comparison {
  std::string task;
  std::vector<int64_t> labels;  // of the examples that every run is scored on
  std::vector<ScoredRun> runs;
};

void score(const EvaluateOptions& o, const std::string& place, Device device, Display& display,
           Comparison& all) {
  OpenedRun run = open_run(place, device);
  check<DataError>(all.task.empty() || run.options.data.task == all.task, "'", place,
                   "' is a run of ", run.options.data.task, ", the first one of ", all.task,
                   ": only runs of one task can be compared");
  all.task = run.options.data.task;
  const TaskData data = labelled_data(run, o.data);
  const auto [split, examples] = splits_of(data, o.split).at(0);
  const std::string which = "run " + std::to_string(all.runs.size() + 1) + " of " +
                            std::to_string(o.runs.size()) + " on " + split;
  const Scores s = scores_of(o, run, data, *examples, split, which, device, display);
  std::vector<int64_t> labels;
  ScoredRun scored{.folder = run.folder, .options = options_of(run)};
  for (size_t i = 0; i < s.examples.size(); ++i) {
    labels.push_back(s.examples[i].label);
    scored.right.push_back(s.evaluation.predicted[i] == s.examples[i].label);
  }
  check<DataError>(all.runs.empty() || labels == all.labels, "'", place, "' reads ", labels.size(),
                   " examples as its ", split, " split, the first run ", all.labels.size(),
                   ", or in another order: its --val-split, --protocol, --shortest or --longest "
                   "differs");
  all.labels = labels;
  scored.parameters = run.opened.parameters->trained_count();
  if (const std::optional<Result> result = result_in(run.folder)) {
    scored.tokens_per_second = result->tokens_per_second;
    scored.peak_tensors = double(result->peak.tensors);
  }
  all.runs.push_back(std::move(scored));
}

std::string text_of(const char* format, double a, double b = 0) {
  if (std::isnan(a) || std::isnan(b)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

void print_tables(const EvaluateOptions& o, const Comparison& all,
                  const std::vector<Setting>& settings) {
  size_t width = 7;
  for (const Setting& s : settings) width = std::max(width, s.name.size());
  std::printf("%s, %s split, %zu examples, %zu runs; differences are to %s, in points\n",
              all.task.c_str(), o.split.c_str(), all.labels.size(), all.runs.size(),
              settings[0].name.c_str());
  std::printf("%-*s %5s %10s %17s %11s %17s %11s %10s %10s\n", int(width), "setting", "runs",
              "accuracy", "lowest to highest", "difference", "95 % interval", "parameters",
              "tokens/s", "tensors");
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    const bool first = &s == &settings[0];
    std::printf(
        "%-*s %5zu %8.2f %% %17s %11s %17s %11lld %10s %10s\n", int(width), s.name.c_str(),
        s.folders.size(), 100 * s.mean(),
        text_of("%.1f to %.1f", 100 * s.lowest(), 100 * s.highest()).c_str(),
        first ? "" : text_of("%+.2f", 100 * d.middle).c_str(),
        first ? ""
              : text_of("%+.2f to %+.2f", 100 * (d.middle - d.half), 100 * (d.middle + d.half))
                    .c_str(),
        (long long)s.parameters,
        std::isnan(s.tokens_per_second) ? "-" : Display::thousands(s.tokens_per_second).c_str(),
        text_of("%.0f MB", s.peak_tensors / 1e6).c_str());
  }
}

void print_json(const EvaluateOptions& o, const Comparison& all,
                const std::vector<Setting>& settings) {
  nlohmann::ordered_json json = {
      {"task", all.task}, {"split", o.split}, {"examples", all.labels.size()}};
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    json["settings"].push_back({{"name", s.name},
                                {"runs", s.folders},
                                {"accuracies", s.accuracies},
                                {"accuracy", s.mean()},
                                {"difference", d.middle},
                                {"low", d.middle - d.half},  // NaN becomes null
                                {"high", d.middle + d.half},
                                {"parameters", s.parameters},
                                {"tokens_per_second", s.tokens_per_second},
                                {"peak_tensor_bytes", s.peak_tensors}});
  }
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
  std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
}

void write_chart(const EvaluateOptions& o, const Comparison& all,
                 const std::vector<Setting>& settings) {
  std::vector<charts::IntervalRow> rows;
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    rows.push_back({s.name,
                    text_of("%.1f %%", 100 * s.mean()) + ", " + std::to_string(s.folders.size()) +
                        (s.folders.size() == 1 ? " run" : " runs"),
                    d.middle, d.middle - d.half, d.middle + d.half});
  }
  AtomicFile file(o.svg);
  file.write(charts::intervals_svg(
      all.task + ", " + o.split + " split, " + std::to_string(all.labels.size()) + " examples",
      "accuracy less that of " + settings[0].name + ", 95 % interval", rows));
  file.publish();
}

}  // namespace

int compare_runs(const EvaluateOptions& o) {
  check<UsageError>(o.split != "all",
                    "--split: several runs are compared on one split, such as "
                    "test");
  for (const std::string& run : o.runs)
    check<UsageError>(std::count(o.runs.begin(), o.runs.end(), run) == 1, "'", run,
                      "' is given twice");
  const Device device = prepare(o.inference);
  Display display(progressing("auto"), o.quiet);
  Comparison all;
  for (const std::string& place : o.runs) score(o, place, device, display, all);
  const std::vector<Setting> settings = settings_of(all.runs);
  if (!o.svg.empty()) write_chart(o, all, settings);
  o.inference.json ? print_json(o, all, settings) : print_tables(o, all, settings);
  return 0;
}

}  // namespace skiff
