// Scores the model of a run on labelled data: accuracy, loss, and a table and a picture of which
// classes it takes for which.
// Run:     build/cpu/evaluate runs/listops-tiny-ski-1 --data data --split test
// Expect:  one row per split, one per class, and confusion-test.svg in the run folder
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/io/atomic_file.h"
#include "data/tasks.h"
#include "examples/charts/charts.h"
#include "examples/train/display.h"
#include "examples/train/evaluation.h"
#include "examples/train/flags.h"
#include "examples/train/inference.h"
#include "examples/train/open_run.h"
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

TaskData load_data(const EvaluateOptions& o, OpenedRun& run) {
  DataOptions& data = run.options.data;
  data.folder = data_folder(o.data);
  TaskData loaded = task_named(data.task).load(data);
  const ModelCard& card = run.opened.card;
  check<DataError>(loaded.vocab == card.shape.vocab && loaded.classes == card.shape.classes &&
                       (card.vocabulary.empty() || card.vocabulary == loaded.vocabulary),
                   "the data in '", data.folder,
                   "' gives other ids to its symbols than the data that '", run.checkpoint,
                   "' was trained on; ids: ", loaded.vocab, ", was ", card.shape.vocab,
                   "; classes: ", loaded.classes, ", was ", card.shape.classes);
  return loaded;
}

void print_row(const std::string& split, const Evaluation& e) {
  std::printf("%-8s %9lld %8.2f %% %8.2f %% %9.4f\n", split.c_str(), (long long)e.examples(),
              100 * e.accuracy(), 100 * e.majority(), e.loss);
}

void print_classes(const std::string& split, const Evaluation& e,
                   const std::vector<std::string>& classes) {
  std::printf("\n%-16s %9s %9s %9s\n", split.c_str(), "examples", "precision", "recall");
  const auto share = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * v);
    return std::isnan(v) ? std::string("-") : std::string(text);
  };
  for (int64_t c = 0; c < int64_t(classes.size()); ++c)
    std::printf("%-16s %9lld %9s %9s\n", classes[size_t(c)].c_str(), (long long)e.examples_of(c),
                share(e.precision(c)).c_str(), share(e.recall(c)).c_str());
  if (!e.remark().empty()) std::printf("note: %s\n", e.remark().c_str());
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

int evaluate_run(const EvaluateOptions& o) {
  const Device device = prepare(o.inference);
  check<UsageError>(o.svg.empty() || o.split != "all", "--svg: one file needs one --split");
  OpenedRun run = open_run(o.run, device);
  Display display(progressing("auto"), o.quiet);
  display.begin("reading " + run.options.data.task, "");
  const TaskData data = load_data(o, run);
  const std::vector<std::string> classes = class_names(run);
  nlohmann::ordered_json json = {{"checkpoint", run.checkpoint},
                                 {"task", run.options.data.task},
                                 {"mixer", run.options.model.mixer}};
  std::vector<std::pair<std::string, Evaluation>> results;
  for (const auto& [name, examples] :
       {std::pair{"train", &data.train}, {"val", &data.val}, {"test", &data.test}}) {
    if (o.split != "all" && o.split != name) continue;
    check<DataError>(!examples->empty(), "the ", name, " split in '", run.options.data.folder,
                     "' is empty");
    const std::vector<Example> chosen =
        evenly_spread(*examples, o.limit > 0 ? o.limit : int64_t(examples->size()));
    const std::string doing = std::string("evaluating on ") + name;
    display.begin(doing + ": " + std::to_string(chosen.size()) + " examples", "");
    const Evaluation e = *evaluate(run.model(), data, chosen, o.batch_size, device, [&](int64_t n) {
      display.show(doing + ": " + std::to_string(n) + " of " + std::to_string(chosen.size()));
      return true;
    });
    const std::string svg = o.svg.empty() ? run.folder + "/confusion-" + name + ".svg" : o.svg;
    AtomicFile file(svg);
    file.write(charts::confusion_matrix_svg(
        e.counts, classes, run.options.data.task + ", " + run.options.model.mixer + ": " + name));
    file.publish();
    json["splits"][name] = to_json(e, classes);
    json["splits"][name]["svg"] = svg;
    results.emplace_back(name, e);
  }
  if (o.inference.json) {
    std::printf(
        "%s\n",
        json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("%s, %s, from %s\n", run.options.data.task.c_str(), run.options.model.mixer.c_str(),
              run.checkpoint.c_str());
  std::printf("%-8s %9s %10s %10s %9s\n", "split", "examples", "accuracy", "majority", "loss");
  for (const auto& [name, e] : results) print_row(name, e);
  for (const auto& [name, e] : results) print_classes(name, e, classes);
  for (const auto& [name, e] : results)
    std::printf("confusion matrix: %s\n", json["splits"][name]["svg"].get<std::string>().c_str());
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
