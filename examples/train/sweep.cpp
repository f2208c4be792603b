#include "examples/train/sweep.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "data/files/binary_file.h"
#include "examples/charts/charts.h"
#include "examples/train/config_file.h"
#include "examples/train/inner_run.h"
#include "examples/train/run_folder.h"

namespace skiff {

namespace {

constexpr int64_t kMostRuns = 10000;
constexpr int64_t kTimedSteps = 20;

// These decide defaults, what is learnt, or the folders that the sweep chooses.
constexpr const char* kNotSwept[] = {"task", "recipe", "pretrain", "out", "stages", "sweep"};

struct Axis {
  std::string option;
  std::vector<std::string> values;
};

struct Grid {
  std::vector<Axis> axes;
  double minutes = 0;  // per run; 0: the steps of the options

  bool has(const std::string& option) const {
    return std::any_of(axes.begin(), axes.end(), [&](const Axis& a) { return a.option == option; });
  }
  int64_t size() const {
    int64_t all = 1;
    for (const Axis& axis : axes) all = std::min(all * int64_t(axis.values.size()), 2 * kMostRuns);
    return all;
  }
  // "mixer=ski,lr=1e-3", with what a file name cannot have replaced.
  std::string name_of(const std::vector<std::string>& values) const {
    std::string name;
    for (size_t a = 0; a < values.size(); ++a)
      name += (a > 0 ? "," : "") + axes[a].option + "=" + values[a];
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
  }
  // The values of run `index`, the last axis changing fastest.
  std::vector<std::string> values(int64_t index) const {
    std::vector<std::string> chosen(axes.size());
    for (size_t a = axes.size(); a-- > 0;) {
      const int64_t count = int64_t(axes[a].values.size());
      chosen[a] = axes[a].values[size_t(index % count)];
      index /= count;
    }
    return chosen;
  }
};

Grid read_grid(const CommandLine& asked) {
  Grid grid;
  for (const auto& [words, place] : read_words(plan_file(asked))) {
    const std::string& name = words[0];
    check<UsageError>(words.size() > 1, place, ": '", name, "' needs at least one value");
    if (name == "minutes") {
      check<UsageError>(words.size() == 2, place, ": 'minutes' needs one number");
      try {
        grid.minutes = parse_number({.name = "minutes", .help = "", .low = 0.001, .high = 1e6},
                                    words[1], /*integer=*/false);
      } catch (const UsageError&) {
        fail<UsageError>(place, ": 'minutes' must be a number from 0.001 to 1000000, got '",
                         words[1], "'");
      }
      continue;
    }
    check<UsageError>(
        std::find(std::begin(kNotSwept), std::end(kNotSwept), name) == std::end(kNotSwept), place,
        ": '", name, "' cannot differ between the runs of a sweep");
    for (const Axis& axis : grid.axes)
      check<UsageError>(axis.option != name, place, ": '", name, "' has a row already");
    Axis axis{name, {words.begin() + 1, words.end()}};
    std::set<std::map<std::string, std::string>> seen;  // 1e-3 and 0.001 are the same options
    for (const std::string& value : axis.values) {
      Options unused = asked.options;
      set_option(unused, name, value, place);
      check<UsageError>(seen.insert(to_texts(unused)).second, place, ": '", value,
                        "' occurs twice");
    }
    grid.axes.push_back(axis);
  }
  if (grid.minutes > 0)
    for (const char* name : {"steps", "epochs"})
      check<UsageError>(!grid.has(name), "'", plan_file(asked),
                        "': the steps of a run follow from ", "'minutes', so '", name,
                        "' cannot have a row");
  check<UsageError>(!grid.axes.empty() && grid.size() <= kMostRuns, "'", plan_file(asked),
                    "': a sweep has 1 to ", kMostRuns, " runs");
  return grid;
}

Options options_of(const CommandLine& asked, const Grid& grid,
                   const std::vector<std::string>& values) {
  Options options = asked.options;
  for (size_t a = 0; a < values.size(); ++a)
    set_option(options, grid.axes[a].option, values[a], plan_file(asked));
  if (grid.has("epochs") && !grid.has("steps")) options.train.steps = 0;
  return options;
}

struct Point {
  std::vector<std::string> values;
  Result result;
};

// Whether all are numbers; then they are the places on an axis.
std::optional<std::vector<double>> numbers(const std::vector<std::string>& values) {
  std::vector<double> found;
  for (const std::string& value : values) {
    char* end = nullptr;
    found.push_back(std::strtod(value.c_str(), &end));
    if (*end != '\0') return {};
  }
  return found;
}

// Accuracy on validation over the values of each option with several: the runs, and their mean.
std::string sweep_svg(const Grid& grid, const std::vector<Point>& points) {
  std::vector<charts::Chart> charts;
  for (size_t a = 0; a < grid.axes.size(); ++a) {
    const Axis& axis = grid.axes[a];
    if (axis.values.size() < 2) continue;
    // Words are names along the axis, and nothing lies between them.
    const std::optional<std::vector<double>> found = numbers(axis.values);
    std::vector<double> places;
    std::vector<charts::Mark> names;
    for (size_t i = 0; i < axis.values.size(); ++i) {
      places.push_back(found ? (*found)[i] : double(i + 1));
      names.push_back({places[i], axis.values[i]});
    }
    std::sort(names.begin(), names.end(), [](auto& a, auto& b) { return a.x < b.x; });
    const auto kind = found ? charts::Series::Line : charts::Series::Points;
    charts::Series runs{"runs", {}, {}, 0, charts::Series::Points}, mean{"mean", {}, {}, 1, kind};
    for (size_t i = 0; i < axis.values.size(); ++i) {
      double sum = 0, count = 0;
      for (const Point& p : points) {
        if (p.values[a] != axis.values[i]) continue;
        runs.x.push_back(places[i]), runs.y.push_back(p.result.best_val);
        sum += p.result.best_val, ++count;
      }
      if (count > 0) mean.x.push_back(places[i]), mean.y.push_back(sum / count);
    }
    const auto [least, most] = std::minmax_element(places.begin(), places.end());
    charts.push_back({.title = "validation by " + axis.option,
                      .x_label = axis.option,
                      .series = {runs, mean},
                      .log_x = found && *least > 0 && *most > 8 * *least,
                      .percent = true,
                      .x0 = !found           ? *least - 0.4
                            : *least < *most ? *least
                                             : NAN,
                      .x1 = !found           ? *most + 0.4
                            : *least < *most ? *most
                                             : NAN,
                      .x_names = names,
                      .width = std::max(360.0, 110 + 66 * double(names.size()))});
  }
  return charts::file("sweep", charts);
}

class Sweep {
 public:
  explicit Sweep(const CommandLine& asked)
      : asked_(asked),
        grid_(read_grid(asked)),
        folder_(asked.options.run.out),
        table_(asked.session.json ? stderr : stdout) {}

