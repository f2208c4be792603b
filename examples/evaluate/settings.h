// Which runs are one setting, and how much better one setting is than another.
//
// Runs of one setting differ in their seed alone. A setting is compared with the first one in
// pairs: d_i is what share of its runs are right on example i, less that of the first setting's
// runs. The mean of d is the difference of the mean accuracies. Its interval, the mean plus or
// minus 1.96 standard errors of d, covers about 95 of 100 draws of the examples, with these
// weights. It is narrower than that of two separate accuracies, because both settings tend to fail
// on the same hard examples. It says nothing about other seeds; the lowest and highest accuracy do.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace skiff {

struct Interval {
  double middle = NAN, half = NAN;  // half: NaN for fewer than two examples
};
// The mean of b_i - a_i, plus or minus 1.96 standard errors.
Interval paired_difference(std::span<const double> a, std::span<const double> b);

// Options that say where a run reads and writes, how often it looks, or which draw of a setting it
// is, not what it tries. Data is told apart by its fingerprint, a recipe by what it sets.
inline constexpr const char* kNoSetting[] = {"seed",
                                             "recipe",
                                             "data",
                                             "out",
                                             "eval-every",
                                             "eval-limit",
                                             "test-limit",
                                             "keep",
                                             "save-every",
                                             "log-every",
                                             "stages",
                                             "sweep",
                                             "checkpoint-activations"};

struct ScoredRun {
  std::string place;  // as it was named
  // By name; those that its mixer does not read are left out. "train_data": its fingerprint.
  // "init": what kind of run it started from, equal for those that differ in their seed.
  std::map<std::string, std::string> options;
  std::string init = {};      // where it started from
  std::vector<double> right;  // per example: 1 or 0
  int64_t parameters = 0;
  int64_t stopped_at = 0;  // 0: it has ended
  int64_t not_finite = 0;  // examples without a prediction, which count as wrong
  // Of training; NaN where nothing is known.
  double tokens_per_second = NAN, peak_tensors = NAN;
};

struct Setting {
  std::string name;   // the mixer, and the options in which settings of the same recipe differ
  std::string label;  // the same, or where that is too long for a table, the first of its places
  std::vector<std::string> places;
  std::vector<double> accuracies;  // per run
  std::vector<double> right;       // per example: share of the runs that are right
  int64_t parameters = 0, not_finite = 0;
  double tokens_per_second = NAN, peak_tensors = NAN;  // mean, largest

  double mean() const;
  double lowest() const;
  double highest() const;
};

// In the order of their first runs. A second run of the same seed, as from another pretraining, is
// a setting of its own, with its place in the name.
std::vector<Setting> settings_of(const std::vector<ScoredRun>& runs);

}  // namespace skiff
