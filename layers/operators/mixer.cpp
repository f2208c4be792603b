#include "layers/operators/mixer.h"

namespace skiff {

Tensor Mixer::causal_taps(int64_t, Beyond) const {
  fail<UsageError>("this mixer has no causal kernel");
}

}  // namespace skiff
