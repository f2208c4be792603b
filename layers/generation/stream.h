// A causal model on a text that arrives in pieces, as if it were one sequence.
//
// Only the mixers of a model mix positions. With kernels of M lags, each needs the M-1 values
// before a piece: a Stream keeps them per layer (the tails), so its features are those of one pass
// over the whole text, and through L layers a target depends on L (M-1) + 1 tokens. The kernels are
// computed once, for M lags: those of fd and ski change with the length, and a text has one. With
// more lags than tokens in training, the kernel of ski is extended: its inducing points keep their
// distance, and more follow. In a window of that length the model stretches it instead, as
// published.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "layers/blocks/gtu.h"
#include "layers/language_model.h"

namespace skiff {

// Whether the mixers of a model are Toeplitz kernels and nothing else depends on positions.
bool has_kernels(const ModelOptions& options);

// The gated Toeplitz unit of every block of a model that has_kernels().
std::vector<Gtu*> toeplitz_units(LanguageModel* model);

class Stream {
 public:
  // values (n, channels) are the next inputs of the mixer of a layer.
  using Observer = std::function<void(size_t layer, const Tensor& values)>;

  // While it lives, its kernels replace the mixers of the model. UsageError unless has_kernels().
  Stream(LanguageModel* model, int64_t lags);
  // kernels: (M, channels) of each layer, such as causal_taps() gives.
  Stream(LanguageModel* model, const std::vector<Tensor>& kernels, const Observer& observer = {});
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Variable features(const Tensor& tokens);  // of the next tokens, int32 (1, n): (1, n, dim)

 private:
  LanguageModel& model_;
  std::vector<std::unique_ptr<Mixer>> replaced_;  // the mixers of the model, per layer
};

}  // namespace skiff
