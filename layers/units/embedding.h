// A row of numbers per token.
#pragma once

#include "autograd/ops/classify.h"
#include "layers/parameters.h"

namespace skiff {

// Rows of weight (vocab, dim), which start from N(0, 1) by default, the padding row too.
struct Embedding {
  Variable weight;
  Embedding(const Scope& s, int64_t vocab, int64_t dim, const Initializer& initial = normal(1))
      : weight(s.parameter("weight", {vocab, dim}, initial)) {}
  Variable operator()(const Tensor& ids) const { return embedding(ids, weight); }
};

}  // namespace skiff
