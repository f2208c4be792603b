#include "examples/evaluate/comparison.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/io/atomic_file.h"
#include "core/random.h"
#include "data/files/binary_file.h"
#include "examples/charts/charts.h"
#include "examples/evaluate/scores.h"
#include "examples/evaluate/settings.h"
#include "examples/train/result.h"
#include "examples/train/run_folder.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

namespace fs = std::filesystem;

// A run, once: "runs/a", "./runs/a" and "runs/a/best.safetensors" are the same.
std::vector<OpenedRun> open_runs(const std::vector<std::string>& places, Device device) {
  std::vector<OpenedRun> runs;
  std::vector<fs::path> seen;
  for (const std::string& place : places) {
    OpenedRun run = open_run(place, device);
    const fs::path file = fs::canonical(run.checkpoint);
    if (std::find(seen.begin(), seen.end(), file) != seen.end()) continue;
    check<DataError>(runs.empty() || run.options.data.task == runs[0].options.data.task, "'", place,
                     "' is a run of ", run.options.data.task, ", the first one of ",
                     runs[0].options.data.task, ": only runs of one task can be compared");
    seen.push_back(file);
    runs.push_back(std::move(run));
  }
  return runs;
}

// What a run says of its own training, if it has ended.
std::optional<Result> result_in(const std::string& folder) {
  const std::string path = folder + "/result.json";
  if (!fs::exists(path)) return {};
  return result_from(read_file(path), /*only_best_test=*/true);
}

int64_t newest_step(const std::string& folder) {
  int64_t step = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(folder))
    step = std::max(step, RunFolder::step_of(e.path().filename().string()).value_or(0));
  return step;
}

// What kind of pretraining or earlier run this is, whatever its seed; the place itself where that
// is not known any more. A run may have begun with one that was replaced since by a run that began
// with it, so `after` holds those on the way here.
std::string kind_of_start(const std::string& init, std::set<std::string> after = {}) {
  if (init.empty() || !after.insert(init).second) return init;
  const bool folder = fs::is_directory(init);
  auto values = known_config(folder ? init : fs::path(init).parent_path().string());
  if (values.empty()) return init;
  std::string text;
  for (const char* name : kNoSetting) values.erase(name);
  values["init"] = kind_of_start(values["init"], after);
  for (const auto& [name, value] : values) text += name + "=" + value + ";";
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_name(text));
  return hash;
}

// The run without its scores.
ScoredRun described(const OpenedRun& run) {
  const std::string file = fs::path(run.checkpoint).filename();
  const bool best = file == "best.safetensors";
  ScoredRun r{.place = best ? run.folder : run.checkpoint, .options = to_texts(run.options)};
  for (const std::string& name : unread_options(run.options.model)) r.options.erase(name);
  // What the checkpoint does not know: the length of the run, and which checkpoint it is. Of a
  // sweep with a budget, the minutes count, not the steps that were possible in them.
  const auto config = known_config(run.folder);
  for (const char* name : {"steps", "epochs"})
    if (config.count(name)) r.options[name] = config.at(name);
  const std::string budget = fs::canonical(run.folder).parent_path() / kSweepBudget;
  if (fs::exists(budget)) {
    r.options.erase("steps");
    r.options["minutes"] = read_file(budget);
  }
  r.options["checkpoint"] = best ? "best" : file;
  r.init = r.options["init"];
  r.options["init"] = kind_of_start(r.init);
  const Metadata& metadata = run.opened.metadata;
  // Each seed draws examples of its own for --train-examples.
  if (const auto data = metadata.find("train_data");
      data != metadata.end() && run.options.pretrain.train_examples == 0)
    r.options["train_data"] = data->second;
  r.parameters = run.opened.parameters->trained_count();
  if (const std::optional<Result> result = result_in(run.folder)) {
    r.tokens_per_second = result->tokens_per_second;
    r.peak_tensors = double(result->peak.tensors);
  } else if (best && !config.empty()) {
    r.stopped_at = newest_step(run.folder);
  }
  return r;
}

struct Comparison {
  std::string task;
  std::vector<int32_t> labels;  // of the examples that every run is scored on
  std::vector<ScoredRun> runs;
};

// All on the data of the first run, unless --data names other data.
Comparison scored(const EvaluateOptions& o, std::vector<OpenedRun>& runs, Device device) {
  Display display(progressing("auto"), o.quiet);
  Comparison all{runs[0].options.data.task, {}, {}};
  std::string note, folder = o.data;
  std::optional<DataOptions> chosen;  // of `data`; the runs of a sweep share it
  TaskData data;
  std::vector<const OpenedRun*> others;  // trained on other examples
  for (OpenedRun& run : runs) {
    ScoredRun r = described(run);
    choose_data(run, folder, o.max_length);
    folder = run.options.data.folder;
    if (!chosen || to_texts(*chosen) != to_texts(run.options.data) ||
        chosen->vocabulary != run.options.data.vocabulary) {
      data = labelled_data(run);
      chosen = run.options.data;
    }
    if (data.note != note && !data.note.empty()) display.note("note: " + data.note);
    if (is_other_data(run, data)) others.push_back(&run);
    note = data.note;
    const auto [split, examples] = splits_of(data, o.split).at(0);
    const std::string which = "run " + std::to_string(all.runs.size() + 1) + " of " +
                              std::to_string(runs.size()) + " on " + split;
    const ScoredExamples s = scores_of(o, run, data, *examples, split, which, device, display);
    if (const std::string remark = s.evaluation.remark(); !remark.empty())
      display.note("note: '" + r.place + "': " + remark);
    for (const int64_t count : s.evaluation.not_finite) r.not_finite += count;
    std::vector<int32_t> labels;
    for (size_t i = 0; i < s.examples.size(); ++i) {
      labels.push_back(s.examples[i].label);
      r.right.push_back(s.evaluation.predicted[i] == s.examples[i].label);
    }
    check<DataError>(all.runs.empty() || labels == all.labels, "'", r.place, "' reads ",
                     labels.size(), " examples as its ", split, " split of '", folder,
                     "', the first run ", all.labels.size(),
                     " or other ones: its --val-split or --protocol differs");
    all.labels = labels;
    all.runs.push_back(std::move(r));
  }
  if (!others.empty())
    display.note("note: " + note_of_other_data(*others.front(), others.size() - 1));
  return all;
}

