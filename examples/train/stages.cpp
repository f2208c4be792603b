#include "examples/train/stages.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

#include "core/io/atomic_file.h"
#include "data/files/binary_file.h"
#include "data/tasks.h"
#include "examples/train/config_file.h"
#include "examples/train/inner_run.h"
#include "examples/train/open_run.h"
#include "examples/train/run_folder.h"

namespace skiff {

namespace {

// What may differ between stages. The rest makes another model, or other moments.
constexpr const char* kOfAStage[] = {"data",
                                     "shortest",
                                     "longest",
                                     "train-examples",
                                     "batch-size",
                                     "bucket",
                                     "batch-tokens",
                                     "shards",
                                     "steps",
                                     "lr",
                                     "schedule",
                                     "kernel-lr",
                                     "weight-decay",
                                     "decaying",
                                     "clip",
                                     "warmup",
                                     "horizon",
                                     "dropout",
                                     "encoder-dropout",
                                     "glu-dropout",
                                     "label-smoothing",
                                     "seed",
                                     "eval-every",
                                     "eval-limit",
                                     "test-limit"};

struct Stage {
  Options options;
  std::string folder;
  std::optional<Result> result = {};
};

bool has_ended(const std::string& folder, bool only_best_test) {
  const std::string file = folder + "/result.json";
  return is_there(file) && result_from(read_file(file, int64_t(1) << 20), only_best_test);
}

std::vector<Stage> read_stages(const CommandLine& asked) {
  const std::vector<WordRow> rows = read_words(plan_file(asked));
  const std::vector<std::string>& names = rows[0].words;
  for (const std::string& name : names)
    check<UsageError>(
        std::find(std::begin(kOfAStage), std::end(kOfAStage), name) != std::end(kOfAStage),
        rows[0].place, ": '", name, "' cannot differ between stages",
        suggestion(name, {std::begin(kOfAStage), std::end(kOfAStage)}));
  check<UsageError>(std::set<std::string>(names.begin(), names.end()).size() == names.size(),
                    rows[0].place, ": an option is named twice");
  check<UsageError>(rows.size() > 1, rows[0].place, ": no stage follows the names of options");
  const std::string next = asked.options.run.out + "/stage-" + std::to_string(rows.size());
  check<UsageError>(!asked.session.resume || !is_there(next + "/config.toml"), "'",
                    plan_file(asked), "': has ", rows.size() - 1, " stages, but '", next,
                    "' is there; --resume goes on with as many stages or more");
  std::vector<Stage> stages;
  for (size_t i = 1; i < rows.size(); ++i) {
    const auto& [words, place] = rows[i];
    check<UsageError>(words.size() == names.size(), place, ": ", names.size(),
                      " values are needed, as many as names in the first row, got ", words.size());
    Stage stage{asked.options, asked.options.run.out + "/stage-" + std::to_string(i)};
    for (size_t k = 0; k < names.size(); ++k)
      if (words[k] != "-") set_option(stage.options, names[k], words[k], place);
    check<UsageError>(stage.options.train.steps > 0, place,
                      ": a stage needs its number of steps, in this row or by --steps");
    // A later stage begins after hours. One that has ended needs its data no more.
    const DataOptions& data = stage.options.data;
    const bool last = i + 1 == rows.size();
    check<DataError>((!asked.session.force && has_ended(stage.folder, !last)) ||
                         task_named(data.task).has_data(data_folder(data.folder)),
                     place, ": --data: there is no data of ", data.task, " in '",
                     data_folder(data.folder), "'");
    if (i > 1) {
      stage.options.train.init = stages.back().folder + "/" +
                                 RunFolder::checkpoint_name(stages.back().options.train.steps);
      stage.options.train.init_moments = true;
    }
    stages.push_back(stage);
  }
  return stages;
}

std::string share_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return std::isnan(share) ? "-" : text;
}

class Run {
 public:
  explicit Run(const CommandLine& asked)
      : asked_(asked), stages_(read_stages(asked)), folder_(asked.options.run.out) {}

  int operator()() {
    int64_t before = 0;  // steps of the stages before
    for (Stage& stage : stages_) {
      CommandLine c = asked_;
      c.session.steps_before = before;
      const int64_t stop = asked_.session.stop_at - before, steps = stage.options.train.steps;
      if (asked_.session.stop_at > 0) c.session.stop_at = stop <= steps ? stop : 0;
      if (asked_.session.stop_at > 0 && stop <= 0) return 0;
      note(stage);
      make_again_what_the_next_needs(stage, c);
      start_anew_where_the_start_differs(stage, c);
      try {
        const InnerRun run =
            run_inside(c, stage.options, stage.folder, &stage != &stages_.back(), &kept_);
        stage.result = run.result;
        write_metrics(stage);
        run.check_written();
      } catch (const Stopped&) {
        write_metrics(stage);
        throw;
      }
      if (!stage.result) return 0;
      before += steps;
    }
    folder_.write("stages.csv", csv());
    if (asked_.session.json) {
      std::vector<Result> results;
      for (const Stage& stage : stages_) results.push_back(*stage.result);
      print_json(results);
    } else {
      print_table(*stages_.back().result);
      print_stages();
    }
    return 0;
  }

