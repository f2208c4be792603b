// The normalisations of the published models, chosen by a word. A new one is a struct, its word and
// its line in make_norm.
#pragma once

#include <memory>
#include <span>

#include "autograd/ops/norm.h"
#include "autograd/recompute.h"
#include "core/options.h"
#include "layers/parameters.h"

namespace skiff {

enum class NormKind { None, SimpleRms, Rms, GatedRms, Layer, Batch };
std::span<const Word<NormKind>> words_of(NormKind);  // "none", "simplerms", "rms", "gatedrms", ..

struct Norm {
  virtual ~Norm() = default;
  virtual Variable operator()(const Variable& x) const = 0;  // (.., dim)
  // The same, for a block that forgets it: the backward runs the norm once more. A norm that would
  // then give other bits, or leave another trace, says here how to make them again.
  virtual Remade remade(const Variable& x) const;
};
std::unique_ptr<Norm> make_norm(const Scope& s, NormKind kind, int64_t dim);

struct NoNorm : Norm {
  Variable operator()(const Variable& x) const override { return x; }
  Remade remade(const Variable& x) const override { return {x}; }
};

struct SimpleRmsNorm : Norm {  // x / (|x| / sqrt d + 1e-8)
  Variable operator()(const Variable& x) const override;
};

struct RmsNorm : Norm {  // the same times scale (d)
  Variable scale;
  RmsNorm(const Scope& s, int64_t dim);
  Variable operator()(const Variable& x) const override;
};

struct GatedRmsNorm : Norm {  // scale x_hat sigmoid(gate x);  gate, scale (d)
  Variable gate, scale;
  GatedRmsNorm(const Scope& s, int64_t dim);
  Variable operator()(const Variable& x) const override;
};

struct LayerNorm : Norm {  // weight, bias (d)
  Variable weight, bias;
  LayerNorm(const Scope& s, int64_t dim);
  Variable operator()(const Variable& x) const override;
};

struct BatchNorm : Norm {  // per channel over batch and positions;  all (d)
  const Parameters* store;
  Tensor running_mean, running_var;
  Variable weight, bias;
  BatchNorm(const Scope& s, int64_t dim);
  Variable operator()(const Variable& x) const override;
  Remade remade(const Variable& x) const override;  // with the statistics of the first time

 private:
  Variable normalised(const Variable& x, BatchStatistics& found) const;
};

}  // namespace skiff
