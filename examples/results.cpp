// Keeps what a run reached in a few small files, and makes a table of all that is kept.
// Run:     build/cpu/results keep runs/listops-small-tno-1 --kept examples/results
//          build/cpu/results table --kept examples/results
// Expect:  a folder with the name of the run's, which has config.toml, result.json and at most 200 rows of
//          metrics.csv; a table in Markdown
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "core/io/atomic_file.h"
#include "data/files/text_file.h"
#include "examples/train/program.h"
#include "examples/train/result.h"
#include "examples/train/run_folder.h"

using namespace skiff;
namespace fs = std::filesystem;

namespace {

constexpr size_t kMostRows = 200;

std::string text_of_file(const std::string& path) {
  std::string text;
  LineReader lines(path);
  for (std::string_view line; lines.next(&line);) text += std::string(line) + "\n";
  return text;
}

Result result_at(const std::string& folder) {
  const std::optional<Result> result =
      result_from(text_of_file(folder + "/result.json"), /*only_best_test=*/true);
  check<DataError>(result.has_value(), "'", folder,
                   "/result.json' is not that of a run of train_lra that has ended");
  return *result;
}

// Rows with a validation stay, or evenly many of them where there are more than kMostRows; of the
// others evenly many, up to kMostRows in all.
std::string thinned(const std::string& text) {
  std::istringstream in(text);
  std::string line, kept;
  std::getline(in, kept);
  kept += "\n";
  std::vector<MetricsRow> rows;
  while (std::getline(in, line))
    if (const std::optional<MetricsRow> row = parse_row(line)) rows.push_back(*row);
  const size_t validated = size_t(std::count_if(
      rows.begin(), rows.end(), [](const MetricsRow& r) { return !std::isnan(r.val_loss); }));
  const size_t others = rows.size() - validated;
  const size_t room = validated < kMostRows ? std::min(kMostRows - validated, others) : 0;
  size_t seen = 0, all = 0;
  for (const MetricsRow& row : rows) {
    const bool validation = !std::isnan(row.val_loss);
    size_t& at = validation ? all : seen;
    const size_t total = validation ? validated : others;
    const size_t share = validation ? std::min(validated, kMostRows) : room;
    if (total > 0 && (at + 1) * share / total > at * share / total) kept += text_of(row);
    ++at;
  }
  return kept;
}

void write(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.publish();
}

int keep(const std::vector<std::string>& runs, const std::string& kept) {
  for (const std::string& run : runs) {
    const Result r = result_at(run);
    const std::string name = kept + "/" + fs::canonical(run).filename().string();
    check<DataError>(r.pretrain.empty(), "'", run, "' is a pretraining, which has no accuracy");
    const std::string config = text_of_file(run + "/config.toml");
    check<UsageError>(
        !fs::exists(name + "/config.toml") || text_of_file(name + "/config.toml") == config, "'",
        name,
        "' holds another run of this name; rename one of them, or "
        "remove that one");
    fs::create_directories(name);
    for (const char* file : {"config.toml", "result.json"})
      write(name + "/" + file, text_of_file(run + "/" + file));
    write(name + "/metrics.csv", thinned(text_of_file(run + "/metrics.csv")));
    std::printf("%s\n", name.c_str());
  }
  return 0;
}

struct Row {
  Result first;  // by name
  std::string name;
  std::vector<double> tests, vals;
};

// The options of a run without what differs between seeds.
std::string configuration_of(const fs::path& run) {
  std::istringstream in(text_of_file((run / "config.toml").string()));
  std::string text;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with("seed=") && !line.starts_with("out=")) text += line + "\n";
  return text;
}

std::string range_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  char text[80];
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  std::snprintf(text, sizeof text, "%.1f", 100 * sum / double(values.size()));
  if (values.size() == 1) return text;
  std::snprintf(text, sizeof text, "%.1f (%.1f to %.1f)", 100 * sum / double(values.size()),
                100 * *least, 100 * *most);
  return text;
}

// One row per configuration; several seeds are averaged.
int print_table(const std::string& kept) {
  std::map<std::vector<std::string>, Row> rows;
  check<DataError>(fs::is_directory(kept), "'", kept, "' is no folder of kept results");
  std::set<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(kept))
    if (fs::exists(entry.path() / "result.json")) runs.insert(entry.path());
  for (const fs::path& run : runs) {
    const Result r = result_at(run.string());
    Row& row = rows[{r.task, r.recipe, r.mixer, configuration_of(run)}];
    if (row.tests.empty()) row.first = r, row.name = run.filename().string();
    row.tests.push_back(r.best_test), row.vals.push_back(r.best_val);
  }
  std::printf(
      "| run | task | recipe | mixer | parameters | steps | seeds | validation | test | majority "
      "|\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [key, row] : rows) {
    const Result& r = row.first;
    std::printf("| %s | %s | %s | %s | %lld | %lld | %zu | %s | %s | %.1f |\n", row.name.c_str(),
                r.task.c_str(), r.recipe.c_str(), r.mixer.c_str(), (long long)r.parameters,
                (long long)r.steps, row.tests.size(), range_of(row.vals).c_str(),
                range_of(row.tests).c_str(), 100 * r.majority_test);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Keeps results of runs of train_lra, and makes a table of them.", "results");
  app.require_subcommand(1);
  std::string kept = "examples/results";
  std::vector<std::string> runs;
  CLI::App* keeping = app.add_subcommand("keep", "Copy configuration, result and thinned metrics");
  keeping->add_option("runs", runs, "Run folders")->required();
  keeping->add_option("--kept", kept, "Folder of kept results")->capture_default_str();
  CLI::App* table = app.add_subcommand("table", "Print a table of the kept results");
  table->add_option("--kept", kept, "Folder of kept results")->capture_default_str();
  return run_program(argc, argv, app,
                     [&] { return *keeping ? keep(runs, kept) : print_table(kept); });
}
