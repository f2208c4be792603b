// The same weights on longer texts than those of training: the loss in windows of other lengths.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "examples/language/evaluation.h"

namespace skiff {

struct Extrapolation {
  std::vector<int64_t> lengths;     // of the windows, and lags of the kernels
  std::vector<double> blocks;       // nats per token, windows of these lengths
  std::vector<double> stream;       // and the whole split as one sequence; empty without kernels
  std::vector<double> by_position;  // of the longest windows (LanguageEvaluation::by_position())
};

// Lengths that are longer than the text are left out, and `note` says so. Nothing when `progress`
// stopped it.
std::optional<Extrapolation> extrapolate(LanguageModel* model, const ScoredText& text,
                                         int64_t train_length, const std::vector<double>& multiples,
                                         int64_t batch_tokens, Device device,
                                         const EvaluationProgress& progress,
                                         const std::function<void(const std::string&)>& note);

// One row per length. unit: "character".
std::string table_of(const Extrapolation& e, const std::string& unit);

struct Extrapolated {  // a run
  std::string name;
  Extrapolation losses;
  int64_t train_length = 0;
};
// Loss over the length, and over the position in the longest windows; a file of its own. One run is
// drawn by windows and as a stream, several by windows, in the colours of their order. A value of
// `baseline` (NaN: none) is drawn as a line.
std::string svg_of(const std::vector<Extrapolated>& runs, const std::string& title,
                   double baseline);

}  // namespace skiff
