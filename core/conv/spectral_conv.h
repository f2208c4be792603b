// The product of a spectrum S with that of a signal, in one pass over memory: the work of every
// Toeplitz operator here. S is (F/2 + 1, D); the channel of an element of x is its inner index mod
// D.
#pragma once

#include <memory>
#include <utility>

#include "core/tensor.h"

namespace skiff {

namespace lanes {
template <class T>
struct Plan;
}

// y = irfft(S rfft(x, F), F), its first n samples; x (.., n, ..) along `axis`, n <= F.
Tensor spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis);

// With X, G the spectra of x and gy (both zero-padded to F):
//   gx = irfft(conj(S) G), its first n samples;
//   gS = (c / F) sum over batch of conj(X) G;   c[k] = 1 for k = 0 and 2k = F, else 2.
// A gradient that is not needed is an empty tensor.
std::pair<Tensor, Tensor> spectral_conv_backward(const Tensor& x, const Tensor& S, const Tensor& gy,
                                                 int64_t F, int64_t axis, bool need_x, bool need_S);

// The same product with one spectrum, again and again, on rows that a caller keeps: without
// checks, without memory of its own per call, a block of channels at a time, so that callers
// divide the work. Float and double, on the CPU.
template <class T>
class FixedSpectrum {
 public:
  FixedSpectrum() = default;
  // S complex (F/2 + 1, D); F a power of two from 32 on.
  FixedSpectrum(const Tensor& S, int64_t F);

  int64_t blocks() const { return blocks_; }  // of the D channels, independent of each other
  int64_t bytes() const { return slots_.bytes(); }
  int64_t width() const;                   // most channels of a block
  int64_t scratch_bytes(int64_t n) const;  // of a call for n result rows, aligned to 64
  // The first ny rows of irfft(S rfft(x, F), F) for x (nx, D), nx and ny at most F, and one block:
  // (ny, width()) somewhere in scratch.
  const T* product(int64_t block, const T* x, int64_t nx, int64_t ny, void* scratch) const;
  // y (n, D) += the first n rows of that product, for x (n, D).
  void add(int64_t block, const T* x, T* y, int64_t n, void* scratch) const;
  // y (D) += one row of a product, the channels of the block.
  void add_row(int64_t block, const T* product, T* y) const;

 private:
  int64_t D_ = 0, blocks_ = 0;
  std::shared_ptr<const lanes::Plan<T>> plan_;
  Tensor slots_;  // the spectrum in the order of the walk (fft_lanes.h)
};

// Implementations; they check no arguments. lanes_*: where fft::use_lanes says so. any_length_*: by
// the transforms of core/fft/signals.h. cuda_*: on a GPU.
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
