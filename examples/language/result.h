// What a run of train_lm ends with: a table on stdout, a JSON object, result.json.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/language/evaluation.h"
#include "data/language/vocabulary.h"
#include "examples/language/extrapolation.h"
#include "examples/train/result.h"

namespace skiff {

// "character", "byte", "word", or "token" of unknown ids.
std::string unit_of(const Vocabulary& vocabulary);
// "blocks of 128 tokens", "windows of 128 tokens, 32 apart", ..
std::string words_for(const EvaluationOptions& rule, int64_t length);

// Text of a model for a terminal: control characters but line ends and tabs as \xNN.
std::string printable_lines(const std::string& text);

// n-grams on the same splits; order 0: none were counted.
struct Counting {
  int64_t order = 0;  // the best one on validation
  double val = NAN, test = NAN;
};
// highest: the order of the longest n-grams. Where there are too many of them, shorter ones are
// counted, and `note` says so.
Counting counted(const TextSplit& train, const TextSplit& val, const TextSplit& test, int64_t vocab,
                 int64_t highest, std::string* note);

struct LmResult {
  std::string data, unit, mixer, recipe, objective, rule, folder;
  uint64_t seed = 0;
  int64_t parameters = 0, steps = 0, best_step = 0;
  bool best_averaged = false;  // the best weights are an average over the steps (--average)
  LanguageScore val, test;     // of the best weights; no targets: not scored
  double train_loss = NAN, last_val_loss = NAN;
  Counting counting;
  std::vector<double> by_position;  // LanguageEvaluation::by_position(), validation by blocks
  Extrapolation extrapolation;      // --extrapolate; empty: not asked for
  std::string sample;
  int64_t threads = 0;
  double seconds = 0, tokens_per_second = 0;
  PeakMemory peak;
  std::string profile;  // a table, with --profile; not in result.json
};

std::string result_file(const LmResult& r);                       // the text of result.json
std::optional<LmResult> lm_result_from(const std::string& text);  // nothing if it cannot be used

// A table of scores: the line above it, and one row.
void print_score_header(const std::string& what);
void print_score(const std::string& name, const LanguageScore& score);

void print_table(const LmResult& r);
void print_json(const LmResult& r);  // an object, on one line

}  // namespace skiff
