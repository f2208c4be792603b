// Real FFTs along any axis, of any length F (odd too), F/2 + 1 bins.
#pragma once

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

// The forms behind r2c and c2r; they check nothing. The CPU's own, FFTW's for every length, CUDA's.
// The own serves powers of two from 32; with fewer than 12 channels its vectors are too empty to
// pay.
bool use_lanes(int64_t F, int64_t channels);
Tensor lanes_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor lanes_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);
Tensor fftw_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor fftw_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);
Tensor cuda_r2c(const Tensor& x, int64_t F, int64_t axis);
Tensor cuda_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n);

}  // namespace skiff::fft
