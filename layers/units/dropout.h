// Zeroes elements with probability `rate` while training.
#pragma once

#include "autograd/ops/elementwise.h"
#include "core/random.h"
#include "layers/parameters.h"

namespace skiff {

// The mask depends on the seed, the step and the name of the layer only, so that a resumed run
// draws the same.
struct Dropout {
  const Parameters* store;
  double rate;
  uint64_t call;
  Dropout(const Scope& s, double rate)
      : store(&s.store()), rate(rate), call(hash_name(s.prefix() + ".dropout")) {}
  DropoutMask mask() const {
    return {store->training() ? rate : 0, store->seed(), store->step(), call};
  }
  Variable operator()(const Variable& x) const { return dropout(x, mask()); }
};

}  // namespace skiff
