// FFTW behind one name for float and double, its plan cache, and scratch memory for a thread.
// Private to the _cpu files of this folder.
#pragma once

#include <fftw3.h>

#include "core/complex.h"
#include "core/tensor.h"

namespace skiff::fftw {

template <class T>
struct Api;
template <>
struct Api<float> {
  using Plan = fftwf_plan;
  static void r2c(Plan p, float* x, Complex<float>* X) {
    fftwf_execute_dft_r2c(p, x, reinterpret_cast<fftwf_complex*>(X));
  }
  static void c2r(Plan p, Complex<float>* X, float* x) {
    fftwf_execute_dft_c2r(p, reinterpret_cast<fftwf_complex*>(X), x);
  }
};
template <>
struct Api<double> {
  using Plan = fftw_plan;
  static void r2c(Plan p, double* x, Complex<double>* X) {
    fftw_execute_dft_r2c(p, x, reinterpret_cast<fftw_complex*>(X));
  }
  static void c2r(Plan p, Complex<double>* X, double* x) {
    fftw_execute_dft_c2r(p, reinterpret_cast<fftw_complex*>(X), x);
  }
};

// Plans for one contiguous transform of length F between 64-byte aligned arrays; c2r may overwrite
// its input. Planned once with ESTIMATE (MEASURE would change the last bits from run to run), kept.
template <class T>
struct Plans {
  typename Api<T>::Plan forward, inverse;
};
template <class T>
Plans<T> plans(int64_t F);

// Channels are gathered kLanes at a time into contiguous, zero-padded signals, transformed one by
// one, and scattered back: neighbouring channels share the cache lines of the gather.
inline constexpr int64_t kLanes = 16;

// Aligned scratch for kLanes signals of length F and as many spectra.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t F);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* signal(int64_t lane) { return signals_.template data<T>() + lane * signal_stride_; }
  Complex<T>* spectrum(int64_t lane) {
    return spectra_.template data<Complex<T>>() + lane * spectrum_stride_;
  }

 private:
  int64_t signal_stride_, spectrum_stride_;
  Tensor signals_, spectra_;
};

// signal(lane)[j] = x[j * stride + lane] for j < min(n, F), zero up to F.
template <class T>
void gather(Scratch<T>& s, const T* x, int64_t n, int64_t stride, int64_t lanes, int64_t F) {
  const int64_t kept = n < F ? n : F;
  for (int64_t j = 0; j < kept; ++j)
    for (int64_t lane = 0; lane < lanes; ++lane) s.signal(lane)[j] = x[j * stride + lane];
  for (int64_t lane = 0; lane < lanes; ++lane)
    for (int64_t j = kept; j < F; ++j) s.signal(lane)[j] = T(0);
}

// y[j * stride + lane] = scale * signal(lane)[j] for j < min(n, F), zero up to n.
template <class T>
void scatter(Scratch<T>& s, T* y, int64_t n, int64_t stride, int64_t lanes, int64_t F, T scale) {
  const int64_t kept = n < F ? n : F;
  for (int64_t j = 0; j < kept; ++j)
    for (int64_t lane = 0; lane < lanes; ++lane) y[j * stride + lane] = scale * s.signal(lane)[j];
  for (int64_t j = kept; j < n; ++j)
    for (int64_t lane = 0; lane < lanes; ++lane) y[j * stride + lane] = T(0);
}

}  // namespace skiff::fftw
