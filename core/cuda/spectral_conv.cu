// spectral_conv from transforms and a product. The spectra of the batch are stored and stay in
// cuFFT's layout; the product also scales them and makes bins 0 and F/2 real. The channel of an
// element is its inner index mod D.
#include "core/conv/spectral_conv.h"
#include "core/cuda/fft.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// X = S X / F or conj(S) X / F, in place, real at bins 0 and F/2.
template <class T>
void multiply(fft::Spectra& spectra, const Tensor& S_tensor, bool conjugate) {
  Complex<T>* X = spectra.bins.data<Complex<T>>();
  const Complex<T>* S = S_tensor.data<Complex<T>>();
  const int64_t D = S_tensor.size(1);
  const fft::SpectraIndex index = spectra.index();
  const T factor = T(1) / T(spectra.F);
  parallel_for(Device::CUDA, spectra.bins.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t k = index.inner == 1 ? at % index.bins : at / (index.outer * index.inner);
    const Complex<T> s = S[k * D + at % index.inner % D];
    Complex<T> product = factor * ((conjugate ? conj(s) : s) * X[at]);
    if (index.is_end(k)) product.im = T(0);
    X[at] = product;
  });
}

// gS[k, d] = c[k] / F sum over outer and groups, in that order, of conj(X) G
template <class T>
void sum_products(const fft::Spectra& X_spectra, const fft::Spectra& G_spectra, Tensor& gS_tensor) {
  const Complex<T>*X = X_spectra.bins.data<Complex<T>>(), *G = G_spectra.bins.data<Complex<T>>();
  Complex<T>* gS = gS_tensor.data<Complex<T>>();
  const int64_t D = gS_tensor.size(1), F = X_spectra.F;
  const fft::SpectraIndex index = X_spectra.index();
  parallel_for(Device::CUDA, index.bins * D, [=] SKIFF_KERNEL(int64_t i) {
    const int64_t k = i / D, d = i % D;
    Complex<T> sum{0, 0};
    for (int64_t o = 0; o < index.outer; ++o) {
      for (int64_t column = d; column < index.inner; column += D) {
        const int64_t at = index.at(o, k, column);
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
  Tensor y = empty_like(x);
  fft::Spectra X = fft::cuda_spectra(x, F, axis);
  dispatch(x, [&]<class T> { multiply<T>(X, S, /*conjugate=*/false); });
  fft::cuda_signals(std::move(X), y, x.size(axis));
  return y;
}

std::pair<Tensor, Tensor> cuda_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                      const Tensor& gy, int64_t F, int64_t axis,
                                                      bool need_x, bool need_S) {
  check_devices(x, S, gy);
  fft::Spectra G = fft::cuda_spectra(gy, F, axis);
  Tensor gx = need_x ? empty_like(x) : Tensor(), gS = need_S ? empty_like(S) : Tensor();
  dispatch(x, [&]<class T> {
    if (need_S) sum_products<T>(fft::cuda_spectra(x, F, axis), G, gS);
    if (need_x) multiply<T>(G, S, /*conjugate=*/true);
  });
  if (need_x) fft::cuda_signals(std::move(G), gx, x.size(axis));
  return {gx, gS};
}

}  // namespace skiff
