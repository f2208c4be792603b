// spectral_conv from transforms and products: the spectra of the batch are stored. Channel of an
// element: its index mod D, since D divides the inner size.
#include "core/fft.h"
#include "core/parallel.h"
#include "core/spectral_conv.h"

namespace skiff {
namespace {

// X = S X / F or conj(S) X / F, in place; X is a spectrum made here.
template <class T>
void multiply(Tensor& X_tensor, const Tensor& S_tensor, AxisView v, int64_t F, bool conjugate) {
  Complex<T>* X = X_tensor.data<Complex<T>>();
  const Complex<T>* S = S_tensor.data<Complex<T>>();
  const int64_t D = S_tensor.size(1), inner = v.inner, bins = F / 2 + 1;
  const T factor = T(1) / T(F);
  parallel_for(Device::CUDA, X_tensor.size(), [=] SKIFF_KERNEL(int64_t i) {
    const Complex<T> s = S[i / inner % bins * D + i % D];
    X[i] = factor * ((conjugate ? conj(s) : s) * X[i]);
  });
}

// gS[k, d] = c[k] / F sum over outer and groups, in that order, of conj(X) G
template <class T>
void sum_products(const Tensor& X_tensor, const Tensor& G_tensor, Tensor& gS_tensor, AxisView v,
                  int64_t F) {
  const Complex<T>*X = X_tensor.data<Complex<T>>(), *G = G_tensor.data<Complex<T>>();
  Complex<T>* gS = gS_tensor.data<Complex<T>>();
  const int64_t D = gS_tensor.size(1), bins = F / 2 + 1, groups = v.inner / D;
  parallel_for(Device::CUDA, bins * D, [=] SKIFF_KERNEL(int64_t i) {
    const int64_t k = i / D, d = i % D;
    Complex<T> sum{0, 0};
    for (int64_t o = 0; o < v.outer; ++o) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = ((o * bins + k) * groups + g) * D + d;
        sum = sum + conj(X[at]) * G[at];
      }
    }
    gS[i] = (k == 0 || 2 * k == F ? T(1) : T(2)) / T(F) * sum;
  });
}

void check_devices(const Tensor& x, const Tensor& S, const Tensor& other) {
  check(S.device() == x.device() && other.device() == x.device(),
        "spectral_conv: all tensors must be on one device, got ", x, ", ", S, " and ", other);
}

}  // namespace

Tensor cuda_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  check_devices(x, S, x);
  const AxisView v = axis_view(x, axis);
  Tensor Y = fft::cuda_r2c(x, F, axis);
  dispatch(x, [&]<class T> { multiply<T>(Y, S, v, F, false); });
  return fft::cuda_c2r(Y, F, axis, v.n);
}

std::pair<Tensor, Tensor> cuda_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                      const Tensor& gy, int64_t F, int64_t axis,
                                                      bool need_x, bool need_S) {
  check_devices(x, S, gy);
  const AxisView v = axis_view(x, axis);
  Tensor G = fft::cuda_r2c(gy, F, axis), gx, gS;
  dispatch(x, [&]<class T> {
    if (need_S) {
      gS = empty_like(S);
      sum_products<T>(fft::cuda_r2c(x, F, axis), G, gS, v, F);
    }
    if (need_x) multiply<T>(G, S, v, F, true);
  });
  if (need_x) gx = fft::cuda_c2r(G, F, axis, v.n);
  return {gx, gS};
}

}  // namespace skiff
