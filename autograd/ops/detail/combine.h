// Element by element over two tensors, of which the second one may repeat: what the ops of
// arithmetic.cpp and complex_mul share.
#pragma once

#include "autograd/op.h"
#include "core/parallel.h"

namespace skiff {

// b's shape is the end of a's, or b a single number.
inline void check_operands(const char* name, const Tensor& a, const Tensor& b) {
  check_like(name, a, b);
  check(b.size() == 1 || a.shape().ends_with(b.shape()), name,
        ": b's shape must be the end of a's, or b a single number, got ", a, " and ", b);
}

// y = f(a, b), of elements E.
template <class E, class F>
void combine(const Tensor& a_tensor, const Tensor& b_tensor, Tensor& y_tensor, F f) {
  const E *a = a_tensor.data<E>(), *b = b_tensor.data<E>();
  E* y = y_tensor.data<E>();
  const Device device = a_tensor.device();
  const int64_t size = a_tensor.size(), D = b_tensor.size();
  if (D == size) {
    parallel_for(device, size, [=] SKIFF_KERNEL(int64_t i) { y[i] = f(a[i], b[i]); });
  } else if (D == 1) {
    parallel_for(device, size, [=] SKIFF_KERNEL(int64_t i) { y[i] = f(a[i], b[0]); });
  } else {
    parallel_rows(device, size / D, D, [=] SKIFF_KERNEL(Row row) {
      const int64_t o = row.index * D;
      row.for_each(D, [&](int64_t d) { y[o + d] = f(a[o + d], b[d]); });
    });
  }
}

}  // namespace skiff
