// The parts of a causal language model that act on one position, for tokens that arrive one at a
// time: no tape, no allocation per token, and the same bits for a sample alone and among others,
// for any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layers/generation/causal_sum.h"
#include "layers/language_model.h"

namespace skiff {

// y = x W^T + b of few rows. Weights are read once per call, whatever the number of rows: in panels
// of some outputs, for each of which an input's weights lie side by side.
template <class T>
class RowLinear {
 public:
  RowLinear(const Variable& weight, const Variable& bias);  // (out, in), (out) or none
  void operator()(const T* x, T* y, int64_t rows) const;    // (rows, in) -> (rows, out)
  int64_t in() const { return panels_.size(1); }
  int64_t out() const { return out_; }
  int64_t bytes() const { return in() * out_ * int64_t(sizeof(T)); }  // of W

 private:
  int64_t out_;
  Tensor panels_, bias_;  // (panels, in, outputs of a panel), (panels, outputs of a panel)
};

template <class T>
class RowNorm {
 public:
  explicit RowNorm(const Norm* norm);                                  // nullptr: none
  void operator()(const T* x, T* y, int64_t rows, int64_t dim) const;  // x may be y

 private:
  NormKind kind_ = NormKind::None;
  Tensor scale_, bias_, gate_;
};

// A token through all layers, for several samples. The sums over earlier positions are the
// caller's: sums[layer][sample].
template <class T>
class TokenModel {
 public:
  using Sums = std::vector<std::vector<CausalSumPtr<T>>>;

  explicit TokenModel(LanguageModel* model);
  // tokens: one per sample -> logits (samples, vocab), which stay valid until the next call.
  const T* logits(std::span<const int32_t> tokens, Sums& sums);
  // The same of features after the last layer, (dim) of one sample.
  const T* logits_of(const T* features);
  int64_t weight_bytes() const { return weight_bytes_; }  // all weights but the embedding

 private:
  struct Layer {
    RowNorm<T> unit_norm, glu_norm;
    RowLinear<T> u, v, o, l1, l2, l3;
  };
  void reserve(int64_t samples);
  void mix(const Layer& layer, std::vector<CausalSumPtr<T>>& sums, const T* a, T* y, int64_t n);
  void glu(const Layer& layer, const T* a, T* y, int64_t n);

  ModelOptions options_;
  double embedding_scale_;
  Tensor embedding_;  // (vocab, dim)
  RowNorm<T> embedding_norm_, final_norm_;
  RowLinear<T> head_;
  std::vector<Layer> layers_;
  int64_t weight_bytes_ = 0;
  // Rows of the samples at work.
  int64_t reserved_ = 0;
  Tensor x_, a_, y_, wide_, gate_, logits_;
};

}  // namespace skiff
