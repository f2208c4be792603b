// The models: residual blocks of a gated Toeplitz unit and a gated linear unit, a classifier, and
// the two-tower model for pairs of documents (lra-tnn src/models/sequence).
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "layers/blocks/attention.h"
#include "layers/blocks/gtu.h"
#include "layers/options.h"
#include "layers/units/norm.h"

namespace skiff {

struct TnnConfig {
  int64_t vocab = 0;     // token input, or
  int64_t features = 0;  // this many real numbers per position
  int64_t classes = 0;
  int64_t dim = 64;
  int64_t layers = 2;  // pairs of a gated Toeplitz unit and a gated linear unit
  int64_t inner = 64;  // width of the Toeplitz unit (e)
  int64_t glu_inner = 64;
  MixerConfig mixer;
  std::optional<AttentionConfig> attention;  // instead of the Toeplitz unit: the baseline
  bool mask_padding = false;  // padded positions are not mixed in; published models mix them
  NormKind norm = NormKind::Batch;
  bool prenorm = true;           // else x <- norm(x + f(x)), and no final norm
  bool sinusoids = true;         // absolute positions, added to the encoded input
  double encoder_dropout = 0.1;  // on the encoded input
  double dropout = 0;            // on the residual branches and inside the units
  Readout readout = Readout::Mean;
  int64_t height = 0, width = 0;  // both set: mix along rows and columns of an image
  Start start = Start::Small;
  bool recompute = false;  // training keeps the input of each block and works the rest out again
};

// pe[p, 2i] = sin(p 10000^(-2i/d)), pe[p, 2i+1] = cos(the same);  (n, d)
Tensor sinusoid_table(int64_t n, int64_t d, DType dtype = DType::Float64);

// x <- x + dropout(f(norm x)) for f = gtu (or attention), glu; or, post-norm, x <- norm(x +
// dropout(f(x))).
struct Block {
  bool prenorm;
  Norm gtu_norm;
  std::variant<Gtu, Attention> gtu;
  Dropout gtu_drop;
  Norm glu_norm;
  Glu glu;
  Dropout glu_drop;
  Block(Scope s, const TnnConfig& c);
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const;
};

// Input to normalised features (B, n, dim).
struct Trunk {
  TnnConfig config;
  std::variant<Embedding, Linear> encoder;
  Dropout encoder_drop;
  std::vector<Block> layers;
  std::optional<Norm> norm;  // pre-norm only
  Trunk(Scope s, const TnnConfig& c);
  // input: int32 (B, n) tokens, or real (B, n, features); lengths: int32 (B), used to mask padding
  Variable operator()(const Tensor& input, const Tensor& lengths = {}) const;

 private:
  Variable features(const Tensor& input) const;
};

// Logits (B, classes). lengths: int32 (B).
struct TnnClassifier {
  Trunk trunk;
  Linear decoder;
  TnnClassifier(Scope s, const TnnConfig& c);
  Variable operator()(const Tensor& input, const Tensor& lengths) const;
};

// Two documents each: rows 0 .. B-1 of the input are the left ones, rows B .. 2B-1 the right ones,
// encoded together. Head on [a, b, a - b, a b]: Linear(4 dim, dim), gelu, Linear(dim, classes).
struct TwoTowerClassifier {
  Trunk trunk;
  Linear decoder1, decoder2;
  TwoTowerClassifier(Scope s, const TnnConfig& c);
  Variable operator()(const Tensor& input, const Tensor& lengths) const;
};

}  // namespace skiff
