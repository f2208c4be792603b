// The CPU engine of SKI: a short convolution per channel with an interpolated part added in the
// same pass over memory, and the small Toeplitz products between knots. Everything here is one sum,
//   out[o] += sum_t tap[t] window[o + t],
// with registers of channels, a tile of outputs held in registers (short_conv_cpu.cpp).
//
// Tensors lie along `axis` as (outer, n, inner); c is (K, D), k is (2r, D), D dividing inner, channel
// = inner index mod D. Inputs are checked by the ops. Results do not depend on the number of threads.
#pragma once

#include <utility>

#include "core/tensor.h"

namespace skiff {

struct Lags {  // tap q reads position i + s q + o, s = 1 or -1
  int64_t s, o;
  Lags reversed() const { return {-s, -o}; }
};

// y[i] = sum_q c[q] x[i + s q + o] + (W s)[i];  knots s (.., r, ..), or empty for none
Tensor cpu_short_conv(const Tensor& x, const Tensor& c, Lags lags, int64_t axis,
                      const Tensor& knots = {});

// The adjoint, one pass over gy and x. A gradient that is not needed comes back empty.
//   gx[j] = sum_q c[q] gy[j - s q - o] + (W u)[j];  knots u (.., r, ..), or empty for none
//   gc[q] = sum over the batch and i of gy[i] x[i + s q + o]
std::pair<Tensor, Tensor> cpu_short_conv_backward(const Tensor& x, const Tensor& c,
                                                  const Tensor& gy, Lags lags, int64_t axis,
                                                  const Tensor& knots, bool need_x, bool need_c);

// s[p] = sum_q k[p - q] z[q], transposed: u[q] = sum_p k[p - q] h[p];  (.., r, ..) -> (.., r, ..)
// Lag l >= 0 stands in row l of k, lag -l in row 2r - l; row r is no lag.
Tensor cpu_knot_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed);

// gk[l] = sum over the batch and p - q = l of h[p] z[q];  row r is 0  -> (2r, D)
Tensor cpu_knot_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis);

}  // namespace skiff
