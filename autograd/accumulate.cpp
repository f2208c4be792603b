#include "autograd/accumulate.h"

#include <utility>

#include "core/parallel.h"

namespace skiff {
namespace {
template <class T>
void add_reals(Device device, int64_t n, const T* a, const T* b, T* sum) {
  parallel_for(device, n, [=] SKIFF_KERNEL(int64_t i) { sum[i] = a[i] + b[i]; });
}
}  // namespace

void accumulate(GradSlot& slot, const Tensor& g) {
  if (!slot.grad) {
    slot.grad = g;
    slot.owned = false;
    return;
  }
  check(slot.grad.shape() == g.shape() && slot.grad.dtype() == g.dtype(),
        "backward: gradients of one value must agree, got ", slot.grad, " and ", g);
  // Who asked for the gradient may still hold it, and expects it not to change.
  const bool in_place = slot.owned && slot.grad.is_sole();
  Tensor sum = in_place ? slot.grad : empty_like(g);
  const int64_t reals = g.size() * (g.is_complex() ? 2 : 1);
  dispatch(g, [&]<class T> {
    add_reals(g.device(), reals, static_cast<const T*>(std::as_const(slot.grad).raw()),
              static_cast<const T*>(g.raw()), static_cast<T*>(sum.raw()));
  });
  slot.grad = sum;
  slot.owned = true;
}

}  // namespace skiff
