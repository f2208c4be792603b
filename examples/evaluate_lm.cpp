// Scores the language model of a run on a text: losses by a rule, in windows of any length.
// Run:     build/cpu/evaluate_lm runs/input-tiny-fd-1 --extrapolate 1,2,4,8
//          build/cpu/evaluate_lm runs/input-tiny-fd-1 --eval-rule sliding --eval-stride 32
// Expect:  a row per split; with --extrapolate, a row per length and extrapolation.svg in the folder
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/io/atomic_file.h"
#include "examples/language/extrapolation.h"
#include "examples/language/open_run.h"
#include "examples/language/result.h"
#include "examples/train/inference.h"
#include "layers/generation/stream.h"

using namespace skiff;

namespace {

std::vector<std::string> split_words() { return {"all", "train", "val", "test"}; }

struct EvaluateLmOptions {
  std::string run, data, split = "val", svg, extrapolate;
  int64_t length = 0, limit = 0, batch_tokens = 4096;
  EvaluationOptions evaluation;
  bool quiet = false;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "data", .help = "The text; that of the run if not given"}, o.data);
    field({.name = "split", .help = "Which part of it", .words = split_words}, o.split);
    field({.name = "limit", .help = "Tokens per split, from its beginning; 0: all", .low = 0},
          o.limit);
    field({.name = "length",
           .help = "Tokens of a window, or lags of the kernels of a stream; 0: as in training",
           .low = 0,
           .high = 1e7},
          o.length);
    field({.name = "evaluation", .help = ""}, o.evaluation);
    field({.name = "extrapolate",
           .help = "Score also in windows of these multiples of the length of training, such as "
                   "1,2,4,8,16,28"},
          o.extrapolate);
    field({.name = "svg",
           .help = "File of its curve; extrapolation.svg in the run folder if not given"},
          o.svg);
    field({.name = "batch-tokens",
           .help = "About how many tokens the model reads at once",
           .low = 1,
           .high = 1e9},
          o.batch_tokens);
    field({.name = "quiet", .help = "Print no progress"}, o.quiet);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

struct Scored {
  std::string split;
  LanguageScore score;
  Extrapolation extrapolation;
};

nlohmann::ordered_json to_json(const Scored& s) {
  nlohmann::ordered_json json = {{"split", s.split},
                                 {"targets", s.score.targets},
                                 {"loss", s.score.loss()},
                                 {"bits", s.score.bits()},
                                 {"perplexity", s.score.perplexity()}};
  if (s.score.text_bytes > 0) json["bits_per_byte"] = s.score.bits_per_byte();
  if (s.score.words > 0) json["word_perplexity"] = s.score.word_perplexity();
  if (!s.extrapolation.lengths.empty())
    json["extrapolation"] = {{"lengths", s.extrapolation.lengths},
                             {"blocks", s.extrapolation.blocks},
                             {"stream", s.extrapolation.stream}};
  return json;
}

Scored score_split(const EvaluateLmOptions& o, const OpenedLmRun& run, const std::string& name,
                   const TextSplit& split, int64_t length, Device device, Display& display) {
  const ScoredText text = scored(split, run.vocabulary, o.limit);
  const std::string doing = "scoring " + name, all = std::to_string(text.split.size());
  display.begin(doing + ": " + all + " tokens", "");
  const auto progress = [&](int64_t done) {
    display.show(doing + ": " + std::to_string(done) + " of " + all);
    return true;
  };
  Scored s{
      name,
      evaluate(&run.model(), text, length, o.evaluation, o.batch_tokens, device, progress)->score,
      {}};
  const std::vector<int64_t> multiples = multiples_of(o.extrapolate);
  if (multiples.empty()) return s;
  s.extrapolation = *extrapolate(&run.model(), text, run.options.windows.length, multiples,
                                 o.batch_tokens, device, progress,
                                 [&](const std::string& note) { display.note("note: " + note); });
  AtomicFile file(o.svg.empty() ? run.folder + "/extrapolation.svg" : o.svg);
  file.write(svg_of(s.extrapolation, run.opened.card.task + ", " + run.options.mixer_name(),
                    run.options.windows.length, NAN));
  file.publish();
  return s;
}

int evaluate_run(const EvaluateLmOptions& o) {
  check<UsageError>(o.extrapolate.empty() || o.split != "all",
                    "--extrapolate: one picture needs one --split");
  const Device device = prepare(o.inference);
  const OpenedLmRun run = open_lm_run(o.run, device);
  check<UsageError>(!run.options.masked(), "'", o.run,
                    "' holds a masked model; the rules of evaluation are for causal ones");
  Display display(progressing("auto"), o.quiet);
  display.begin("reading the text", "");
  const Corpus corpus = corpus_of(run, o.data);
  const int64_t length = o.length > 0 ? o.length : run.options.windows.length;
  std::vector<Scored> scores;
  for (const auto& [name, split] :
       {std::pair{"train", &corpus.train}, {"val", &corpus.val}, {"test", &corpus.test}}) {
    if (o.split == "all" ? split->size() == 0 : o.split != name) continue;
    check<DataError>(split->size() > 1, "the ", name, " split of '", corpus.place, "' is empty");
    scores.push_back(score_split(o, run, name, *split, length, device, display));
  }
  const std::string unit = unit_of(run.vocabulary);
  if (o.inference.json) {
    nlohmann::ordered_json json = {{"checkpoint", run.checkpoint},
                                   {"rule", words_for(o.evaluation, length)}};
    for (const Scored& s : scores) json["splits"].push_back(to_json(s));
    const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
    std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
    return 0;
  }
  std::printf("%s, %s, from %s\n", run.opened.card.task.c_str(), run.options.mixer_name().c_str(),
              run.checkpoint.c_str());
  print_score_header("per " + unit + ", " + words_for(o.evaluation, length));
  for (const Scored& s : scores) print_score(s.split, s.score);
  for (const Scored& s : scores)
    if (!s.extrapolation.lengths.empty())
      std::printf("\n%s", table_of(s.extrapolation, unit).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  EvaluateLmOptions options;
  Flags flags("Scores a language model on a text.", "evaluate_lm");
  flags.positional("run", options.run, "Run folder of train_lm, or a checkpoint");
  flags.add(options);
  flags.footer("Example:\n  evaluate_lm runs/input-tiny-fd-1 --extrapolate 1,2,4,8,16,28");
  return run_program(argc, argv, flags, [&] { return evaluate_run(options); });
}