  int run() {
    if (grid_.minutes > 0 && !asked_.session.quiet)
      for (const char* name : {"steps", "epochs"})
        if (contains(asked_.given, name))
          std::fprintf(stderr, "note: --%s has no effect beside the row 'minutes'\n", name);
    if (grid_.has("epochs") && !grid_.has("steps") && contains(asked_.given, "steps") &&
        !asked_.session.quiet)
      std::fprintf(stderr, "note: --steps has no effect beside the row 'epochs'\n");
    const std::string before = folder_.has(kSweepBudget) ? folder_.read(kSweepBudget) : "0";
    const std::string now = value_text(grid_.minutes);
    bool began = false;
    for (const std::string& name : names_in(folder_.path()))
      began = began || folder_.has(name + "/config.toml");
    check<UsageError>(!asked_.session.resume || !began || before == now, "--resume: the runs in '",
                      folder_.path(), "' have ", before, " minutes each, got ", now);
    for (int64_t i = 0; i < grid_.size(); ++i) run_one(grid_.values(i));
    std::stable_sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
      return a.result.best_val > b.result.best_val;
    });
    if (!points_.empty()) {
      std::fprintf(table_, "\nsorted by validation\n");
      for (const Point& p : points_) print(p);
      std::fprintf(table_, "table: %s/sweep.csv, chart: %s/sweep.svg\n", folder_.path().c_str(),
                   folder_.path().c_str());
    }
    if (asked_.session.json) {
      std::vector<Result> results;
      for (const Point& p : points_) results.push_back(p.result);
      print_json(results);
    }
    return worst_;
  }

