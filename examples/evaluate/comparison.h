// Several runs on the same examples: which setting is better, and how sure that is.
//
// Runs whose options differ in the seed alone are one setting. A setting is compared with the first
// one in pairs: d_i is what share of its runs are right on example i, less that of the first
// setting's runs. The mean of d is the difference of the mean accuracies. Its interval, the mean
// plus or minus 1.96 standard errors of d, covers about 95 of 100 draws of the test examples. It is
// narrower than that of two separate accuracies, because both settings tend to fail on the same
// hard examples. It says nothing about other seeds; the lowest and highest accuracy do.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "examples/evaluate/options.h"

namespace skiff {

struct Interval {
  double middle = NAN, half = NAN;  // half: NaN for fewer than two examples
};
// The mean of b_i - a_i, plus or minus 1.96 standard errors.
Interval paired_difference(std::span<const double> a, std::span<const double> b);

struct ScoredRun {
  std::string folder;
  std::map<std::string, std::string> options;  // by name
  std::vector<double> right;                   // per example: 1 or 0
  int64_t parameters = 0;
  double tokens_per_second = NAN, peak_tensors = NAN;  // of training, from result.json
};

struct Setting {
  std::string name;  // the mixer, and the options that differ from the first run's
  std::vector<std::string> folders;
  std::vector<double> accuracies;  // per run
  std::vector<double> right;       // per example: share of the runs that are right
  int64_t parameters = 0;
  double tokens_per_second = NAN, peak_tensors = NAN;  // mean, largest

  double mean() const;
  double lowest() const;
  double highest() const;
};

// In the order of their first runs.
std::vector<Setting> settings_of(const std::vector<ScoredRun>& runs);

// Evaluates all runs on one split: a table with a row per setting, or a JSON object. UsageError for
// --split all; DataError for runs of different tasks or on different examples.
int compare_runs(const EvaluateOptions& o);

}  // namespace skiff
