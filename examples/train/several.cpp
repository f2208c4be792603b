#include "examples/train/several.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>

#include "data/tasks.h"
#include "examples/charts/charts.h"
#include "examples/train/config_file.h"
#include "examples/train/inner_run.h"
#include "examples/train/lra.h"
#include "examples/train/recipes.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

// The time of attention grows with n^2: 16,384 positions cost 16 times what 4096 do.
constexpr int64_t kLongestAttention = 8192;

// What may be said of all tasks at once; their recipes decide the rest.
constexpr const char* kOfAllTasks[] = {"task",
                                       "data",
                                       "protocol",
                                       "bytes",
                                       "aan-decode",
                                       "val-split",
                                       "mixer",
                                       "recipe",
                                       "seed",
                                       "init",
                                       "steps",
                                       "eval-every",
                                       "eval-limit",
                                       "test-limit",
                                       "save-every",
                                       "log-every",
                                       "keep",
                                       "out",
                                       "checkpoint-activations"};

bool of_all_tasks(const std::string& name) {
  return std::find(std::begin(kOfAllTasks), std::end(kOfAllTasks), name) != std::end(kOfAllTasks);
}

void refuse_options_of_one_task(const CommandLine& asked) {
  for (const std::string& name : field_names(asked.options))
    check<UsageError>(
        !asked.is_given(name) || of_all_tasks(name), "--", name, ": several tasks take the '",
        asked.options.train.recipe,
        "' recipe of each; of its numbers only --steps and those of limits, saving and "
        "logging can be given");
}

// The run of one task and mixer, as if its options had been given alone.
CommandLine command_for(const CommandLine& asked, const std::string& task,
                        const std::string& mixer) {
  CommandLine c = asked;
  c.options = recipe_named(asked.options.train.recipe, task).options;
  for (const auto& [name, text] : to_texts(asked.options))
    if (asked.is_given(name) && of_all_tasks(name)) from_texts(c.options, {{name, text}});
  c.options.data.task = task;
  c.options.data.folder = asked.options.data.folder;
  c.options.model.mixer = mixer;
  return c;
}

// Speed against accuracy, area = memory: the figure this field knows.
std::string bubble_chart(const std::vector<Result>& results) {
  std::vector<std::string> mixers = mixer_names();
  for (const std::string& word : mixer_words())  // controls, if one was run
    if (std::find(mixers.begin(), mixers.end(), word) == mixers.end() &&
        std::any_of(results.begin(), results.end(), [&](auto& r) { return r.mixer == word; }))
      mixers.push_back(word);
  std::vector<charts::Bubble> bubbles;
  for (const Result& r : results)
    if (r.tokens_per_second > 0)  // none was measured where the last step had been made before
      bubbles.push_back({r.task, r.tokens_per_second / 1000, r.best_test, double(r.peak.tensors),
                         int(std::find(mixers.begin(), mixers.end(), r.mixer) - mixers.begin())});
  return charts::bubbles_svg("test accuracy against speed; area: peak memory of tensors",
                             "thousand tokens/s (log)", bubbles, mixers);
}

class Group {
 public:
  explicit Group(const CommandLine& asked)
      : asked_(asked),
        folder_(asked.options.run.out),
        table_(asked.session.json ? stderr : stdout) {}

  int run() {
    std::fprintf(table_, "%-14s %-10s %9s %9s %11s %10s %10s %8s\n", "task", "mixer", "test",
                 "majority", "parameters", "tokens/s", "tensors", "time");
    const std::string& data = asked_.options.data.folder;
    for (const std::string& task : several_tasks(asked_.options.data.task)) {
      if (!may_run(task)) continue;
      const std::string& one = asked_.options.model.mixer;
      for (const std::string& mixer :
           asked_.is_given("mixer") ? std::vector<std::string>{one} : mixer_names())
        run_one(task, mixer);
    }
    check<DataError>(!results_.empty() || worst_ != 0 || stopped_, "--task ",
                     asked_.options.data.task, ": no run reached its end; is there data in '", data,
                     "'?");
    if (asked_.session.json) print_json(results_);
    if (!results_.empty())
      std::fprintf(table_, "table: %s/results.csv, chart: %s/results.svg\n", folder_.path().c_str(),
                   folder_.path().c_str());
    if (missing_) worst_ = std::max(worst_, DataError("").exit_code());
    if (worst_ != 0) std::fprintf(table_, "--resume tries again what went wrong\n");
    return worst_;
  }

