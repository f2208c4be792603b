// Gated linear unit: the half of a block that mixes channels.
#pragma once

#include "layers/units/activation.h"
#include "layers/units/dropout.h"
#include "layers/units/linear.h"

namespace skiff {

// out( dropout(act(a)) * b )
Variable gated(Activation activation, const Variable& a, const Variable& b, const Linear& out,
               const Dropout& drop);

// y = l3( dropout(act(l1 x)) * l2 x )
struct Glu {
  Activation activation;
  Linear l1, l2, l3;
  Dropout drop;
  Glu(const Scope& s, int64_t dim, int64_t inner, double dropout = 0,
      Activation activation = Activation::Silu);
  Variable operator()(const Variable& x) const;
};

}  // namespace skiff
