// mean: the sum divided by the number of its terms; no op of its own.

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/reduce.h"

namespace skiff {

Variable mean(const Variable& x) { return scale(sum(x), 1.0 / double(x.size())); }
Variable mean(const Variable& x, int64_t axis) {
  return scale(sum(x, axis), 1.0 / double(x.size(axis)));
}

}  // namespace skiff