 private:
  // A finished stage whose checkpoints were removed is trained again if the next one has not ended.
  void make_again_what_the_next_needs(const Stage& stage, CommandLine& c) const {
    if (&stage == &stages_.back() || !c.session.resume || !is_there(stage.folder)) return;
    const Stage& next = *(&stage + 1);
    if (has_ended(next.folder, &next != &stages_.back())) return;
    if (!RunFolder(stage.folder).checkpoints().empty()) return;
    c.session.resume = false;
    c.session.force = true;
  }

  // A stage remembers the weights that it began with. Where those of the stage before are others
  // by now, as after --force, what the folder holds belongs to another run.
  void start_anew_where_the_start_differs(const Stage& stage, CommandLine& c) const {
    if (stage.options.train.init.empty() || &stage == stages_.data()) return;
    if (c.session.resume && !is_there(stage.options.train.init) &&
        has_ended(stage.folder, &stage != &stages_.back()))
      return;  // the checkpoints were removed when both stages had ended
    const std::string bytes = read_file(stage.options.train.init, int64_t(1) << 40);
    const std::string now =
        std::to_string(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    const RunFolder folder(stage.folder);
    if (folder.has(kBeganWith) && folder.read(kBeganWith) == now) return;
    c.session.force = c.session.force || c.session.resume;
    c.session.resume = false;
    folder.remove(kBeganWith);  // until the old run is gone it is no start
    c.session.taken = [file = folder.file(kBeganWith), now] { write_file(file, now); };
  }

  void note(const Stage& stage) const {
    if (asked_.session.quiet) return;
    std::fprintf(stderr, "stage %lld of %zu\n", (long long)(&stage - stages_.data() + 1),
                 stages_.size());
  }

  // The rows of the stages up to this one, with steps, epochs and seconds counted through. A mark
  // stands where a stage begins.
  void write_metrics(const Stage& last) const {
    std::string text = kMetricsHeader;
    MetricsRows rows;
    std::vector<charts::Mark> marks;
    MetricsRow end;
    for (const Stage& stage : stages_) {
      if (&stage > &last) break;  // what it holds is of an earlier start
      if (!folder_.has(stage.folder.substr(folder_.path().size() + 1) + "/metrics.csv")) break;
      std::istringstream lines(
          folder_.read(stage.folder.substr(folder_.path().size() + 1) + "/metrics.csv"));
      const MetricsRow before = end;
      if (&stage != stages_.data())
        marks.push_back(
            {double(before.step), "stage " + std::to_string(&stage - stages_.data() + 1)});
      for (std::string line; std::getline(lines, line);) {
        std::optional<MetricsRow> row = parse_row(line);
        if (!row) continue;  // the header
        row->step += before.step;
        row->epoch += before.epoch;
        row->seconds += before.seconds;
        end = *row;
        rows.push_back(end);
        text += text_of(end);
      }
    }
    folder_.write("metrics.csv", text);
    folder_.write(
        "curves.svg",
        curves_svg(rows, asked_.options.data.task + ", " + asked_.options.model.mixer, {}, marks));
  }

  void print_stages() const {
    std::printf("\n%-6s %8s %10s %9s %9s %9s %10s %8s  %s\n", "stage", "steps", "lr", "best val",
                "last val", "test", "tokens/s", "time", "data");
    for (const Stage& stage : stages_) {
      const Result& r = *stage.result;
      std::printf("%-6lld %8lld %10g %9s %9s %9s %10.0f %7.0fs  %s\n",
                  (long long)(&stage - stages_.data() + 1), (long long)r.steps,
                  stage.options.train.lr, share_text(r.best_val).c_str(),
                  share_text(r.last_val).c_str(), share_text(r.best_test).c_str(),
                  r.tokens_per_second, r.seconds, stage.options.data.folder.c_str());
    }
    std::printf("best weights of a stage on its own validation; all curves: %s/curves.svg\n",
                folder_.path().c_str());
  }

  std::string csv() const {
    std::ostringstream out;
    out << "stage,steps,lr,best_val_accuracy,last_val_accuracy,best_test_accuracy,seconds,"
           "run_folder\n";
    const auto cell = [](double value) {  // empty where nothing was validated
      return std::isnan(value) ? "" : number_text(value);
    };
    for (const Stage& stage : stages_) {
      const Result& r = *stage.result;
      out << &stage - stages_.data() + 1 << ',' << r.steps << ','
          << number_text(stage.options.train.lr) << ',' << cell(r.best_val) << ','
          << cell(r.last_val) << ',' << cell(r.best_test) << ',' << number_text(r.seconds) << ','
          << csv_cell(stage.folder) << '\n';
    }
    return out.str();
  }

  const CommandLine& asked_;
  std::vector<Stage> stages_;
  const RunFolder folder_;
  OptionsOfSeveral kept_{asked_, folder_, config_text(asked_.options)};
};

}  // namespace

int run_stages(const CommandLine& asked) {
  check<UsageError>(!pretrains(asked.options), "--stages: a pretraining has no stages");
  check_folder_of_several(asked.options.run.out);
  std::vector<Options> runs;  // looked at before anything is written
  for (const Stage& stage : read_stages(asked)) runs.push_back(stage.options);
  note_options_without_effect(asked, runs);
  return Run(asked)();
}

}  // namespace skiff
