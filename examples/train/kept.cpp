#include "examples/train/kept.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "data/files/binary_file.h"
#include "examples/train/config_file.h"
#include "examples/train/metrics.h"

namespace skiff {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostRows = 200;

// What may differ between runs of one configuration: the seed, and what changes no result.
constexpr std::string_view kNoConfiguration[] = {
    "seed",      "out",          "keep",          "save-every", "checkpoint-activations",
    "log-every", "sample-every", "sample-tokens", "temperature"};

// "/a/b/c/" -> "c".
std::string last_component(const std::string& path) {
  const fs::path p(path);
  return (p.has_filename() ? p : p.parent_path()).filename().string();
}

}  // namespace

std::string kept_config(const std::string& config, const std::string& name) {
  std::string text;
  for (auto [key, value, place] : parse_config(config, "config.toml")) {
    if (key == "out")
      value = "runs/" + name;
    else if (key == "init" && value.ends_with(".safetensors"))  // of a run folder
      value = last_component(fs::path(value).parent_path().string()) + "/" + last_component(value);
    else if (key == "data" || key == "init" || key == "stages" || key == "sweep")
      value = last_component(value);
    text += key + "=" + config_value(value) + "\n";
  }
  return text;
}

std::string kept_result(const std::string& result, const std::string& name) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(result, nullptr, false);
  check<DataError>(json.is_object() && json.contains("run_folder"), "run '", name,
                   "' must have ended: its result.json has no result");
  json["run_folder"] = "runs/" + name;
  if (json.contains("data") && json["data"].is_string())
    json["data"] = last_component(json["data"].get<std::string>());
  return json.dump(1) + "\n";
}

bool is_same_result(const std::string& a, const std::string& b) {
  const auto learnt = [](const std::string& text) {
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_object())
      for (const char* other : {"run_folder", "threads", "seconds", "tokens_per_second",
                                "peak_tensor_bytes", "peak_resident_bytes", "only_best_test",
                                "last_test_accuracy", "last_test_loss", "sample"})
        json.erase(other);
    return json;
  };
  return learnt(a) == learnt(b);
}

std::string kept_metrics(const std::string& metrics) {
  std::istringstream in(metrics);
  std::string line, kept;
  std::getline(in, kept);
  kept += "\n";
  MetricsRows rows;
  while (std::getline(in, line))
    if (const std::optional<MetricsRow> row = parse_row(line)) rows.push_back(*row);
  const auto has_validation = [](const MetricsRow& r) { return !std::isnan(r.val_loss); };
  const size_t validated = size_t(std::count_if(rows.begin(), rows.end(), has_validation));
  const size_t others = rows.size() - validated;
  const size_t room = validated < kMostRows ? std::min(kMostRows - validated, others) : 0;
  size_t seen_validated = 0, seen_others = 0;
  for (const MetricsRow& row : rows) {
    const bool validation = has_validation(row);
    size_t& seen = validation ? seen_validated : seen_others;
    const size_t total = validation ? validated : others;
    const size_t share = validation ? std::min(validated, kMostRows) : room;
    if ((seen + 1) * share / total > seen * share / total) kept += text_of(row);
    ++seen;
  }
  return kept;
}

std::string configuration_of(const std::string& run) {
  std::istringstream in(read_file(run + "/config.toml"));
  std::string text;
  for (std::string line; std::getline(in, line);)
    if (std::ranges::find(kNoConfiguration, line.substr(0, line.find('='))) ==
        std::end(kNoConfiguration))
      text += line + "\n";
  return text;
}

std::string keep_run(const std::string& run, const std::string& kept, std::string name) {
  check<UsageError>(name.find('/') == name.npos && name != "." && name != "..",
                    "--as: must be the "
                    "name of a folder in '",
                    kept, "', got '", name, "'");
  if (name.empty()) name = fs::weakly_canonical(run).filename().string();
  const std::string folder = kept + "/" + name, config = folder + "/config.toml";
  const std::string options = kept_config(read_file(run + "/config.toml"), name);
  const std::string result = kept_result(read_file(run + "/result.json"), name);
  const std::string metrics = kept_metrics(read_file(run + "/metrics.csv"));
  const std::string there = folder + "/result.json";
  const bool same =
      !is_there(config) || (read_file(config) == options &&
                            (!is_there(there) || is_same_result(read_file(there), result)));
  check<UsageError>(same, "'", folder,
                    "' holds another run of this name; --as gives this one another name");
  std::error_code error;
  fs::create_directories(folder, error);
  check<IoError>(!error, "cannot create the folder '", folder, "': ", error.message());
  write_file(config, options);
  write_file(folder + "/result.json", result);
  write_file(folder + "/metrics.csv", metrics);
  return folder;
}

}  // namespace skiff
