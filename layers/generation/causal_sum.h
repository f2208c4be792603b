// layers/generation: what writes text with a trained model, token by token. Nothing here has a
// gradient or a tape. The sums over earlier positions are here, each in its own file; what calls
// them for a whole model is generator.h.
//
// CausalSum: the product of a causal Toeplitz kernel of M lags with inputs that arrive one at a
// time. For each channel
//
//   y[i] = sum_{l = 0}^{min(i, M-1)} t[l] x[i-l]
//
// and x[i+1] may depend on y[i]. The kernel is fixed before the first input: kernels of fd and ski
// change with the length.
//
//   way      flop per input and channel     numbers per channel  exact
//                                           (about)
//   dense    2 M                            2 M                  yes
//   online   2.5 log2(N)^2 + 15.5 log2 N    5 M to 13 M          yes (online_sum.cpp), N = min(M,
//            + 16, 20 log2(4V) per far level                     near), levels V = N/2, N, .. < M/2
//   prefix   7 r + 2 m                      2 M to 4 M           yes, causal SKI (prefix_sum.cpp)
//   states   2 m + 2 s^2 + 4 s              3 m + s^2 + 4 s      no; the error is known
//   etsc     5.5 M                          M                    yes, for lags < M (etsc_sum.cpp)
#pragma once

#include <cstdint>
#include <memory>

#include "core/tensor.h"

namespace skiff {

struct LinearPieces;  // layers/operators/ski_tno.h

template <class T>
class CausalSum {
 public:
  virtual ~CausalSum() = default;

  // y[i] of the next input; x, y (channels), which must not overlap. Then between_steps() must run
  // for every part before the next call.
  virtual void step(const T* x, T* y) = 0;
  // The next inputs, (n, channels), when their outputs are known from elsewhere: leaves what n
  // steps would leave, up to rounding.
  virtual void take(const T* x, int64_t n) = 0;

  // What a step leaves to be done until the next one, in parts that may run at the same time.
  virtual int64_t parts() const { return 0; }
  virtual int64_t work() const { return 0; }  // of all parts together, in multiply-adds, roughly
  virtual void between_steps(int64_t /*part*/, void* /*scratch*/) {}
  virtual int64_t scratch_bytes() const { return 0; }  // of one part, aligned to 64

  virtual std::unique_ptr<CausalSum> copy() const = 0;  // shares the kernel only
  virtual void reset() = 0;                             // to before the first input
  virtual int64_t bytes() const = 0;                    // of the state, without the kernel
};

template <class T>
using CausalSumPtr = std::unique_ptr<CausalSum<T>>;

// kernel: (M, channels) of type T, on the CPU. The last M inputs, and a sum over them, older inputs
// first.
template <class T>
CausalSumPtr<T> dense_sum(const Tensor& kernel);

// Exact in O(log^2 M) per input. Blocks and tiles are powers of two; tiles up to `direct` inputs
// are summed, larger ones transformed. What inputs do at lags from `near` on, a power of two, is
// computed ahead of time: after a step one group of channels, as a rule, so the longest step grows
// like M log M / channels. With near >= M and direct >= M and block the result has the
// bits of dense_sum.
struct OnlineOptions {
  int64_t block = 16, direct = 32, near = 1024;
};
template <class T>
CausalSumPtr<T> online_sum(const Tensor& kernel, const OnlineOptions& o = {});

// Causal SKI: exact in O(r + m) per input, at any length.
template <class T>
CausalSumPtr<T> prefix_sum(const LinearPieces& kernel);

// The first lags as they are, and s states for the others (float64, state_kernel.cpp):
//   z[i] = A z[i-1] + b x[i-m],   y[i] = sum_{l < m} t[l] x[i-l] + c z[i]
struct StateKernel {
  Tensor exact;    // (m, channels)
  Tensor A, b, c;  // (s, s, channels), (s, channels), (s, channels)
  // Per channel sum_l |t[l] - what the states make of it|, beyond the kernel, too: an output is
  // wrong by at most this times the largest input.
  Tensor error;   // (channels)
  Tensor hankel;  // (s, channels): the largest Hankel singular values, falling
};
// Balanced truncation of kernel (M, channels), any real type.
StateKernel state_kernel(const Tensor& kernel, int64_t exact, int64_t states);
// Lags 0 .. lags-1 of it, (lags, channels).
Tensor kernel_of(const StateKernel& states, int64_t lags);
template <class T>
CausalSumPtr<T> state_sum(const StateKernel& kernel);

// Every kernel as a sum of M decaying rotations: exact for lags < M, and periodic up to the decay
// beyond. For teaching; not faster than dense_sum.
template <class T>
CausalSumPtr<T> etsc_sum(const Tensor& kernel, double gamma);

}  // namespace skiff
