// Keeps what a run reached in a few small files, and makes tables of all that is kept.
// Run:     build/cpu/results keep runs/listops-small-tno-1 --kept examples/results
//          build/cpu/results table --kept examples/results
// Expect:  a folder with the name of the run's, which has config.toml, result.json and at most 200 rows of
//          metrics.csv, without paths of this machine; tables in Markdown, one of language models
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "data/files/binary_file.h"
#include "examples/language/result.h"
#include "examples/program/program.h"
#include "examples/train/kept.h"
#include "examples/train/result.h"
#include "examples/train/run_folder.h"

using namespace skiff;

namespace {

int keep(const std::vector<std::string>& runs, const std::string& kept, const std::string& name) {
  check<UsageError>(name.empty() || runs.size() == 1, "--as must name one run, got ", runs.size());
  for (const std::string& run : runs) {
    check<DataError>(!is_there(run + "/" + kOptionsOfSeveral), "'", run,
                     "' is a folder of runs: name one of them");
    const std::optional<Result> r =
        result_from(read_file(run + "/result.json"), /*only_best_test=*/true);
    check<DataError>(!r || r->pretrain.empty(), "'", run,
                     "' is a pretraining, which has no accuracy");
    std::printf("%s\n", keep_run(run, kept, name).c_str());
  }
  return 0;
}

// "62.5 (62.1 to 63.0)", or "62.5" of one value.
std::string range_of(const std::vector<double>& values, double scale, int digits) {
  double sum = 0;
  for (const double v : values) sum += v;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  char text[96];
  std::snprintf(text, sizeof text, values.size() > 1 ? "%.*f (%.*f to %.*f)" : "%.*f", digits,
                scale * sum / double(values.size()), digits, scale * *least, digits, scale * *most);
  return text;
}

// Kept runs of one configuration, which differ in their seeds.
template <class R>
struct Row {
  std::string name;  // of the first by name
  R first;
  std::vector<double> val, test;
  std::map<uint64_t, std::string> seeds;  // and the text of result.json
};
template <class R>
using Rows = std::map<std::vector<std::string>, Row<R>>;

// A seed that a row has already, with another result, is of other data or another start, whose
// paths the options do not keep, or of another build. It gets a row of its own.
template <class R>
void add(Rows<R>& rows, std::vector<std::string> key, const std::string& run, const R& result,
         double val, double test) {
  key.push_back(configuration_of(run));
  const std::string text = read_file(run + "/result.json");
  for (int other = 0;; ++other) {
    const auto [at, fresh] = rows.try_emplace(key);
    Row<R>& row = at->second;
    if (fresh) row.first = result, row.name = std::filesystem::path(run).filename().string();
    const auto [before, first] = row.seeds.try_emplace(result.seed, text);
    if (first) {
      row.val.push_back(val), row.test.push_back(test);
      return;
    }
    check<DataError>(!is_same_result(before->second, text), "'", run, "' is the run of '", row.name,
                     "' once more, with the same options and seed; keep one of them");
    if (other > 0) key.pop_back();
    key.push_back(std::to_string(other));
  }
}

// A name in a cell of a table in Markdown.
std::string in_cell(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '|' ? "\\|" : std::string(1, c);
  return text;
}

void print(const Rows<Result>& rows) {
  std::printf(
      "| run | task | recipe | mixer | parameters | steps | seeds | validation | test | majority "
      "|\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [key, row] : rows) {
    const Result& r = row.first;
    std::printf("| %s | %s | %s | %s | %lld | %lld | %zu | %s | %s | %.1f |\n",
                in_cell(row.name).c_str(), r.task.c_str(), r.recipe.c_str(), r.mixer.c_str(),
                (long long)r.parameters, (long long)r.steps, row.test.size(),
                range_of(row.val, 100, 1).c_str(), range_of(row.test, 100, 1).c_str(),
                100 * r.majority_test);
  }
}

void print(const Rows<LmResult>& rows) {
  std::printf(
      "| run | text | recipe | mixer | parameters | steps | best | seeds | evaluated in | nats per "
      "target | counting |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [key, row] : rows) {
    const LmResult& r = row.first;
    char counting[24] = "";  // none for masked models
    if (r.counting.order > 0) std::snprintf(counting, sizeof counting, "%.3f", r.counting.val);
    std::printf("| %s | %s%s | %s | %s | %lld | %lld | %lld | %zu | %s | %s | %s |\n",
                in_cell(row.name).c_str(), r.data.c_str(),
                r.objective == "masked" ? ", masked" : "", r.recipe.c_str(), r.mixer.c_str(),
                (long long)r.parameters, (long long)r.steps, (long long)r.best_step, row.val.size(),
                r.rule.c_str(), range_of(row.val, 1, 3).c_str(), counting);
  }
}

// One row per configuration; several seeds are averaged.
int print_tables(const std::string& kept) {
  check<DataError>(is_folder(kept), "'", kept, "' is no folder of kept results");
  Rows<Result> tasks;
  Rows<LmResult> texts;
  for (const std::string& name : names_in(kept)) {
    const std::string run = kept + "/" + name, file = run + "/result.json";
    if (!is_there(file)) continue;
    const std::string text = read_file(file);
    if (const std::optional<Result> r = result_from(text, /*only_best_test=*/true))
      add(tasks, {r->task, r->recipe, r->mixer, number_text(r->majority_test)}, run, *r,
          r->best_val, r->best_test);
    else if (const std::optional<LmResult> lm = lm_result_from(text))
      add(texts, {lm->data, lm->recipe, lm->mixer}, run, *lm, lm->val.loss(), NAN);
    else
      fail<DataError>("'", file, "' must be a result, got something else");
  }
  check<DataError>(!tasks.empty() || !texts.empty(), "'", kept, "' holds no kept results");
  if (!tasks.empty()) print(tasks);
  if (!tasks.empty() && !texts.empty()) std::printf("\n");
  if (!texts.empty()) print(texts);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Keeps results of training runs, and makes tables of them.", "results");
  app.require_subcommand(1);
  std::string kept = "examples/results", name;
  std::vector<std::string> runs;
  CLI::App* keeping = app.add_subcommand("keep", "Copy configuration, result and thinned metrics");
  keeping->add_option("runs", runs, "Run folders")->required();
  keeping->add_option("--as", name, "Name of the one run that is kept");
  keeping->add_option("--kept", kept, "Folder of kept results")->capture_default_str();
  CLI::App* table = app.add_subcommand("table", "Print tables of the kept results");
  table->add_option("--kept", kept, "Folder of kept results")->capture_default_str();
  return run_program(argc, argv, app,
                     [&] { return *keeping ? keep(runs, kept, name) : print_tables(kept); });
}