 private:
  // Only what was given: the recipes decide the rest.
  static std::string asked_text(const CommandLine& asked) {
    std::string text;
    for (const auto& [name, value] : to_texts(asked.options))
      if (asked.is_given(name)) text += name + "=" + config_value(value) + "\n";
    return text;
  }

  // Says why not: a task without the recipe or without data does not keep the others from running.
  bool may_run(const std::string& task) {
    const std::string& data = asked_.options.data.folder;
    try {
      recipe_named(asked_.options.train.recipe, task);
      if (task_named(task).has_data(data)) return true;
      missing_ = missing_ || asked_.options.data.task != "all";
      std::fprintf(table_, "%-14s no data in '%s'; 'lra_data check' says where to get it\n",
                   task.c_str(), data.c_str());
    } catch (const UsageError& e) {
      std::fprintf(table_, "%-14s left out: %s\n", task.c_str(), e.what());
    } catch (const Error& e) {
      worst_ = std::max(worst_, e.exit_code());
      std::fprintf(table_, "%-14s failed: %s\n", task.c_str(), e.what());
    }
    return false;
  }

  void run_one(const std::string& task, const std::string& mixer) {
    CommandLine c = command_for(asked_, task, mixer);
    c.session.outer = folder_.path();
    c.options.run.out = folder_.file(task + "-" + mixer);
    if (mixer == "attention" && c.options.data.max_length > kLongestAttention) {
      std::fprintf(table_, "%-14s %-10s left out: attention over %lld positions\n", task.c_str(),
                   mixer.c_str(), (long long)c.options.data.max_length);
      return;
    }
    try {
      const InnerRun run =
          run_inside(c, c.options, c.options.run.out, /*only_best_test=*/true, &kept_);
      stopped_ = stopped_ || !run.result;
      if (run.result) add(*run.result);
      run.check_written();
    } catch (const Stopped&) {
      throw;
    } catch (const std::exception& e) {  // the other runs need not suffer
      const Error* error = dynamic_cast<const Error*>(&e);
      worst_ = std::max(worst_, error ? error->exit_code() : 1);
      std::fprintf(table_, "%-14s %-10s failed: %s\n", task.c_str(), mixer.c_str(), e.what());
      std::fflush(table_);
    }
  }

  void add(const Result& r) {
    results_.push_back(r);
    std::fprintf(table_, "%-14s %-10s %7.1f %% %7.1f %% %11lld %10s %7.0f MB %8s\n", r.task.c_str(),
                 r.mixer.c_str(), 100 * r.best_test, 100 * r.majority_test, (long long)r.parameters,
                 Display::thousands(r.tokens_per_second).c_str(), double(r.peak.tensors) / 1e6,
                 Display::clock(r.seconds).c_str());
    std::fflush(table_);
    folder_.write("results.csv", results_csv(results_));
    folder_.write("results.svg", bubble_chart(results_));
  }

  const CommandLine& asked_;
  const RunFolder folder_;
  OptionsOfSeveral kept_{asked_, folder_, asked_text(asked_)};
  std::FILE* const table_;
  std::vector<Result> results_;
  bool stopped_ = false;  // --stop-at
  bool missing_ = false;  // there is no data of a task that was named
  int worst_ = 0;         // exit code of the runs that went wrong
};

}  // namespace

int run_several(const CommandLine& asked) {
  refuse_options_of_one_task(asked);
  CommandLine c = asked;
  std::string& out = c.options.run.out;
  if (out.empty())
    out = "runs/" + c.options.data.task + "-" + c.options.train.recipe + "-" +
          std::to_string(c.options.train.seed);
  check_folder_of_several(out);
  return Group(c).run();
}

}  // namespace skiff
