// Scores the model of a run on labelled data: accuracy, loss, and a table and a picture of which
// classes it takes for which.
// Run:     build/cpu/evaluate runs/listops-tiny-ski-1 --data data --split test
// Expect:  one row per split, one per class, and confusion-test.svg in the run folder
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/io/atomic_file.h"
#include "examples/charts/charts.h"
#include "examples/train/display.h"
#include "examples/train/evaluation.h"
#include "examples/train/flags.h"
#include "examples/train/inference.h"
#include "examples/train/program.h"

using namespace skiff;

namespace {

std::vector<std::string> split_words() { return {"all", "train", "val", "test"}; }

struct EvaluateOptions {
  std::string run, data, split = "all", svg;
  int64_t limit = 0, batch_size = 32;
  bool quiet = false;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "data", .help = "Folder of the data (or $SKIFF_DATA, $DATA_PATH; else 'data')"},
          o.data);
    field({.name = "split", .help = "Which examples", .words = split_words}, o.split);
    field({.name = "limit", .help = "Examples per split, evenly spread; 0: all", .low = 0},
          o.limit);
    field({.name = "batch-size", .help = "Examples per batch", .low = 1, .high = 1e6},
          o.batch_size);
    field({.name = "svg",
           .help =
               "File of the confusion matrix; confusion-SPLIT.svg in the run folder if not given"},
          o.svg);
    field({.name = "quiet", .help = "Print no progress"}, o.quiet);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

void print_row(const std::string& split, const Evaluation& e) {
  std::printf("%-8s %9lld %8.2f %% %8.2f %% %9.4f\n", split.c_str(), (long long)e.examples(),
              100 * e.accuracy(), 100 * e.majority(), e.loss);
}

nlohmann::ordered_json to_json(const Evaluation& e, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = {{"examples", e.examples()},
                                 {"accuracy", e.accuracy()},
                                 {"majority", e.majority()},
                                 {"loss", e.loss}};
  for (int64_t c = 0; c < int64_t(classes.size()); ++c)
    json["classes"].push_back({{"class", c},
                               {"name", classes[size_t(c)]},
                               {"examples", e.examples_of(c)},
                               {"precision", e.precision(c)},  // NaN becomes null
                               {"recall", e.recall(c)}});
  json["confusion"] = e.counts;
  json["not_finite"] = e.not_finite;
  return json;
}

// The scores on `examples`, and the picture in `svg`.
Evaluation evaluate_split(const EvaluateOptions& o, const OpenedRun& run, const InputFormat& format,
                          const std::string& split, const std::vector<Example>& examples,
                          const std::string& svg, Device device, Display& display) {
  check<DataError>(!examples.empty(), "the ", split, " split in '", run.options.data.folder,
                   "' is empty");
  const std::vector<Example> chosen =
      evenly_spread(examples, o.limit > 0 ? o.limit : int64_t(examples.size()));
  const std::string doing = "evaluating on " + split, all = std::to_string(chosen.size());
  display.begin(doing + ": " + all + " examples", "");
  const Evaluation e =
      *evaluate(run.model(), format, chosen, o.batch_size, device, [&](int64_t done) {
        display.show(doing + ": " + std::to_string(done) + " of " + all);
        return true;
      });
  AtomicFile file(svg);
  file.write(charts::confusion_matrix_svg(
      e.counts, class_names(run),
      run.options.data.task + ", " + run.options.model.mixer + ": " + split));
  file.publish();
  return e;
}

struct SplitScores {
  std::string split, svg;
  Evaluation evaluation;
};

void print_json(const OpenedRun& run, const std::vector<SplitScores>& scores) {
  nlohmann::ordered_json json = {{"checkpoint", run.checkpoint},
                                 {"task", run.options.data.task},
                                 {"mixer", run.options.model.mixer}};
  for (const auto& [split, svg, evaluation] : scores) {
    json["splits"][split] = to_json(evaluation, class_names(run));
    json["splits"][split]["svg"] = svg;
  }
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
  std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
}

void print_tables(const OpenedRun& run, const std::vector<SplitScores>& scores) {
  std::printf("%s, %s, from %s\n", run.options.data.task.c_str(), run.options.model.mixer.c_str(),
              run.checkpoint.c_str());
  std::printf("%-8s %9s %10s %10s %9s\n", "split", "examples", "accuracy", "majority", "loss");
  for (const SplitScores& s : scores) print_row(s.split, s.evaluation);
  for (const SplitScores& s : scores)
    std::printf("\n%s%s", class_table(s.split, s.evaluation, class_names(run)).c_str(),
                group_table(task_named(run.options.data.task), s.evaluation).c_str());
  for (const SplitScores& s : scores) std::printf("confusion matrix: %s\n", s.svg.c_str());
}

int evaluate_run(const EvaluateOptions& o) {
  check<UsageError>(o.svg.empty() || o.split != "all", "--svg: one file needs one --split");
  const Device device = prepare(o.inference);
  OpenedRun run = open_run(o.run, device);
  Display display(progressing("auto"), o.quiet);
  display.begin("reading " + run.options.data.task, "");
  const TaskData data = labelled_data(run, o.data);
  std::vector<SplitScores> scores;
  for (const auto& [name, examples] :
       {std::pair{"train", &data.train}, {"val", &data.val}, {"test", &data.test}}) {
    if (o.split != "all" && o.split != name) continue;
    const std::string svg = o.svg.empty() ? run.folder + "/confusion-" + name + ".svg" : o.svg;
    scores.push_back(
        {name, svg, evaluate_split(o, run, data, name, *examples, svg, device, display)});
  }
  o.inference.json ? print_json(run, scores) : print_tables(run, scores);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  EvaluateOptions options;
  Flags flags("Scores a trained model on labelled data.", "evaluate");
  flags.positional("run", options.run, "Run folder of train_lra, or a checkpoint");
  flags.add(options);
  flags.footer(
      "Example:\n  evaluate runs/text-small-ski-1 --data data --split test\n"
      "precision: share of the predictions of this class that are right; recall: share of the\n"
      "examples of this class that were found.");
  return run_program(argc, argv, flags, [&] { return evaluate_run(options); });
}
