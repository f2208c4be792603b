// Model: residual blocks of a unit that mixes positions and a gated linear unit, and a head that
// turns their features into logits (lra-tnn src/models/sequence).
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "layers/blocks/glu.h"
#include "layers/blocks/sequence_unit.h"
#include "layers/options.h"
#include "layers/units/dropout.h"
#include "layers/units/embedding.h"
#include "layers/units/linear.h"
#include "layers/units/norm.h"

namespace skiff {

// pe[p, 2i] = sin(p 10000^(-2i/d)), pe[p, 2i+1] = cos(the same);  (n, d)
Tensor sinusoid_table(int64_t n, int64_t d, DType dtype = DType::Float64);

// x <- x + dropout(f(norm x)) for f = the sequence unit, then the gated linear unit; or, with
// postnorm, x <- norm(x + dropout(f(x))).
struct Block {
  bool postnorm;
  std::unique_ptr<Norm> unit_norm;
  std::unique_ptr<SequenceUnit> unit;
  Dropout unit_drop;
  std::unique_ptr<Norm> glu_norm;
  Glu glu;
  Dropout glu_drop;
  Block(const Scope& s, const ModelOptions& o, const InputShape& shape);
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const;
};

// What a language model has otherwise than a classifier.
struct TrunkEnds {
  const char* encoder = "encoder";          // its name
  double embedding_deviation = 1;           // of the first values of an embedding
  std::optional<NormKind> final_norm = {};  // of another kind than in the blocks
};

// Input to normalised features (B, n, dim).
struct Trunk {
  ModelOptions options;
  std::variant<Embedding, Linear> encoder;  // of tokens, of numbers
  Dropout encoder_drop;
  std::vector<Block> blocks;
  std::unique_ptr<Norm> norm;  // none with postnorm
  Trunk(const Scope& s, const ModelOptions& o, const InputShape& shape, const TrunkEnds& ends = {});
  // input: int32 (B, n) tokens, or real (B, n, features). lengths: int32 (B), used if the options
  // ask to mask padding.
  Variable operator()(const Tensor& input, const Tensor& lengths = {}) const;
  Variable encoded(const Tensor& input) const;  // without positions
  // The rest, from the encoded input on.
  Variable features(const Variable& encoded, const Tensor& lengths = {}) const;

 private:
  mutable Tensor positions_;  // the longest sinusoid table so far
  Tensor positions(int64_t n, DType dtype, Device device) const;
};

// Features (B, n, dim) to logits.
struct Head {
  virtual ~Head() = default;
  virtual Variable operator()(const Variable& features, const Tensor& lengths) const = 0;
};

// A linear layer on the pooled features.
struct ClassHead : Head {
  Readout readout;
  Linear decoder;
  ClassHead(const Scope& s, const ModelOptions& o, const InputShape& shape);
  Variable operator()(const Variable& features, const Tensor& lengths) const override;
};

// Two documents per example: rows 0 .. B-1 of the input are the left ones, rows B .. 2B-1 the right
// ones, encoded together. On [a, b, a - b, a b]: Linear(4 dim, dim), gelu, Linear(dim, classes).
struct PairHead : Head {
  Readout readout;
  Linear decoder1, decoder2;
  PairHead(const Scope& s, const ModelOptions& o, const InputShape& shape);
  Variable operator()(const Variable& features, const Tensor& lengths) const override;
};

struct Model {
  InputShape shape;
  Trunk trunk;
  std::unique_ptr<Head> head;  // of pairs or of single examples, as the shape says
  Model(const Scope& s, const ModelOptions& o, const InputShape& shape);
  const ModelOptions& options() const { return trunk.options; }
  // Logits (B, classes). lengths: int32 (B), of each row of the input.
  Variable operator()(const Tensor& input, const Tensor& lengths) const;
};

// For pretraining: the same trunk, with a linear decoder at single positions in place of the head.
struct PositionModel {
  static constexpr const char* kDecoder = "position_decoder";  // its name
  InputShape shape;                                            // classes: numbers per position
  Trunk trunk;
  Linear decoder;
  PositionModel(const Scope& s, const ModelOptions& o, const InputShape& shape);
  const ModelOptions& options() const { return trunk.options; }
  // What the decoder reads, (places, dim), at these places int32 of the flat (B n).
  Variable features(const Tensor& input, const Tensor& lengths, const Tensor& places) const;
};

}  // namespace skiff
