// LanguageModel: the trunk of the classifiers between an embedding and an output matrix (TNN,
// arXiv 2305.04749; ski-tnn laxtnn/models, fairseq-evo models/lm_tnn).
//
//   x = c E[token],  c = 1 or sqrt(dim)
//   x <- x + f(norm x)  for the two units of every block (model.h)
//   z = final_norm(x),  logits = z E^T, or z W^T with a matrix of its own
//
// options.kernel.causal decides what it learns:
//   causal         the next token at every position. Batch norm is refused: its statistics in
//                  training hold later positions, so the loss would see the future.
//   bidirectional  masked tokens, from both sides. Chosen positions pass a head first:
//                  z <- layer_norm(gelu(dense(z))), and the logits get a bias.
//
// How weights start (options.start), but for the kernels, which start as elsewhere:
//   small          every matrix of a linear map and E from N(0, 0.02^2), biases 0: the loss starts
//                  near ln(vocab). Recommended; published for masked models.
//   default        E from N(0, 1/dim), the rest as PyTorch does: with scale_embedding and a tied
//                  matrix the published causal model. Its loss starts far above ln(vocab).
#pragma once

#include "layers/model.h"

namespace skiff {

// Options of a causal model of this mixer, small enough to train in minutes. Without sinusoids:
// Toeplitz kernels know distances, and so does attention with rotary positions. (Sinusoids, of size
// 0.7, would drown embeddings of size 0.02.)
ModelOptions language_model_options(const std::string& mixer);

struct MaskedHead {
  Linear dense;
  LayerNorm norm;
  Variable bias;  // (vocab)
  MaskedHead(const Scope& s, int64_t dim, int64_t vocab);
  Variable operator()(const Variable& features) const;  // (.., dim) -> (.., dim)
};

struct LanguageModel {
  InputShape shape;
  LanguageOptions language;
  Trunk trunk;
  std::unique_ptr<Norm> embedding_norm;
  std::optional<MaskedHead> masked;  // bidirectional models only
  Variable head;                     // the output matrix (vocab, dim); tied: that of the embedding
  // shape: vocab, and max_length, the window of training.
  LanguageModel(const Scope& s, const ModelOptions& o, const LanguageOptions& l,
                const InputShape& shape);
  const ModelOptions& options() const { return trunk.options; }

  // tokens int32 (B, n), lengths int32 (B) of each row: the embedding of padding is 0.
  Variable features(const Tensor& tokens, const Tensor& lengths = {}) const;  // (B, n, dim)
  Variable logits(const Variable& features) const;  // (.., dim) -> (.., vocab)
  // Mean cross-entropy over the positions whose target, int32 (B, n), is not below 0, in nats. No
  // logits of all positions exist together; a masked model computes its head for chosen ones only.
  Variable loss(const Tensor& tokens, const Tensor& targets, const Tensor& lengths = {}) const;
  // The cross-entropy of every position, 0 where the target is below 0: (B, n). Not recorded.
  Tensor losses(const Tensor& tokens, const Tensor& targets, const Tensor& lengths = {}) const;
};

}  // namespace skiff
