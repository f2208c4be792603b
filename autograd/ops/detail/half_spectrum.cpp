#include "autograd/ops/detail/half_spectrum.h"

#include "core/parallel.h"

namespace skiff {
namespace {
template <class T>
void scale(const Tensor& X, Tensor& Y, AxisView v, int64_t F, T ends, T interior) {
  const Complex<T>* in = X.data<Complex<T>>();
  Complex<T>* out = Y.data<Complex<T>>();
  parallel_for(X.device(), X.size(), [=] SKIFF_KERNEL(int64_t i) {
    const int64_t k = i / v.inner % v.n;
    out[i] = (k == 0 || 2 * k == F ? ends : interior) * in[i];
  });
}
}  // namespace

Tensor scale_bins(const Tensor& X, int64_t F, int64_t axis, double ends, double interior) {
  Tensor Y = empty_like(X);
  dispatch(X, [&]<class T> { scale<T>(X, Y, axis_view(X, axis), F, T(ends), T(interior)); });
  return Y;
}

}  // namespace skiff
