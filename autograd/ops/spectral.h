// Fourier transforms along an axis and the algebra of spectra. A spectrum of a signal of length F
// is its half, bins 0 .. F/2; x is (.., n, .., d) with n at `axis`.
#pragma once

#include "autograd/tape.h"

namespace skiff {

// X[k] = sum_j x[j] e^(-2 pi i jk/F), k = 0 .. F/2; x zero-padded or cut to F -> (.., F/2+1, ..)
Variable rfft(const Variable& x, int64_t F, int64_t axis = -2);
// x[j] = 1/F sum_{k < F} X[k] e^(2 pi i jk/F), j < F, X[F-k] = conj(X[k]); the imaginary parts of
// bins 0 and F/2 (F even) are ignored -> (.., F, ..)
Variable irfft(const Variable& X, int64_t F, int64_t axis = -2);

// The spectrum whose real part is R and whose signal is causal: its imaginary part is minus the
// Hilbert transform of R (scipy's sign). R real (.., F/2+1, ..) -> complex, same sizes.
// Published doubles sample F/2 too, as the released code of arXiv 2305.09028 does (the real part
// is then R + (-1)^k e[F/2]); no operator with n <= F/2 can see the difference.
enum class CausalWindow { Exact, Published };
Variable hilbert(const Variable& R, int64_t F, int64_t axis = -2,
                 CausalWindow window = CausalWindow::Exact);

// y = irfft(S rfft(x, F), F), its first n samples;  x (.., n, ..), S complex (F/2+1, D), n <= F; D
// divides the number of elements inside the axis, channel = inner index mod D
Variable spectral_conv(const Variable& x, const Variable& S, int64_t F, int64_t axis = -2);

Variable complex_mul(const Variable& a, const Variable& b);   // a b; b's shape is the end of a's
Variable to_complex(const Variable& re, const Variable& im);  // re + i im; same real shapes

}  // namespace skiff
