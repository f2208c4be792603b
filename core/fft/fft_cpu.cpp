// r2c and c2r: the checks, which implementation computes, and the one for any length.
#include <bit>

#include "core/channel_blocks.h"
#include "core/fft/fft.h"
#include "core/fft/signals.h"
#include "core/parallel.h"

namespace skiff::fft {
namespace {

// The signals of a tensor (outer, n, inner) by number: where the first value of one is, and how far
// from it the first of the next one.
struct SignalIndex {
  int64_t n, inner;
  int64_t first(int64_t signal) const { return signal / inner * n * inner + signal % inner; }
  int64_t next() const { return inner == 1 ? n : 1; }
};

// body(signals, number of the first one, count) for all signals, some neighbours at a time.
template <class T, class Body>
void for_each_block(const Transform<T>& t, AxisView v, const Body& body) {
  if (v.outer * v.inner == 0) return;
  const ChannelBlocks blocks = v.inner == 1 ? ChannelBlocks({1, v.n, v.outer}, v.outer, t.batch)
                                            : ChannelBlocks(v, v.inner, kSignals);
  const int64_t tasks = blocks.rows * blocks.count;
  const bool parallel = tasks > 1 && v.outer * v.inner * t.F >= kParallelGrain;
  PerThread<Signals<T>> signals(parallel, t);
#pragma omp parallel if (parallel)
  {
    Signals<T>& mine = signals.mine();
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t row = task / blocks.count, block = task % blocks.count;
      body(mine, row * blocks.D + blocks.first(block), blocks.channels(block));
    }
  }
}

template <class T>
void r2c(const T* x, Complex<T>* X, AxisView v, int64_t F) {
  const Transform<T>& t = transform<T>(F);
  const SignalIndex of_x{v.n, v.inner}, of_X{F / 2 + 1, v.inner};
  for_each_block(t, v, [&](Signals<T>& s, int64_t signal, int64_t count) {
    s.gather(x + of_x.first(signal), v.n, v.inner, of_x.next(), count);
    for (int64_t i = 0; i < count; i += t.batch) t.r2c(s, i, std::min(t.batch, count - i));
    Complex<T>* to = X + of_X.first(signal);
    for (int64_t k = 0; k < of_X.n; ++k)
      for (int64_t i = 0; i < count; ++i) to[k * v.inner + i * of_X.next()] = s.spectrum(i)[k];
  });
}

template <class T>
void c2r(const Complex<T>* X, T* x, AxisView v, int64_t F, int64_t n) {
  const Transform<T>& t = transform<T>(F);
  const SignalIndex of_x{n, v.inner}, of_X{v.n, v.inner};
  for_each_block(t, v, [&](Signals<T>& s, int64_t signal, int64_t count) {
    const Complex<T>* from = X + of_X.first(signal);
    for (int64_t k = 0; k < v.n; ++k)
      for (int64_t i = 0; i < count; ++i) s.spectrum(i)[k] = from[k * v.inner + i * of_X.next()];
    for (int64_t i = 0; i < count; ++i) s.make_end_bins_real(i);
    for (int64_t i = 0; i < count; i += t.batch) t.c2r(s, i, std::min(t.batch, count - i));
    s.scatter(x + of_x.first(signal), n, v.inner, of_x.next(), count, T(1));
  });
}

}  // namespace

int64_t fast_length(int64_t n) { return int64_t(std::bit_ceil(uint64_t(n < 1 ? 1 : n))); }

Tensor any_length_r2c(const Tensor& x, int64_t F, int64_t axis) {
  Tensor X(x.shape().with(axis, F / 2 + 1), complex_type(x.dtype()));
  dispatch(x, [&]<class T> { r2c<T>(x.data<T>(), X.data<Complex<T>>(), axis_view(x, axis), F); });
  return X;
}

Tensor any_length_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  Tensor x(X.shape().with(axis, n), real_part_type(X.dtype()));
  dispatch(X,
           [&]<class T> { c2r<T>(X.data<Complex<T>>(), x.data<T>(), axis_view(X, axis), F, n); });
  return x;
}

Tensor r2c(const Tensor& x, int64_t F, int64_t axis) {
  check(x.is_real(), "r2c: x must be real, got ", x);
  check(F >= 1 && F <= int64_t(1) << 30, "r2c: F must be at least 1 and at most 2^30, got ", F);
  if (x.device() == Device::CUDA) return cuda_r2c(x, F, axis);
  return use_lanes(F, axis_view(x, axis).inner) ? lanes_r2c(x, F, axis)
                                                : any_length_r2c(x, F, axis);
}

Tensor c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  check(X.is_complex(), "c2r: X must be complex, got ", X);
  check(F >= 1 && X.size(axis) == F / 2 + 1, "c2r: a transform of length ", F, " needs ", F / 2 + 1,
        " bins, got ", X.size(axis), " in ", X);
  if (X.device() == Device::CUDA) return cuda_c2r(X, F, axis, n);
  return use_lanes(F, axis_view(X, axis).inner) ? lanes_c2r(X, F, axis, n)
                                                : any_length_c2r(X, F, axis, n);
}

}  // namespace skiff::fft
