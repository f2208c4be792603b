// Real transforms of any length F of signals that each are contiguous in memory: what FFTW and the
// builtin transform have in common. For the files that compute on the CPU.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "core/complex.h"
#include "core/scratch.h"

namespace skiff::fft {

template <class T>
class Signals;

// The transforms of one length. Made once per length and kept; used by any number of threads.
template <class T>
struct Transform {
  const int64_t F;
  const int64_t batch;         // so many signals at once are fastest
  const int64_t work_numbers;  // numbers of type T for intermediate results
  Transform(int64_t F, int64_t batch, int64_t work_numbers)
      : F(F), batch(batch), work_numbers(work_numbers) {}
  virtual ~Transform() = default;

  // Spectra of the signals first .. first + count-1, count <= batch, and back, unnormalised. A
  // signal is lost in its spectrum, and the spectrum in the signal. The imaginary parts of bins 0
  // and F/2 (F even) must be 0 on the way back.
  virtual void r2c(Signals<T>& s, int64_t first, int64_t count) const = 0;
  virtual void c2r(Signals<T>& s, int64_t first, int64_t count) const = 0;
};

// FFTW's, or in a build with FFT=builtin the builtin one.
template <class T>
const Transform<T>& transform(int64_t F);
template <class T>
const Transform<T>& builtin_transform(int64_t F);

// One transform per length, made when it is first asked for.
template <class T>
class TransformCache {
 public:
  template <class Make>
  const Transform<T>& get(int64_t F, const Make& make) {
    check(F >= 1 && F <= int64_t(1) << 30, "fft: lengths from 1 to 2^30 are supported, got ", F);
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Transform<T>>& made = transforms_[F];
    if (!made) made = make();
    return *made;
  }

 private:
  std::mutex mutex_;
  std::map<int64_t, std::unique_ptr<Transform<T>>> transforms_;
};

// Channels are gathered so many at a time into contiguous signals: neighbours share cache lines.
inline constexpr int64_t kSignals = 16;

// Memory of a thread for kSignals signals, their spectra and the work of the transform.
template <class T>
class Signals {
 public:
  explicit Signals(const Transform<T>& t)
      : F_(t.F),
        signal_stride_(aligned(F_, sizeof(T))),
        spectrum_stride_(aligned(F_ / 2 + 1, sizeof(Complex<T>))),
        signals_(kSignals * signal_stride_),
        spectra_(kSignals * spectrum_stride_),
        work_(t.work_numbers) {}
  T* signal(int64_t i) const { return signals_ + i * signal_stride_; }
  Complex<T>* spectrum(int64_t i) const { return spectra_ + i * spectrum_stride_; }
  T* work() const { return work_ + 0; }

  // signal(i)[j] = x[j * stride + i * next] for j < min(n, F), zero up to F.
  void gather(const T* x, int64_t n, int64_t stride, int64_t next, int64_t count) {
    const int64_t kept = std::min(n, F_);
    for (int64_t j = 0; j < kept; ++j)
      for (int64_t i = 0; i < count; ++i) signal(i)[j] = x[j * stride + i * next];
    for (int64_t i = 0; i < count; ++i) std::fill(signal(i) + kept, signal(i) + F_, T(0));
  }
  // y[j * stride + i * next] = scale * signal(i)[j] for j < min(n, F), zero up to n.
  void scatter(T* y, int64_t n, int64_t stride, int64_t next, int64_t count, T scale) const {
    const int64_t kept = std::min(n, F_);
    for (int64_t j = 0; j < kept; ++j)
      for (int64_t i = 0; i < count; ++i) y[j * stride + i * next] = scale * signal(i)[j];
    for (int64_t j = kept; j < n; ++j)
      for (int64_t i = 0; i < count; ++i) y[j * stride + i * next] = T(0);
  }
  // Before c2r: bins 0 and F/2 of a real signal have no imaginary part.
  void make_end_bins_real(int64_t i) {
    spectrum(i)[0].im = 0;
    if (F_ % 2 == 0) spectrum(i)[F_ / 2].im = 0;
  }

 private:
  static int64_t aligned(int64_t count, int64_t size) {
    return (count * size + 63) / 64 * 64 / size;
  }
  int64_t F_, signal_stride_, spectrum_stride_;
  Scratch<T> signals_;
  Scratch<Complex<T>> spectra_;
  Scratch<T> work_;
};

}  // namespace skiff::fft
