// last_position: the vector at the last position of each sequence; a slice.

#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"

namespace skiff {

Variable last_position(const Variable& x) {
  check(x && x.rank() == 3 && x.size(1) > 0, "last_position: x (B, n, D) is needed, got ",
        x.value());
  return reshape(slice(x, 1, x.size(1) - 1, x.size(1)), {x.size(0), x.size(2)});
}

}  // namespace skiff
