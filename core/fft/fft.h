// core/fft: real FFTs along any axis, of any length F (odd, too), F/2 + 1 bins.
#pragma once

#include <string>

#include "core/tensor.h"

namespace skiff::fft {

// X[k] = sum_{j < n} x[j] e^(-2 pi i jk/F), k = 0 .. F/2: x zero-padded or cut to F; unnormalised.
// x real (.., n, ..) -> complex (.., F/2 + 1, ..)
Tensor r2c(const Tensor& x, int64_t F, int64_t axis);

// x[j] = sum_{all k < F} X[k] e^(2 pi i jk/F), j < n, where bin F-k is the conjugate of bin k: the
// unnormalised inverse, its first n samples, zeros beyond F. The imaginary parts of bins 0 and F/2
// are ignored. X complex (.., F/2 + 1, ..) -> real (.., n, ..)
Tensor c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);

// Smallest power of two >= n: the length at which every transform here is fastest.
int64_t fast_length(int64_t n);

std::string description();  // "fftw-3.3.10-sse2-avx" or "builtin": what serves any length

// Implementations; they check no arguments. lanes_*: powers of two from 32 and at least 12 channels
// (with fewer, most lanes of a register would be idle). any_length_*: FFTW, or the builtin
// transforms in a build with FFT=builtin. cuda_*: on a GPU.
bool use_lanes(int64_t F, int64_t channels);
Tensor lanes_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor lanes_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);
// c2r, a weight on every sample, and r2c, in one walk over memory: out = b r2c(w c2r(a in)).
// `in` (.., F/2 + 1, ..) is complex, or real where all imaginary parts are 0. w has the weights of
// the first samples, at most F; further samples become 0. The result has the shape of `in`, and is
// complex or, with `real`, its real part. a and b scale bins.
struct BinScale {
  double ends = 1, others = 1;  // bins 0 and F/2; all between
};
Tensor lanes_weighted(const Tensor& in, BinScale a, const Tensor& w, BinScale b, bool real,
                      int64_t F, int64_t axis);
Tensor any_length_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor any_length_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);
Tensor cuda_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor cuda_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);

}  // namespace skiff::fft
