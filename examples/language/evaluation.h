// The loss of a language model on a split, by one of the rules of data/language/evaluation.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"
#include "data/language/evaluation.h"
#include "data/language/masking.h"
#include "layers/language_model.h"

namespace skiff {

struct LanguageEvaluation {
  LanguageScore score;
  // By position in the window, of the targets that count.
  std::vector<double> nats;
  std::vector<int64_t> targets;

  // Of windows of n targets each: the loss of every target, and 0 for one that does not count.
  void add(std::span<const double> losses, std::span<const double> counts, size_t n);
  // The mean losses of positions 0, 1, 2-3, 4-7, 8-15, ..
  std::vector<double> by_position() const;
};
std::string position_name(size_t i);  // "0", "1", "2-3", ..: of by_position()[i]

// The text to score, cut after `limit` tokens (0: all).
struct ScoredText {
  TextSplit split;
  int32_t start = -1;   // Corpus::start()
  LanguageScore empty;  // without nats
};
ScoredText scored(const TextSplit& split, const Vocabulary& vocabulary, int64_t limit);

// Called with the number of targets that are done; false stops the evaluation.
using EvaluationProgress = std::function<bool(int64_t)>;

// length: of the windows; by the rule stream the lags of the kernels. batch_tokens: about how many
// tokens the model reads at once. Several processes divide the windows; the stream is read by each.
// Nothing when `progress` stopped it.
std::optional<LanguageEvaluation> evaluate(LanguageModel* model, const ScoredText& text,
                                           int64_t length, const EvaluationOptions& options,
                                           int64_t batch_tokens, Device device,
                                           const EvaluationProgress& progress);

// Of a masked model: by blocks, and of each block those targets that the mask of (seed, epoch 0,
// number of the block) chooses.
std::optional<LanguageEvaluation> evaluate_masked(LanguageModel* model, const ScoredText& text,
                                                  int64_t length, const MaskOptions& mask,
                                                  uint64_t seed, int64_t batch_tokens,
                                                  Device device,
                                                  const EvaluationProgress& progress);

}  // namespace skiff
