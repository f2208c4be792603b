// spectral_conv for every length. A block of channels goes through transform, product and inverse
// while it is in cache; the spectrum of the batch is never stored. Backward computes the spectrum
// of x again: one more transform, instead of F/2 + 1 complex numbers kept for every signal.
#include <algorithm>

#include "core/channel_blocks.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/signals.h"
#include "core/parallel.h"

namespace skiff {
namespace {

using fft::kSignals;
using fft::Signals;
using fft::Transform;

template <class T>
void multiply(Complex<T>* X, const Complex<T>* S, int64_t stride, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) X[k] = S[k * stride] * X[k];
}
template <class T>
void multiply_conjugate(Complex<T>* X, const Complex<T>* S, int64_t stride, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) X[k] = conj(S[k * stride]) * X[k];
}

template <class T>
void add_correlation(Complex<T>* sum, const Complex<T>* X, const Complex<T>* G, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) sum[k] = sum[k] + conj(X[k]) * G[k];
}

template <class T>
void forward(const T* x, const Complex<T>* S, T* y, const ChannelBlocks& b, int64_t F) {
  const Transform<T>& t = fft::transform<T>(F);
  const int64_t bins = F / 2 + 1, tasks = b.rows * b.count;
  const bool parallel = tasks > 1 && b.rows * b.D * F >= kParallelGrain;
  PerThread<Signals<T>> signals(parallel, t);
#pragma omp parallel if (parallel)
  {
    Signals<T>& s = signals.mine();
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t row = task / b.count, block = task % b.count, channels = b.channels(block);
      s.gather(b.block(x, row, block).data, b.n, b.inner, 1, channels);
      for (int64_t first = 0; first < channels; first += t.batch) {
        const int64_t count = std::min(t.batch, channels - first);
        t.r2c(s, first, count);
        for (int64_t i = first; i < first + count; ++i) {
          multiply(s.spectrum(i), S + b.first(block) + i, b.D, bins);
          s.make_end_bins_real(i);
        }
        t.c2r(s, first, count);
      }
      s.scatter(b.block(y, row, block).data, b.n, b.inner, 1, channels, T(1) / T(F));
    }
  }
}

// One task per block of channels goes through the whole batch: the sum into gS has one fixed order.
template <class T>
void backward(const T* x, const Complex<T>* S, const T* gy, T* gx, Complex<T>* gS,
              const ChannelBlocks& b, int64_t F) {
  const Transform<T>& t = fft::transform<T>(F);
  const int64_t bins = F / 2 + 1;
  const bool parallel = b.count > 1 && b.rows * b.D * F >= kParallelGrain;
  PerThread<Signals<T>> signals(parallel, t), cotangents(parallel, t), sums(parallel, t);
#pragma omp parallel if (parallel)
  {
    Signals<T>&signal = signals.mine(), &cotangent = cotangents.mine(), &sum = sums.mine();
#pragma omp for schedule(static)
    for (int64_t block = 0; block < b.count; ++block) {
      const int64_t channels = b.channels(block);
      for (int64_t i = 0; i < channels; ++i) std::fill_n(sum.spectrum(i), bins, Complex<T>{0, 0});
      for (int64_t row = 0; row < b.rows; ++row) {
        cotangent.gather(b.block(gy, row, block).data, b.n, b.inner, 1, channels);
        if (gS) signal.gather(b.block(x, row, block).data, b.n, b.inner, 1, channels);
        for (int64_t first = 0; first < channels; first += t.batch) {
          const int64_t count = std::min(t.batch, channels - first);
          t.r2c(cotangent, first, count);
          if (gS) t.r2c(signal, first, count);
          for (int64_t i = first; i < first + count; ++i) {
            Complex<T>* G = cotangent.spectrum(i);
            if (gS) add_correlation(sum.spectrum(i), signal.spectrum(i), G, bins);
            if (gx) multiply_conjugate(G, S + b.first(block) + i, b.D, bins);
            if (gx) cotangent.make_end_bins_real(i);
          }
          if (gx) t.c2r(cotangent, first, count);
        }
        if (gx)
          cotangent.scatter(b.block(gx, row, block).data, b.n, b.inner, 1, channels, T(1) / T(F));
      }
      if (!gS) continue;
      for (int64_t k = 0; k < bins; ++k) {
        const T c = (k == 0 || 2 * k == F ? T(1) : T(2)) / T(F);
        for (int64_t i = 0; i < channels; ++i)
          gS[k * b.D + b.first(block) + i] = c * sum.spectrum(i)[k];
      }
    }
  }
}

}  // namespace

Tensor any_length_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  const ChannelBlocks blocks(axis_view(x, axis), S.size(1), kSignals);
  Tensor y = empty_like(x);
  dispatch(x,
           [&]<class T> { forward<T>(x.data<T>(), S.data<Complex<T>>(), y.data<T>(), blocks, F); });
  return y;
}

std::pair<Tensor, Tensor> any_length_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                            const Tensor& gy, int64_t F,
                                                            int64_t axis, bool need_x,
                                                            bool need_S) {
  const ChannelBlocks blocks(axis_view(x, axis), S.size(1), kSignals);
  Tensor gx, gS;
  if (need_x) gx = empty_like(x);
  if (need_S) gS = empty_like(S);
  dispatch(x, [&]<class T> {
    backward<T>(x.data<T>(), S.data<Complex<T>>(), gy.data<T>(), need_x ? gx.data<T>() : nullptr,
                need_S ? gS.data<Complex<T>>() : nullptr, blocks, F);
  });
  return {gx, gS};
}

}  // namespace skiff
