// y = x W^T + b.
#pragma once

#include <cmath>

#include "autograd/ops/matrix.h"
#include "layers/parameters.h"

namespace skiff {

// weight (out, in), bias (out). PyTorch's default start: U(-1/sqrt in, 1/sqrt in).
struct Linear {
  Variable weight, bias;
  Linear(const Scope& s, int64_t in, int64_t out)
      : Linear(s, in, out, uniform(1 / std::sqrt(double(in)))) {}
  Linear(const Scope& s, int64_t in, int64_t out, const Initializer& initial, bool with_bias = true)
      : weight(s.parameter("weight", {out, in}, initial)),
        bias(with_bias ? s.parameter("bias", {out}, initial) : Variable()) {}
  Variable operator()(const Variable& x) const { return linear(x, weight, bias); }
};

}  // namespace skiff