// ---- output ----

std::string text_of(const char* format, double a, double b = 0) {
  if (std::isnan(a) || std::isnan(b)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

std::string counted(size_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

void print_table(const EvaluateOptions& o, const Comparison& all,
                 const std::vector<Setting>& settings) {
  size_t width = 7;
  bool single = false;
  for (const Setting& s : settings) {
    width = std::max(width, s.label.size());
    single = single || s.places.size() == 1;
  }
  std::printf("%s, %s split, %s, %s\n", all.task.c_str(), o.split.c_str(),
              counted(all.labels.size(), "example").c_str(),
              counted(all.runs.size(), "run").c_str());
  std::printf("%-*s %5s %10s %17s %11s %17s %11s %10s %10s\n", int(width), "setting", "runs",
              "accuracy", "lowest to highest", "difference", "95 % interval", "parameters",
              "tokens/s", "tensors");
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    const bool first = &s == &settings[0];
    std::printf(
        "%-*s %5zu %8.2f %% %17s %11s %17s %11lld %10s %10s\n", int(width), s.label.c_str(),
        s.places.size(), 100 * s.mean(),
        text_of("%.1f to %.1f", 100 * s.lowest(), 100 * s.highest()).c_str(),
        first ? "" : text_of("%+.2f", 100 * d.middle).c_str(),
        first ? ""
              : text_of("%+.2f to %+.2f", 100 * (d.middle - d.half), 100 * (d.middle + d.half))
                    .c_str(),
        (long long)s.parameters,
        std::isnan(s.tokens_per_second) ? "-" : Display::thousands(s.tokens_per_second).c_str(),
        text_of("%.0f MB", s.peak_tensors / 1e6).c_str());
  }
  if (settings.size() > 1)
    std::printf(
        "difference: to %s, in points; the interval covers other draws of the examples, with the "
        "same\nweights. What other seeds would give is not in it: see lowest to highest%s\n",
        settings[0].label.c_str(), single ? "; a single run says nothing about them" : "");
  for (const Setting& s : settings)
    if (s.label != s.name) std::printf("%s: %s\n", s.label.c_str(), s.name.c_str());
}

void print_json(const EvaluateOptions& o, const Comparison& all,
                const std::vector<Setting>& settings) {
  nlohmann::ordered_json json = {
      {"task", all.task}, {"split", o.split}, {"examples", all.labels.size()}};
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    json["settings"].push_back({{"name", s.name},
                                {"runs", s.places},
                                {"accuracies", s.accuracies},
                                {"accuracy", s.mean()},
                                {"difference", d.middle},
                                {"low", d.middle - d.half},  // NaN becomes null
                                {"high", d.middle + d.half},
                                {"not_finite", s.not_finite},
                                {"parameters", s.parameters},
                                {"tokens_per_second", s.tokens_per_second},
                                {"peak_tensor_bytes", s.peak_tensors}});
  }
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
  std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
}

std::string chart(const EvaluateOptions& o, const Comparison& all,
                  const std::vector<Setting>& settings) {
  std::vector<charts::IntervalRow> rows;
  for (const Setting& s : settings) {
    const Interval d = paired_difference(settings[0].right, s.right);
    rows.push_back({s.label,
                    text_of("%.1f %%", 100 * s.mean()) + ", " + counted(s.places.size(), "run"),
                    d.middle, d.middle - d.half, d.middle + d.half});
  }
  return charts::intervals_svg(
      all.task + ", " + o.split + " split, " + counted(all.labels.size(), "example"),
      "accuracy less that of " + settings[0].label + "; 95 % interval over the examples", rows);
}

}  // namespace

int compare_runs(const EvaluateOptions& o) {
  check<UsageError>(o.split != "all",
                    "--split: several runs are compared on one split, such as test");
  check<UsageError>(o.predictions.empty(), "--predictions: must be of one run, got ",
                    o.runs.size());
  const Device device = prepare(o.inference);
  // What cannot be read or written shows before anything is computed.
  std::vector<OpenedRun> runs = open_runs(o.runs, device);
  if (!o.svg.empty()) AtomicFile writable(o.svg);
  const Comparison all = scored(o, runs, device);
  const std::vector<Setting> settings = settings_of(all.runs);
  o.inference.json ? print_json(o, all, settings) : print_table(o, all, settings);
  if (!o.svg.empty()) write_file(o.svg, chart(o, all, settings));
  return 0;
}

}  // namespace skiff
