#include "examples/evaluate/scores.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/atomic_file.h"
#include "examples/charts/charts.h"

namespace skiff {

std::vector<std::string> labelled_splits() { return {"all", "train", "val", "test"}; }

std::vector<std::pair<std::string, const std::vector<Example>*>> splits_of(
    const TaskData& data, const std::string& split) {
  std::vector<std::pair<std::string, const std::vector<Example>*>> chosen;
  for (const auto& [name, examples] :
       {std::pair{"train", &data.train}, {"val", &data.val}, {"test", &data.test}})
    if (split == "all" || split == name) chosen.push_back({name, examples});
  return chosen;
}

namespace {
// Says how many tokens the vocabulary of the training lacks, if they are more than the rare ones of
// any text.
std::string note_of_unknown(const std::vector<Example>& examples, const ModelCard& card) {
  if (card.vocabulary.size() <= size_t(kUnknownId) || card.vocabulary[kUnknownId] != "<unk>")
    return "";
  int64_t unknown = 0, all = 0;
  for (const Example& e : examples)
    for (const Elements* elements : {&e.tokens, &e.second})
      for (size_t i = 0; i < elements->size(); ++i) {
        unknown += (*elements)[i] == kUnknownId;
        ++all;
      }
  if (1000 * unknown <= all) return "";
  return std::to_string(unknown) + " of " + std::to_string(all) +
         " tokens are not in the vocabulary of the training: read as <unk>";
}

// Says that the run was validated on some lengths alone, if it was (--shortest, --longest).
std::string note_of_lengths(const OpenedRun& run, const std::string& split) {
  const PretrainOptions& seen = run.options.pretrain;
  if (split == "test" || (seen.shortest == 0 && seen.longest == 0)) return "";
  return "'" + run.folder + "' was trained and validated on lengths" +
         (seen.shortest > 0 ? " from " + std::to_string(seen.shortest) : "") +
         (seen.longest > 0 ? " up to " + std::to_string(seen.longest) : "") +
         " alone; here all count";
}
}  // namespace

ScoredExamples scores_of(const EvaluateOptions& o, const OpenedRun& run, const InputFormat& format,
                         const std::vector<Example>& examples, const std::string& split,
                         const std::string& doing, Device device, Display& display) {
  check<DataError>(!examples.empty(), "the ", split, " split in '", run.options.data.folder,
                   "' is empty");
  std::vector<Example> chosen =
      evenly_spread(examples, o.limit > 0 ? o.limit : int64_t(examples.size()));
  const std::string all = std::to_string(chosen.size());
  if (const int64_t cut = count_cut(chosen); cut > 0)
    display.note("note: " + std::to_string(cut) + " of " + all + " " + split +
                 " examples are longer than --max-length " +
                 std::to_string(run.options.data.max_length) + " and are cut");
  if (const std::string note = note_of_unknown(chosen, run.opened.card); !note.empty())
    display.note("note: " + note);
  if (const std::string note = note_of_lengths(run, split); !note.empty())
    display.note("note: " + note);
  display.begin(doing + ": " + all + " examples", "");
  const auto progress = [&](int64_t done) {
    display.show(doing + ": " + std::to_string(done) + " of " + all);
    return true;
  };
  const int64_t size = o.batch_size > 0 ? o.batch_size : run.options.train.batch_size;
  Evaluation e = *evaluate(run.model(), format, chosen, size, device, progress);
  return {std::move(chosen), std::move(e)};
}

namespace {

struct SplitScores {
  std::string split, svg;
  Evaluation evaluation;
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

void write_confusion_matrix(const OpenedRun& run, const SplitScores& s) {
  write_file(s.svg, charts::confusion_matrix_svg(
                        s.evaluation.counts, class_names(run),
                        run.options.data.task + ", " + run.options.model.mixer + ": " + s.split +
                            ", " + std::to_string(s.evaluation.examples()) + " examples"));
}

// Examples in the order of their split, or of those that --limit leaves, from 0.
std::string predictions_csv(const ScoredExamples& s) {
  std::string text = "example,label,predicted\n";
  for (size_t i = 0; i < s.examples.size(); ++i)
    text += std::to_string(i) + "," + std::to_string(s.examples[i].label) + "," +
            std::to_string(s.evaluation.predicted[i]) + "\n";
  return text;
}

void print_json(const OpenedRun& run, const std::vector<SplitScores>& scores) {
  nlohmann::ordered_json json = {{"checkpoint", run.checkpoint},
                                 {"data", run.options.data.folder},
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

}  // namespace

int evaluate_run(const EvaluateOptions& o) {
  check<UsageError>(o.svg.empty() || o.split != "all", "--svg: one file needs one --split");
  check<UsageError>(o.predictions.empty() || o.split != "all",
                    "--predictions: one file needs one --split");
  std::error_code unknown;  // what cannot be found is refused below
  check<UsageError>(o.svg.empty() || o.predictions.empty() ||
                        std::filesystem::weakly_canonical(o.svg, unknown) !=
                            std::filesystem::weakly_canonical(o.predictions, unknown) ||
                        unknown,
                    "--svg, --predictions: must be two files, got '", o.svg, "' for both");
  // What cannot be written shows before anything is computed.
  for (const std::string& file : {o.svg, o.predictions})
    if (!file.empty()) AtomicFile writable(file);
  const Device device = prepare(o.inference);
  OpenedRun run = open_run(o.runs.at(0), device);
  Display display(progressing("auto"), o.quiet);
  display.begin("reading " + run.options.data.task, "");
  choose_data(run, o.data, o.max_length);
  const TaskData data = labelled_data(run);
  if (!data.note.empty()) display.note("note: " + data.note);
  if (is_other_data(run, data)) display.note("note: " + note_of_other_data(run));
  std::vector<SplitScores> scores;
  for (const auto& [name, examples] : splits_of(data, o.split)) {
    ScoredExamples s =
        scores_of(o, run, data, *examples, name, "evaluating on " + name, device, display);
    if (!o.predictions.empty()) write_file(o.predictions, predictions_csv(s));
    scores.push_back({name, o.svg.empty() ? run.folder + "/confusion-" + name + ".svg" : o.svg,
                      std::move(s.evaluation)});
  }
  o.inference.json ? print_json(run, scores) : print_tables(run, scores);
  for (const SplitScores& s : scores)
    write_confusion_matrix(run, s);  // the folder may be read-only
  return 0;
}

}  // namespace skiff
