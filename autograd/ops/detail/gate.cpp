#include "autograd/ops/detail/gate.h"

#include "core/math.h"
#include "core/parallel.h"

namespace skiff {

template <class T>
void gate(Device device, int64_t n, const T* a, const T* b, T* p) {
  parallel_for(device, n, [=] SKIFF_KERNEL(int64_t i) { p[i] = math::silu(a[i]) * b[i]; });
}
template void gate(Device, int64_t, const float*, const float*, float*);
template void gate(Device, int64_t, const double*, const double*, double*);

template <class T>
void gate_gradients(Device device, int64_t n, const T* a, const T* b, T* g, T* gb, T* p) {
  parallel_for(device, n, [=] SKIFF_KERNEL(int64_t i) {
    const T ai = a[i], bi = b[i], gp = g[i], s = math::sigmoid(ai), silu = ai * s;
    gb[i] = gp * silu;
    p[i] = silu * bi;
    g[i] = gp * bi * (s + silu * (T(1) - s));
  });
}
template void gate_gradients(Device, int64_t, const float*, const float*, float*, float*, float*);
template void gate_gradients(Device, int64_t, const double*, const double*, double*, double*,
                             double*);

}  // namespace skiff
