// The normalisations of the published models, chosen by name.
#pragma once

#include <string>

#include "autograd/ops.h"
#include "core/options.h"
#include "layers/parameters.h"

namespace skiff {

enum class NormKind {
  None,
  SimpleRms,  // x / (|x| / sqrt d + 1e-8); no parameters
  Rms,        // the same times scale (d)
  GatedRms,   // scale x_hat sigmoid(gate x); scale (d), gate (d)
  Layer,      // weight (d), bias (d)
  Batch       // per channel over batch and positions; weight, bias, running_mean, running_var (d)
};
std::span<const Word<NormKind>> words_of(NormKind);
NormKind norm_named(const std::string& name);  // "none", "simplerms", "rms", "gatedrms", ..

struct Norm {
  NormKind kind;
  const Parameters* store;
  Variable weight, bias;             // rms: weight is the scale; gatedrms: bias is the gate
  Tensor running_mean, running_var;  // batch
  Norm(Scope s, NormKind kind, int64_t dim);
  Variable operator()(const Variable& x) const;
};

}  // namespace skiff
