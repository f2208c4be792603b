#include "examples/train/inner_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "data/files/binary_file.h"
#include "data/files/text_file.h"
#include "examples/train/lra.h"
#include "examples/train/open_run.h"
#include "examples/train/recipes.h"

namespace skiff {

constexpr int64_t kMostOfPlan = 1 << 20;  // bytes

std::vector<WordRow> read_words(const std::string& path) {
  std::vector<WordRow> rows;
  LineReader lines(path);
  for (std::string_view line; lines.next(&line);) {
    std::istringstream in(std::string(line.substr(0, line.find('#'))));
    WordRow row{{}, path + ":" + std::to_string(lines.line())};
    for (std::string word; in >> word;) row.words.push_back(word);
    if (!row.words.empty()) rows.push_back(row);
  }
  check<UsageError>(!rows.empty(), "'", path, "' holds no rows");
  return rows;
}

std::string plan_file(const CommandLine& asked) {
  const RunOptions& run = asked.options.run;
  const std::string name = run.stages.empty() ? "sweep" : "stages";
  const std::string kept = run.out + "/" + kPlan;
  const bool named = std::find(asked.given.begin(), asked.given.end(), name) != asked.given.end();
  if (asked.session.resume && !named && is_there(kept)) return kept;
  return run.stages.empty() ? run.sweep : run.stages;
}

void set_option(Options& options, const std::string& name, const std::string& value,
                const std::string& place) {
  try {
    const bool unknown = !from_texts(options, {{name, value}}).empty();
    check<UsageError>(!unknown, "unknown option '", name, "'",
                      suggestion(name, field_names(options)));
  } catch (const UsageError& error) {
    fail<UsageError>(place, ": ", error.what());
  }
}

void note_options_without_effect(const CommandLine& asked, const std::vector<Options>& runs) {
  std::map<std::string, size_t> in_runs;  // option: in how many of them it has no effect
  std::map<std::string, std::set<std::string>> reasons;
  for (const Options& options : runs) {
    CommandLine c = asked;
    c.options = options;
    std::set<std::string> here;
    for (const std::string& note : options_without_effect(c)) {
      const std::string option = note.substr(0, note.find(' '));
      if (here.insert(option).second) ++in_runs[option];
      reasons[option].insert(note);
    }
  }
  if (asked.session.quiet) return;
  for (const auto& [option, count] : in_runs)
    if (count == runs.size())
      std::fprintf(stderr, "note: %s\n",
                   (reasons[option].size() == 1 ? *reasons[option].begin()
                                                : option + " has no effect in any of the runs")
                       .c_str());
}

void check_folder_of_several(const std::string& out) {
  check<UsageError>(!RunFolder(out).has("config.toml"), "--out: '", out,
                    "' holds an ordinary run; a run of several needs another folder");
}

OptionsOfSeveral::OptionsOfSeveral(const CommandLine& asked, const RunFolder& folder,
                                   const std::string& text, const std::string& minutes)
    : folder_(folder),
      text_(text),
      plan_(plan_file(asked).empty() ? "" : read_file(plan_file(asked), kMostOfPlan)),
      minutes_(minutes) {
  const bool there = folder.has(kOptionsOfSeveral), resume = asked.session.resume;
  bool runs = false;
  for (const std::string& name : names_in(folder.path()))
    runs = runs || is_there(std::filesystem::path(folder.path()) / name / "config.toml");
  check<UsageError>(!runs || resume || asked.session.force, "'", folder.path(),
                    "' holds runs already; --resume goes on with them, --force starts over");
  over_ = runs && there && !resume;  // else the runs are those of somebody else
  if (over_) return;
  if (!there || !resume) {
    keep();
    return;
  }
  const std::string& task = asked.options.data.task;
  Options then = recipe_named(asked.options.train.recipe,
                              is_several(task) ? several_tasks(task).front() : task)
                     .options;
  then.data.task = task;
  if (is_several(task)) then.model.mixer = asked.options.model.mixer;  // those that are run now
  const std::string before = folder.read(kOptionsOfSeveral), file = folder.file(kOptionsOfSeveral);
  if (!differs_in_steps(asked, then, before, file)) return;
  apply_config(then, parse_config(before, file));
  check<UsageError>(
      asked.options.train.steps >= then.train.steps, "--steps: the runs in '", folder.path(),
      "' were started with --steps ", then.train.steps,
      ", which can only be raised (rows of a plan that name steps have their own), got ",
      asked.options.train.steps);
}

void OptionsOfSeveral::accept(const std::string& running) {
  if (over_) {
    for (const std::string& name : names_in(folder_.path())) {
      const std::string inner = folder_.path() + "/" + name;
      if (is_there(inner + "/config.toml") && !std::filesystem::equivalent(inner, running))
        RunFolder(inner).remove_run();
    }
    for (const char* table : kTablesOfSeveral) folder_.remove(table);
  }
  over_ = false;
  keep();
}

void OptionsOfSeveral::keep() {
  if (!kept_) folder_.write(kOptionsOfSeveral, text_);
  if (!kept_ && !plan_.empty()) folder_.write(kPlan, plan_);
  if (!kept_ && !minutes_.empty())
    folder_.write(kSweepBudget, minutes_);
  else if (!kept_)
    folder_.remove(kSweepBudget);  // of a sweep that --force replaces
  kept_ = true;
}

void InnerRun::check_written() const {
  check<IoError>(write_error.empty(),
                 "the run has ended, but not everything was written: ", write_error);
}

// Whether there is something to go on with: a checkpoint, or the result of these options, which
// needs none.
static bool holds_run(const Options& options, bool only_best_test) {
  const RunFolder folder(options.run.out);
  if (!folder.checkpoints().empty()) return true;
  if (!folder.has("result.json")) return false;
  const std::optional<Result> result = result_from(folder.read("result.json"), only_best_test);
  return result && (options.train.steps == 0 || options.train.steps == result->steps) &&
         known_config(options.run.out)["data"] == options.data.folder;
}

InnerRun run_inside(const CommandLine& asked, Options options, const std::string& folder,
                    bool only_best_test, OptionsOfSeveral* kept) {
  CommandLine c = asked;
  c.options = std::move(options);
  c.options.run.out = folder;
  c.options.run.stages.clear();
  c.options.run.sweep.clear();
  if (c.session.outer.empty()) c.session.outer = asked.options.run.out;
  const bool planned = !asked.options.run.stages.empty() || !asked.options.run.sweep.empty();
  if (planned) c.given.push_back("data");  // of the plan: see TaskRun
  if (asked.session.resume) c.session.resume = holds_run(c.options, only_best_test);
  c.session.force = asked.session.force || (asked.session.resume && !c.session.resume);
  c.session.taken = [&] {
    if (asked.session.taken) asked.session.taken();
    if (kept != nullptr) kept->accept(folder);
  };
  LraRun run(c, only_best_test);
  const std::optional<Result> result = run();
  if (kept != nullptr) kept->accept(folder);  // a finished run has taken them, too
  return {result, run.write_error()};
}

}  // namespace skiff
