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

bool accumulate(GradSlot& slot, Tensor g) {
  if (!slot.grad) {
    slot.grad = std::move(g);
    return false;
  }
  check(slot.grad.shape() == g.shape() && slot.grad.dtype() == g.dtype(),
        "backward: gradients of one value must agree, got ", slot.grad, " and ", g);
  const bool into_sum = slot.grad.is_sole(), into_new = !into_sum && g.is_sole();
  Tensor sum = into_sum ? slot.grad : into_new ? g : empty_like(g);
  const int64_t reals = g.size() * (g.is_complex() ? 2 : 1);
  dispatch(g, [&]<class T> {
    add_reals(g.device(), reals, static_cast<const T*>(std::as_const(slot.grad).raw()),
              static_cast<const T*>(std::as_const(g).raw()), static_cast<T*>(sum.raw()));
  });
  slot.grad = std::move(sum);
  return !into_sum && !into_new;
}

}  // namespace skiff