 private:
  // As many as the budget allows. A run that has begun keeps its own.
  int64_t steps_in_budget(const Options& options, const std::string& name) {
    const std::string config = name + "/config.toml";
    if (asked_.session.resume && folder_.has(config))
      for (const ConfigEntry& e : parse_config(folder_.read(config), folder_.file(config)))
        if (e.key == "steps") return std::atoll(e.value.c_str());
    Options timed = options;
    timed.train.steps = kTimedSteps;
    timed.train.eval_limit = timed.train.test_limit = 1;
    timed.run.keep = timed.run.log_every = 1;
    CommandLine quiet = asked_;
    quiet.session.force = quiet.session.quiet = true;
    quiet.session.resume = false;
    quiet.session.stop_at = 0;
    const std::string place = folder_.file("timing");
    struct Removal {
      const std::string& place;
      ~Removal() {
        std::error_code ignored;
        std::filesystem::remove_all(place, ignored);
      }
    } const removal{place};
    run_inside(quiet, timed, place, /*only_best_test=*/true, nullptr);
    // The first step also plans transforms and gets memory.
    std::vector<MetricsRow> rows;
    std::istringstream lines(folder_.read("timing/metrics.csv"));
    for (std::string line; std::getline(lines, line);)
      if (const std::optional<MetricsRow> row = parse_row(line)) rows.push_back(*row);
    const double seconds = rows.back().seconds - rows.front().seconds;
    const double steps = double(rows.back().step - rows.front().step);
    return std::max<int64_t>(1, int64_t(60 * grid_.minutes / seconds * steps));
  }

  void run_one(const std::vector<std::string>& values) {
    const std::string name = grid_.name_of(values);
    try {
      Options options = options_of(asked_, grid_, values);
      if (grid_.minutes > 0) options.train.steps = steps_in_budget(options, name);
      const InnerRun run =
          run_inside(asked_, options, folder_.file(name), /*only_best_test=*/true, &kept_);
      if (run.result) {  // not stopped by --stop-at
        points_.push_back({values, *run.result});
        print(points_.back());
        folder_.write("sweep.csv", csv());
        folder_.write("sweep.svg", sweep_svg(grid_, points_));
      }
      run.check_written();
    } catch (const Stopped&) {
      throw;
    } catch (const std::exception& e) {  // the other runs need not suffer
      const Error* error = dynamic_cast<const Error*>(&e);
      worst_ = std::max(worst_, error ? error->exit_code() : 1);
      std::fprintf(table_, "%s failed: %s\n", name.c_str(), e.what());
    }
    std::fflush(table_);
  }

  void print(const Point& p) const {
    std::fprintf(table_, "validation %5.1f %%  test %5.1f %%  %8lld steps  %6.0f s  %s\n",
                 100 * p.result.best_val, 100 * p.result.best_test, (long long)p.result.steps,
                 p.result.seconds, grid_.name_of(p.values).c_str());
  }

  std::string csv() const {
    std::ostringstream out;
    for (const Axis& axis : grid_.axes) out << axis.option << ',';
    out << "best_val_accuracy,best_test_accuracy,best_step,"
        << (grid_.has("steps") ? "steps_taken" : "steps")
        << ",parameters,tokens_per_second,seconds\n";
    std::vector<const Point*> sorted;
    for (const Point& p : points_) sorted.push_back(&p);
    std::stable_sort(sorted.begin(), sorted.end(), [](const Point* a, const Point* b) {
      return a->result.best_val > b->result.best_val;
    });
    for (const Point* p : sorted) {
      for (const std::string& value : p->values) out << csv_cell(value) << ',';
      const Result& r = p->result;
      out << number_text(r.best_val) << ',' << number_text(r.best_test) << ',' << r.best_step << ','
          << r.steps << ',' << r.parameters << ',' << number_text(r.tokens_per_second) << ','
          << number_text(r.seconds) << '\n';
    }
    return out.str();
  }

  const CommandLine& asked_;
  const Grid grid_;
  const RunFolder folder_;
  OptionsOfSeveral kept_{asked_, folder_, config_text(asked_.options),
                         grid_.minutes > 0 ? value_text(grid_.minutes) : ""};
  std::FILE* const table_;
  std::vector<Point> points_;
  int worst_ = 0;  // exit code of the runs that went wrong
};

}  // namespace

int run_sweep(const CommandLine& asked) {
  check<UsageError>(!pretrains(asked.options), "--sweep: pretrainings are not swept");
  check_folder_of_several(asked.options.run.out);
  const Grid grid = read_grid(asked);
  std::vector<Options> runs;  // looked at before anything is written
  std::map<std::string, int64_t> names;
  for (int64_t i = 0; i < grid.size(); ++i) {
    const std::string name = grid.name_of(grid.values(i));
    const auto [at, fresh] = names.try_emplace(name, i);
    check<UsageError>(fresh, "'", plan_file(asked), "': runs ", at->second + 1, " and ", i + 1,
                      " would both have the folder '", name, "', as '/' becomes '_'");
    runs.push_back(options_of(asked, grid, grid.values(i)));
  }
  note_options_without_effect(asked, runs);
  return Sweep(asked).run();
}

}  // namespace skiff
