// Text that a model writes while it is trained. `generate` has everything else.
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

// How a text begins of which nothing is given: with <eos>, or a line end, or token 0 where there is
// neither.
int32_t first_token(const Vocabulary& vocabulary);

// What follows first_token(). A function of the parameters and the options. goes_on: asked before
// every token.
std::string written_text(LanguageModel* model, const Vocabulary& vocabulary,
                         const SampleOptions& options, const std::function<bool()>& goes_on);

}  // namespace skiff
