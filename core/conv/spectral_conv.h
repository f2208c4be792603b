// The product of a spectrum with a signal's, in one pass over memory: the work of every Toeplitz
// operator here. Channel of an element: its inner index mod D, where S is (F/2 + 1, D).
#pragma once

#include <utility>

#include "core/tensor.h"

namespace skiff {

// y = irfft(S rfft(x, F), F), its first n samples; x (.., n, ..) along `axis`, n <= F.
Tensor spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis);

// With X, G the spectra of x and gy (both zero-padded to F):
//   gx = irfft(conj(S) G), its first n samples;
//   gS = (c / F) sum over batch of conj(X) G;   c[k] = 1 for k = 0 and 2k = F, else 2.
// A gradient that is not needed comes back empty.
std::pair<Tensor, Tensor> spectral_conv_backward(const Tensor& x, const Tensor& S, const Tensor& gy,
                                                 int64_t F, int64_t axis, bool need_x, bool need_S);

// The forms behind the two functions; they check nothing. The CPU's own for the lengths of
// fft::use_lanes, FFTW's for every length, CUDA's.
Tensor lanes_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis);
std::pair<Tensor, Tensor> lanes_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                       const Tensor& gy, int64_t F, int64_t axis,
                                                       bool need_x, bool need_S);
Tensor any_length_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis);
std::pair<Tensor, Tensor> any_length_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                            const Tensor& gy, int64_t F,
                                                            int64_t axis, bool need_x, bool need_S);
Tensor cuda_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis);
std::pair<Tensor, Tensor> cuda_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                      const Tensor& gy, int64_t F, int64_t axis,
                                                      bool need_x, bool need_S);

}  // namespace skiff
