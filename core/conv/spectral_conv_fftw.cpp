// spectral_conv on FFTW, for every length. A block of channels goes through transform, product and
// inverse while it is in cache; the spectrum of the batch is never stored. Backward recomputes the
// spectrum of x: one more transform, instead of F/2 + 1 complex numbers kept for every signal.
#include "core/conv/spectral_conv.h"
#include "core/parallel.h"
#include "core/per_thread.h"

#include <algorithm>

#include "core/fft/fftw.h"

namespace skiff {
namespace {

struct Blocks {  // channel blocks of (outer, n, groups * D): lanes never straddle a group
  int64_t outer, n, inner, D, groups, per_group;
  Blocks(AxisView v, int64_t D)
      : outer(v.outer),
        n(v.n),
        inner(v.inner),
        D(D),
        groups(v.inner / D),
        per_group((D + fftw::kLanes - 1) / fftw::kLanes) {}
  int64_t lanes(int64_t block) const { return std::min(fftw::kLanes, D - block * fftw::kLanes); }
};

template <class T>
void multiply(Complex<T>* X, const Complex<T>* S, int64_t stride, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) X[k] = S[k * stride] * X[k];
}
template <class T>
void multiply_conjugate(Complex<T>* X, const Complex<T>* S, int64_t stride, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) X[k] = conj(S[k * stride]) * X[k];
}

// c2r must not see imaginary parts at the bins that have none.
template <class T>
void make_end_bins_real(Complex<T>* X, int64_t F) {
  X[0].im = 0;
  if (F % 2 == 0) X[F / 2].im = 0;
}

template <class T>
void forward(const T* x, const Complex<T>* S, T* y, Blocks b, int64_t F) {
  const fftw::Plans<T> plans = fftw::plans<T>(F);
  const int64_t bins = F / 2 + 1, tasks = b.outer * b.groups * b.per_group;
  const bool parallel = tasks > 1 && b.outer * b.inner * F >= kParallelGrain;
  PerThread<fftw::Scratch<T>> scratches(parallel, F);
#pragma omp parallel if (parallel)
  {
    fftw::Scratch<T>& s = scratches.mine();
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t block = task % b.per_group, group = task / b.per_group % b.groups;
      const int64_t o = task / (b.per_group * b.groups), channel = block * fftw::kLanes;
      const int64_t at = o * b.n * b.inner + group * b.D + channel, lanes = b.lanes(block);
      fftw::gather(s, x + at, b.n, b.inner, lanes, F);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        Complex<T>* X = s.spectrum(lane);
        fftw::Api<T>::r2c(plans.forward, s.signal(lane), X);
        multiply(X, S + channel + lane, b.D, bins);
        make_end_bins_real(X, F);
        fftw::Api<T>::c2r(plans.inverse, X, s.signal(lane));
      }
      fftw::scatter(s, y + at, b.n, b.inner, lanes, F, T(1) / T(F));
    }
  }
}

// One task per block of channels walks the whole batch: the sum into gS has one fixed order.
template <class T>
void backward(const T* x, const Complex<T>* S, const T* gy, T* gx, Complex<T>* gS, Blocks b,
              int64_t F) {
  const fftw::Plans<T> plans = fftw::plans<T>(F);
  const int64_t bins = F / 2 + 1;
  const bool parallel = b.per_group > 1 && b.outer * b.inner * F >= kParallelGrain;
  PerThread<fftw::Scratch<T>> signals(parallel, F), cotangents(parallel, F), sums(parallel, F);
#pragma omp parallel if (parallel)
  {
    fftw::Scratch<T>&signal = signals.mine(), &cotangent = cotangents.mine(), &sum = sums.mine();
#pragma omp for schedule(static)
    for (int64_t block = 0; block < b.per_group; ++block) {
      const int64_t channel = block * fftw::kLanes, lanes = b.lanes(block);
      for (int64_t lane = 0; lane < lanes; ++lane)
        std::fill_n(sum.spectrum(lane), bins, Complex<T>{0, 0});
      for (int64_t row = 0; row < b.outer * b.groups; ++row) {
        const int64_t at = row / b.groups * b.n * b.inner + row % b.groups * b.D + channel;
        fftw::gather(cotangent, gy + at, b.n, b.inner, lanes, F);
        if (gS) fftw::gather(signal, x + at, b.n, b.inner, lanes, F);
        for (int64_t lane = 0; lane < lanes; ++lane) {
          Complex<T>* G = cotangent.spectrum(lane);
          fftw::Api<T>::r2c(plans.forward, cotangent.signal(lane), G);
          if (gS) {
            Complex<T>* X = signal.spectrum(lane);
            fftw::Api<T>::r2c(plans.forward, signal.signal(lane), X);
            Complex<T>* total = sum.spectrum(lane);
            for (int64_t k = 0; k < bins; ++k) total[k] = total[k] + conj(X[k]) * G[k];
          }
          if (gx) {
            multiply_conjugate(G, S + channel + lane, b.D, bins);
            make_end_bins_real(G, F);
            fftw::Api<T>::c2r(plans.inverse, G, cotangent.signal(lane));
          }
        }
        if (gx) fftw::scatter(cotangent, gx + at, b.n, b.inner, lanes, F, T(1) / T(F));
      }
      if (!gS) continue;
      for (int64_t k = 0; k < bins; ++k) {
        const T c = (k == 0 || 2 * k == F ? T(1) : T(2)) / T(F);
        for (int64_t lane = 0; lane < lanes; ++lane)
          gS[k * b.D + channel + lane] = c * sum.spectrum(lane)[k];
      }
    }
  }
}

}  // namespace

Tensor fftw_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  const Blocks blocks(axis_view(x, axis), S.size(1));
  Tensor y = empty_like(x);
  dispatch(x,
           [&]<class T> { forward<T>(x.data<T>(), S.data<Complex<T>>(), y.data<T>(), blocks, F); });
  return y;
}

std::pair<Tensor, Tensor> fftw_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                      const Tensor& gy, int64_t F, int64_t axis,
                                                      bool need_x, bool need_S) {
  const Blocks blocks(axis_view(x, axis), S.size(1));
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
