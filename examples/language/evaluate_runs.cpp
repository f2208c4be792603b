#include "examples/language/evaluate_runs.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/atomic_file.h"
#include "core/random.h"
#include "data/files/text_file.h"
#include "examples/language/extrapolation.h"
#include "examples/language/open_run.h"
#include "examples/language/result.h"
#include "layers/generation/stream.h"

namespace skiff {

std::vector<std::string> evaluated_splits() { return {"all", "train", "val", "test", "whole"}; }

namespace {

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
  const std::vector<double> multiples = multiples_of(o.extrapolate);
  if (multiples.empty()) return s;
  s.extrapolation = *extrapolate(&run.model(), text, run.options.windows.length, multiples,
                                 o.batch_tokens, device, progress,
                                 [&](const std::string& note) { display.note("note: " + note); });
  return s;
}

// The runs whose curves one picture shows.
struct Picture {
  std::vector<Extrapolated> runs;
  std::string title, file;
};

void evaluate_run(const EvaluateLmOptions& o, const std::string& place, Device device,
                  Picture& picture) {
  const OpenedLmRun run = open_lm_run(place, device);
  Display display(progressing("auto"), o.quiet);
  display.begin("reading the text", "");
  const Corpus corpus = corpus_of(run, o.data, o.split == "whole");
  for (const std::string& note : corpus.notes) display.note("note: " + printable(note));
  const int64_t length = o.length > 0 ? o.length : run.options.windows.length;
  std::vector<Scored> scores;
  for (const auto& [name, split] :
       {std::pair{o.split == "whole" ? "whole" : "train", &corpus.train},
        {"val", &corpus.val},
        {"test", &corpus.test}}) {
    if (o.split == "all" ? split->size() == 0 : o.split != name) continue;
    check<DataError>(split->size() > 1, "the ", name, " split of '", corpus.place, "' is empty");
    scores.push_back(score_split(o, run, name, *split, length, device, display));
  }
  for (const Scored& s : scores) {
    if (s.extrapolation.lengths.empty()) continue;
    const std::string name = run.opened.card.task + ", " + run.options.mixer_name();
    if (o.svg.empty()) picture.file = run.folder + "/extrapolation.svg";
    picture.title = picture.runs.empty() ? name : run.opened.card.task;
    picture.runs.push_back({std::filesystem::canonical(run.folder).filename().string(),
                            s.extrapolation, run.options.windows.length});
  }
  const std::string unit = unit_of(run.vocabulary);
  if (o.inference.json) {
    nlohmann::ordered_json json = {{"checkpoint", run.checkpoint},
                                   {"rule", words_for(o.evaluation, length)}};
    for (const Scored& s : scores) json["splits"].push_back(to_json(s));
    const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
    std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
    return;
  }
  std::printf("%s, %s, from %s\n", run.opened.card.task.c_str(), run.options.mixer_name().c_str(),
              run.checkpoint.c_str());
  print_score_header("per " + unit + ", " + words_for(o.evaluation, length));
  for (const Scored& s : scores) print_score(s.split, s.score);
  for (const Scored& s : scores)
    if (!s.extrapolation.lengths.empty())
      std::printf("\n%s", table_of(s.extrapolation, unit).c_str());
}

// What a run is scored on: the tokens of the split, and what a token is.
std::string scored_text(const EvaluateLmOptions& o, const std::string& place, Device device) {
  const OpenedLmRun run = open_lm_run(place, device);
  const Corpus corpus = corpus_of(run, o.data, o.split == "whole");
  const TextSplit& split = o.split == "train" || o.split == "whole" ? corpus.train
                           : o.split == "val"                       ? corpus.val
                                                                    : corpus.test;
  std::string text = unit_of(run.vocabulary);
  std::vector<int32_t> ids;
  for (int64_t first = 0; first < split.size(); first += int64_t(ids.size())) {
    ids.resize(size_t(std::min<int64_t>(split.size() - first, 1 << 16)));
    split.copy(first, ids);
    const std::string_view bytes(reinterpret_cast<const char*>(ids.data()), 4 * ids.size());
    text = unit_of(run.vocabulary) + std::to_string(hash_name(text + std::string(bytes)));
  }
  return text;
}

// Losses on different texts, or of different units, do not belong into one picture.
void check_same_text(const EvaluateLmOptions& o, Device device) {
  std::string first;
  for (const std::string& place : o.runs) {
    const std::string text = scored_text(o, place, device);
    check<UsageError>(first.empty() || text == first, "'", place,
                      "' is scored on another text, or by other tokens, than '", o.runs[0],
                      "': their losses do not belong into one picture");
    first = text;
  }
}

}  // namespace

int evaluate_runs(const EvaluateLmOptions& o) {
  check<UsageError>(o.limit != 1,
                    "--limit: must be 0 or at least 2 tokens, of which the second is "
                    "predicted from the first, got 1");
  check<UsageError>(o.extrapolate.empty() || o.split != "all",
                    "--extrapolate: one picture needs one --split");
  check<UsageError>(o.runs.size() == 1 || o.extrapolate.empty() || !o.svg.empty(),
                    "--svg: must name the file of the picture that ", o.runs.size(), " runs share");
  check<UsageError>(o.svg.empty() || !o.extrapolate.empty(),
                    "--svg: is the picture of --extrapolate, which is not given");
  if (o.evaluation.stride > 0 && o.evaluation.rule != EvaluationRule::Sliding && !o.quiet)
    std::fprintf(stderr, "note: --eval-stride has no effect without --eval-rule sliding\n");
  multiples_of(o.extrapolate);  // a wrong one is refused before anything is computed
  const Device device = prepare(o.inference);
  // What cannot be read or written shows before anything is computed.
  for (const std::string& place : o.runs)
    check<UsageError>(!open_lm_run(place, device).options.masked(), "'", place,
                      "' holds a masked model; the rules of evaluation are for causal ones");
  if (!o.svg.empty()) AtomicFile writable(o.svg);
  if (o.runs.size() > 1 && !o.extrapolate.empty()) check_same_text(o, device);
  Picture picture{{}, "", o.svg};
  for (const std::string& place : o.runs) {
    if (&place != &o.runs[0] && !o.inference.json) std::printf("\n");
    evaluate_run(o, place, device, picture);
    // A signal during the next one costs nothing; the end of the program says if it cannot be
    // written.
    std::fflush(stdout);
  }
  if (!picture.runs.empty()) write_file(picture.file, svg_of(picture.runs, picture.title, NAN));
  return 0;
}

}  // namespace skiff
