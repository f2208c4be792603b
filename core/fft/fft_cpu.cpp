#include "core/fft/fft.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>

#include "core/fft/fftw.h"
#include "core/parallel.h"
#include "core/per_thread.h"

namespace skiff {
namespace fftw {
namespace {

int64_t aligned(int64_t elements, int64_t size) { return (elements * size + 63) / 64 * 64 / size; }

Plans<float> make_plans(int64_t F, float* x, Complex<float>* X) {
  auto* Z = reinterpret_cast<fftwf_complex*>(X);
  return {fftwf_plan_dft_r2c_1d(int(F), x, Z, FFTW_ESTIMATE),
          fftwf_plan_dft_c2r_1d(int(F), Z, x, FFTW_ESTIMATE | FFTW_DESTROY_INPUT)};
}
Plans<double> make_plans(int64_t F, double* x, Complex<double>* X) {
  auto* Z = reinterpret_cast<fftw_complex*>(X);
  return {fftw_plan_dft_r2c_1d(int(F), x, Z, FFTW_ESTIMATE),
          fftw_plan_dft_c2r_1d(int(F), Z, x, FFTW_ESTIMATE | FFTW_DESTROY_INPUT)};
}

void destroy(Plans<float>& p) {
  fftwf_destroy_plan(p.forward);
  fftwf_destroy_plan(p.inverse);
}
void destroy(Plans<double>& p) {
  fftw_destroy_plan(p.forward);
  fftw_destroy_plan(p.inverse);
}

template <class T>
struct PlanCache {
  std::mutex mutex;
  std::map<int64_t, Plans<T>> plans;
  ~PlanCache() {
    for (auto& [F, p] : plans) destroy(p);
  }
};

}  // namespace

template <class T>
Plans<T> plans(int64_t F) {
  check(F >= 1 && F <= int64_t(1) << 30, "fft: lengths from 1 to 2^30 are supported, got ", F);
  static PlanCache<T> cache;
  const std::lock_guard lock(cache.mutex);
  const auto found = cache.plans.find(F);
  if (found != cache.plans.end()) return found->second;
  Scratch<T> scratch(F);
  const Plans<T> made = make_plans(F, scratch.signal(0), scratch.spectrum(0));
  check(made.forward && made.inverse, "fft: FFTW made no plan for length ", F);
  return cache.plans[F] = made;
}
template Plans<float> plans<float>(int64_t);
template Plans<double> plans<double>(int64_t);

template <class T>
Scratch<T>::Scratch(int64_t F)
    : signal_stride_(aligned(F, sizeof(T))),
      spectrum_stride_(aligned(F / 2 + 1, sizeof(Complex<T>))),
      signals_({kLanes * signal_stride_}, DTypeOf<T>::value),
      spectra_({kLanes * spectrum_stride_}, DTypeOf<Complex<T>>::value) {}
template class Scratch<float>;
template class Scratch<double>;

}  // namespace fftw

namespace fft {
namespace {

// Runs body(scratch, outer index, first channel, channels) over all blocks of channels.
template <class T, class Body>
void for_channel_blocks(AxisView v, int64_t F, const Body& body) {
  const int64_t per_outer = (v.inner + fftw::kLanes - 1) / fftw::kLanes;
  const int64_t blocks = v.outer * per_outer;
  const bool parallel = blocks > 1 && v.outer * v.inner * F >= kParallelGrain;
  PerThread<fftw::Scratch<T>> scratches(parallel, F);
#pragma omp parallel if (parallel)
  {
    fftw::Scratch<T>& scratch = scratches.mine();
#pragma omp for schedule(static)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b % per_outer * fftw::kLanes;
      body(scratch, b / per_outer, first, std::min(fftw::kLanes, v.inner - first));
    }
  }
}

template <class T>
void cpu_r2c(const Tensor& x, Tensor& X, int64_t F, int64_t axis) {
  const fftw::Plans<T> plans = fftw::plans<T>(F);
  const AxisView v = axis_view(x, axis);
  const int64_t bins = F / 2 + 1;
  const T* in = x.data<T>();
  Complex<T>* out = X.data<Complex<T>>();
  for_channel_blocks<T>(v, F, [&](fftw::Scratch<T>& s, int64_t o, int64_t first, int64_t lanes) {
    fftw::gather(s, in + o * v.n * v.inner + first, v.n, v.inner, lanes, F);
    for (int64_t lane = 0; lane < lanes; ++lane)
      fftw::Api<T>::r2c(plans.forward, s.signal(lane), s.spectrum(lane));
    Complex<T>* to = out + o * bins * v.inner + first;
    for (int64_t k = 0; k < bins; ++k)
      for (int64_t lane = 0; lane < lanes; ++lane) to[k * v.inner + lane] = s.spectrum(lane)[k];
  });
}

template <class T>
void cpu_c2r(const Tensor& X, Tensor& x, int64_t F, int64_t axis, int64_t n) {
  const fftw::Plans<T> plans = fftw::plans<T>(F);
  const AxisView v = axis_view(X, axis);
  const Complex<T>* in = X.data<Complex<T>>();
  T* out = x.data<T>();
  for_channel_blocks<T>(v, F, [&](fftw::Scratch<T>& s, int64_t o, int64_t first, int64_t lanes) {
    const Complex<T>* from = in + o * v.n * v.inner + first;
    for (int64_t k = 0; k < v.n; ++k)
      for (int64_t lane = 0; lane < lanes; ++lane) s.spectrum(lane)[k] = from[k * v.inner + lane];
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Complex<T>* Z = s.spectrum(lane);
      Z[0].im = 0;
      if (F % 2 == 0) Z[F / 2].im = 0;
      fftw::Api<T>::c2r(plans.inverse, Z, s.signal(lane));
    }
    fftw::scatter(s, out + o * n * v.inner + first, n, v.inner, lanes, F, T(1));
  });
}

}  // namespace

int64_t fast_length(int64_t n) { return int64_t(std::bit_ceil(uint64_t(n < 1 ? 1 : n))); }

Tensor fftw_r2c(const Tensor& x, int64_t F, int64_t axis) {
  Tensor X(x.shape().with(axis, F / 2 + 1), complex_type(x.dtype()));
  dispatch(x, [&]<class T> { cpu_r2c<T>(x, X, F, axis); });
  return X;
}

Tensor fftw_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  Tensor x(X.shape().with(axis, n), real_part_type(X.dtype()));
  dispatch(X, [&]<class T> { cpu_c2r<T>(X, x, F, axis, n); });
  return x;
}

Tensor r2c(const Tensor& x, int64_t F, int64_t axis) {
  check(x.is_real(), "r2c: x must be real, got ", x);
  check(F >= 1 && F <= int64_t(1) << 30, "r2c: F must be at least 1 and at most 2^30, got ", F);
  if (x.device() == Device::CUDA) return cuda_r2c(x, F, axis);
  return use_lanes(F, axis_view(x, axis).inner) ? lanes_r2c(x, F, axis) : fftw_r2c(x, F, axis);
}

Tensor c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  check(X.is_complex(), "c2r: X must be complex, got ", X);
  check(F >= 1 && X.size(axis) == F / 2 + 1, "c2r: a transform of length ", F, " needs ", F / 2 + 1,
        " bins, got ", X.size(axis), " in ", X);
  if (X.device() == Device::CUDA) return cuda_c2r(X, F, axis, n);
  return use_lanes(F, axis_view(X, axis).inner) ? lanes_c2r(X, F, axis, n)
                                                : fftw_c2r(X, F, axis, n);
}

}  // namespace fft
}  // namespace skiff
