// Text that a causal model writes. Models with Toeplitz kernels write through a Stream: a token
// costs the linear maps of one position and one sum over the lags per layer. Attention reads its
// last window again for every token.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "data/language/vocabulary.h"
#include "layers/language_model.h"

namespace skiff {

struct SampleOptions {
  int64_t tokens = 200;
  double temperature = 0.8;  // 0: the most probable token
  uint64_t seed = 1;
  int64_t length = 256;  // lags of the kernels, or the window of attention
};

// The id of the next token, with u in [0, 1): the first one, in the order of ids, at which the sum
// of the probabilities exceeds u. NumericalError for logits that are not finite.
int32_t drawn_token(const std::vector<double>& logits, double temperature, double u);

// What follows the beginning of a text: a line end, or <eos>, or token 0 where there is neither. A
// function of the parameters and the options. goes_on: asked before every token.
std::string written_text(LanguageModel* model, const Vocabulary& vocabulary,
                         const SampleOptions& options, const std::function<bool()>& goes_on);

}  // namespace skiff
