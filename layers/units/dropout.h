// Zeroes elements with probability `rate` while training.
#pragma once

#include "autograd/ops/elementwise.h"
#include "core/random.h"
#include "layers/parameters.h"
#include "layers/shard_pass.h"

namespace skiff {

// The mask depends on the seed, the step, the name of the layer and the place in the batch only, so
// that a resumed run draws the same, and so do the shards of a batch.
struct Dropout {
  const Parameters* store;
  double rate;
  uint64_t call;
  Dropout(const Scope& s, double rate)
      : store(&s.store()), rate(rate), call(hash_name(s.prefix() + ".dropout")) {}
  DropoutMask mask() const {
    return {store->training() ? rate : 0, store->seed(), store->step(), call,
            store->shard() ? store->shard()->rows : BatchRows()};
  }
  Variable operator()(const Variable& x) const { return dropout(x, mask()); }
};

}  // namespace skiff
