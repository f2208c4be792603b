// Linear, Embedding, activations by name, dropout: the small layers.
#pragma once

#include <cmath>
#include <string>

#include "autograd/ops.h"
#include "core/options.h"
#include "core/random.h"
#include "layers/parameters.h"

namespace skiff {

// y = x W^T + b;  weight (out, in), bias (out). PyTorch's default start: U(-1/sqrt in, 1/sqrt in).
struct Linear {
  Variable weight, bias;
  Linear(Scope s, int64_t in, int64_t out)
      : Linear(s, in, out, uniform(1 / std::sqrt(double(in)))) {}
  Linear(Scope s, int64_t in, int64_t out, const Initializer& initial, bool with_bias = true)
      : weight(s.parameter("weight", {out, in}, initial)),
        bias(with_bias ? s.parameter("bias", {out}, initial) : Variable()) {}
  Variable operator()(const Variable& x) const { return linear(x, weight, bias); }
};

// Rows of weight (vocab, dim), started from N(0, 1), the padding row too.
struct Embedding {
  Variable weight;
  Embedding(Scope s, int64_t vocab, int64_t dim)
      : weight(s.parameter("weight", {vocab, dim}, normal(1))) {}
  Variable operator()(const Tensor& ids) const { return embedding(ids, weight); }
};

enum class Activation { None, Relu, Silu, Gelu, Sigmoid, Tanh, Exp, Elu };
std::span<const Word<Activation>> words_of(Activation);
Activation activation_named(const std::string& name);  // "none", "relu", ..; UsageError otherwise
Variable activate(Activation activation, const Variable& x);

// Zeroes elements with probability `rate` while training. The mask depends on the seed, the step
// and the place in the model, so a resumed run draws the same.
struct Dropout {
  const Parameters* store;
  double rate;
  uint64_t call;
  Dropout(Scope s, double rate)
      : store(&s.store()), rate(rate), call(hash_name(s.prefix() + ".dropout")) {}
  DropoutMask mask() const {
    return {store->training() ? rate : 0, store->seed(), store->step(), call};
  }
  Variable operator()(const Variable& x) const { return dropout(x, mask()); }
};

}  // namespace skiff
