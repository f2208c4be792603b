// Spectra in cuFFT's layout, for products that need no other one.
#pragma once

#include "core/fft/fft.h"

namespace skiff::fft {

// The place of bin k of signal (o, i): in rows (o, k) when inner = 1, else in columns (k, o, i).
struct SpectraIndex {
  int64_t outer, bins, inner, last;  // last: F/2 for an even F, else 0
  SKIFF_HOST_DEVICE int64_t at(int64_t o, int64_t k, int64_t i) const {
    return inner == 1 ? o * bins + k : (k * outer + o) * inner + i;
  }
  SKIFF_HOST_DEVICE bool is_end(int64_t k) const { return k == 0 || k == last; }
};

struct Spectra {
  int64_t F, outer, inner;
  Tensor bins;  // all of them
  Spectra(DType dtype, AxisView v, int64_t F);
  bool columns() const { return inner > 1; }
  bool rearranged() const { return outer > 1 && inner > 1; }  // not (outer, bins, inner)
  SpectraIndex index() const { return {outer, F / 2 + 1, inner, F % 2 == 0 ? F / 2 : 0}; }
};

// Of x along an axis, zero-padded or cut to F.
Spectra cuda_spectra(const Tensor& x, int64_t F, int64_t axis);

// The first n samples of the unnormalised inverse, into x (.., n, ..); X is destroyed. The
// imaginary parts of bins 0 and F/2 must be 0.
void cuda_signals(Spectra X, Tensor& x, int64_t n);

}  // namespace skiff::fft
