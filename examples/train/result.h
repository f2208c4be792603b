// What a run of train_lra ends with: a table on stdout, a JSON object, result.json.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "examples/train/evaluation.h"

namespace skiff {

// Bytes, of this program and of those that trained the run before it.
struct PeakMemory {
  int64_t tensors = 0, resident = 0;
};
PeakMemory peak_memory(Device device, const PeakMemory& before);
// The largest of all processes, on each. words_of_peak: "peak memory 4 MB of tensors, ..".
PeakMemory largest_peak(const PeakMemory& mine);
std::string words_of_peak(const PeakMemory& peak);

struct Result {
  std::string task, mixer, recipe, folder;
  std::string pretrain;  // "masked", "causal"; empty: trained on labels
  uint64_t seed = 0;
  int64_t parameters = 0, steps = 0, best_step = 0;
  bool best_averaged = false;  // the best weights are an average over the steps (--average)
  // NaN where nothing was measured.
  double best_val = NAN, best_test = NAN, last_val = NAN, last_test = NAN;
  double train_loss = NAN, best_val_loss = NAN, last_val_loss = NAN, best_test_loss = NAN,
         last_test_loss = NAN;
  double majority_val = 0, majority_test = 0;
  double mask_share = NAN, constant_val_loss = NAN;  // of pretraining (data/pretraining.h)
  int64_t val_examples = 0, all_val_examples = 0, test_examples = 0, all_test_examples = 0;
  bool val_is_test = false;  // the weights were chosen on examples of the test
  int64_t threads = 0;
  double seconds = 0, tokens_per_second = 0;
  PeakMemory peak;
  // Of the best weights on the test; of tasks with groups (data/tasks.h).
  std::string groups;
  std::vector<GroupScore> group_scores;
  // Not in result.json:
  std::string profile;  // a table, with --profile
  bool evaluated = true;
};

// The text of result.json: the result of a run that has ended, else its peak of memory alone.
// only_best_test: the result lacks what a table of many runs does not show.
std::string result_file(const std::optional<Result>& result, const PeakMemory& peak,
                        bool only_best_test);
// Nothing for a text that cannot be used, or lacks what only_best_test leaves out.
std::optional<Result> result_from(const std::string& text, bool only_best_test);
PeakMemory peak_from(const std::string& text);
std::string peak_file(const PeakMemory& peak);  // the text of result.json with nothing else

void print_table(const Result& r);
void print_json(const Result& r);                             // an object, on one line
void print_json(const std::vector<Result>& results);          // an array of them
std::string results_csv(const std::vector<Result>& results);  // one row per run

}  // namespace skiff
