// Every public op: formula and shapes. The derivation of each gradient stands in ops/<op>.cpp.
//
// Shapes: B batch, n sequence, D channels. "b a suffix": b's shape must be the end of a's, and b is
// repeated over a's leading axes. "along axis": x is (.., n, .., d) with n at `axis`; kernels and
// spectra are (n_k, D) with D dividing what stands inside the axis, channel = inner index mod D.
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/tape.h"

namespace skiff {

// ---- arithmetic: b a suffix of a, or a single number ----
Variable add(const Variable& a, const Variable& b);           // a + b
Variable sub(const Variable& a, const Variable& b);           // a - b
Variable mul(const Variable& a, const Variable& b);           // a b, real
Variable div(const Variable& a, const Variable& b);           // a / b, real
Variable scale(const Variable& x, double s);                  // s x
Variable complex_mul(const Variable& a, const Variable& b);   // a b, complex; b a suffix
Variable to_complex(const Variable& re, const Variable& im);  // re + i im; same real shapes

inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
inline Variable operator*(double s, const Variable& x) { return scale(x, s); }

// ---- matrices ----
// y = x W^T + b;  x (.., in), W (out, in), b (out) or empty -> (.., out)
Variable linear(const Variable& x, const Variable& W, const Variable& b = {});
// y = (k silu(a) b) W^T + bias, k the mask of dropout (below);  a b (.., in), W (out, in), bias
// (out)
struct DropoutMask;
Variable gated_linear(const Variable& a, const Variable& b, const Variable& W, const Variable& bias,
                      const DropoutMask& mask);
// The whole gated linear unit, y = (k silu(x W1^T + b1) (x W2^T + b2)) W3^T + b3;
// x (.., in), W1 and W2 (inner, in), W3 (out, inner), a bias for each -> (.., out)
struct GatedUnitWeights {
  Variable W1, b1, W2, b2, W3, b3;
};
Variable gated_linear_unit(const Variable& x, const GatedUnitWeights& weights,
                           const DropoutMask& mask);
// op(a) op(b) for each leading index; a (.., m, k), b (.., k, n) with a's leading sizes, or (k, n)
// for all of them; a transposed operand is stored (k, m) or (n, k)
Variable matmul(const Variable& a, const Variable& b, bool transpose_a = false,
                bool transpose_b = false);

// ---- reductions ----
Variable sum(const Variable& x);                // all elements -> ()
Variable sum(const Variable& x, int64_t axis);  // the axis disappears
Variable mean(const Variable& x);
Variable mean(const Variable& x, int64_t axis);
// y[b] = 1/l_b sum_{i < l_b} x[b, i];  x (B, n, D), lengths int32 (B), 1 <= l_b <= n -> (B, D)
Variable mean_over_length(const Variable& x, const Tensor& lengths);
Variable last_position(const Variable& x);  // x[b, n-1];  (B, n, D) -> (B, D)
// y[b, i] = x[b, i] for i < l_b, otherwise 0;  x (B, n, D), lengths int32 (B)
Variable mask_positions(const Variable& x, const Tensor& lengths);

// ---- shape ----
Variable reshape(const Variable& x, const Shape& shape);                      // a view
Variable slice(const Variable& x, int64_t axis, int64_t begin, int64_t end);  // begin .. end-1
Variable concat(const std::vector<Variable>& parts, int64_t axis);
Variable transpose(const Variable& x, int64_t axis_a, int64_t axis_b);  // a copy

// ---- elementwise ----
Variable relu(const Variable& x);
Variable silu(const Variable& x);  // x sigmoid(x)
Variable gelu(const Variable& x);  // x (1 + erf(x / sqrt 2)) / 2
Variable sigmoid(const Variable& x);
Variable tanh(const Variable& x);
Variable exp(const Variable& x);
Variable elu(const Variable& x);  // x for x > 0, e^x - 1 otherwise
// k x, k = 0 with probability `rate` (to 2^-16), else 1 / (1 - rate): a function of (seed, step,
// call) alone
struct DropoutMask {
  double rate = 0;
  uint64_t seed = 0, step = 0, call = 0;
};
Variable dropout(const Variable& x, const DropoutMask& mask);

// ---- rows: over the last axis, width d ----
Variable softmax(const Variable& x);
// mean over the rows of logsumexp(x) - x[label];  x (B, C), labels int32 (B), 0 <= label < C -> ()
Variable cross_entropy(const Variable& x, const Tensor& labels);
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    double eps = 1e-5);                          // biased variance
Variable simple_rms_norm(const Variable& x, double eps = 1e-8);  // x / (|x| / sqrt d + eps)
Variable rms_norm(const Variable& x, const Variable& scale, double eps = 1e-8);

// ---- channels: statistics over all leading axes; x (.., D), the rest (D) ----
// Training: normalises with the batch's mean and biased variance, and moves the running ones in
// place: running += momentum (batch - running), the variance unbiased.
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    const Tensor& running_mean, const Tensor& running_var, bool training,
                    double momentum = 0.1, double eps = 1e-5);

// y[.., :] = weight[ids[..], :];  ids int32 (..), weight (V, D) -> (.., D)
Variable embedding(const Tensor& ids, const Variable& weight);

// ---- transforms along an axis (the reason for this project) ----
// X[k] = sum_j x[j] e^(-2 pi i jk/F), k = 0 .. F/2; x zero-padded or cut to F -> (.., F/2+1, ..)
Variable rfft(const Variable& x, int64_t F, int64_t axis = -2);
// x[j] = 1/F sum_{k < F} X[k] e^(2 pi i jk/F), j < F; the imaginary parts of bins 0 and F/2 (F
// even) are ignored -> (.., F, ..)
Variable irfft(const Variable& X, int64_t F, int64_t axis = -2);

// The spectrum whose real part is R and whose signal is causal: its imaginary part is the discrete
// Hilbert transform of R. R real (.., F/2+1, ..) -> complex, same sizes.
// `published` doubles sample F/2 too, as the released code of arXiv 2305.09028 does (with it the
// real part is then R + (-1)^k e[F/2]); no operator with n <= F/2 can see the difference.
Variable hilbert(const Variable& R, int64_t F, int64_t axis = -2, bool published = false);

// y = irfft(S rfft(x, F), F), its first n samples;  x (.., n, ..), S complex (F/2+1, D), n <= F
Variable spectral_conv(const Variable& x, const Variable& S, int64_t F, int64_t axis = -2);

// y[i] = sum_j t[i-j] x[j];  x (.., n, ..).
// Bidirectional: t (2n, D), lag l >= 0 at row l, lag -l at row 2n - l; row n is not used.
// Causal: t (n, D), lag l at row l, and t[l] = 0 for l < 0.
Variable toeplitz(const Variable& t, const Variable& x, bool causal, int64_t axis = -2);

// Depthwise convolution, zeros outside; x (.., n, ..), c (K, D).
// Centred: y[i] = sum_q c[q] x[i + q - (K-1)/2], K odd. Causal: y[i] = sum_q c[q] x[i - q].
Variable conv1d(const Variable& x, const Variable& c, bool causal, int64_t axis = -2);

// How the n x r interpolation matrix W of SKI is made. `published` is what the released code
// computes, kept for comparison only.
struct InterpolationMatrix {
  int64_t n, r;
  bool published = false;
  double gamma = 1;  // published: row i is scaled by gamma^(n i n/(n-1))
};
Variable interpolate(const Variable& s, const InterpolationMatrix& W, int64_t axis = -2);  // W s
Variable interpolate_adjoint(const Variable& x, const InterpolationMatrix& W,
                             int64_t axis = -2);  // W^T x

// y = conv1d(x, c) + W A W^T x, centred, in one pass;  x (.., n, ..), c (K, D), W n x r and exact,
// A z = toeplitz(k, z) with k (2r, D) as there.
Variable ski(const Variable& x, const Variable& c, const Variable& k, int64_t axis = -2);

// k[l] = the table V read at warped lag l, linearly between its nodes; base^|l| is 1 at lag 0 and
// falls to 0 far away. V (2r+1, D) = [lags < 0 | 0 | lags >= 0]: read at r (1 + sign base^|l|).
// Causal: V (r+1, D) = [0 | lags >= 0], read at r base^l. -> (number of lags, D)
Variable warped_kernel(const Variable& V, const std::vector<double>& lags, double base,
                       bool causal);

// x (.., n, ..) read linearly at m equally spaced places -> (.., m, ..). AlignedEnds: the first and
// last places are the first and last elements. HalfPixel: place i is max((i + 1/2) n/m - 1/2, 0).
enum class Resize { AlignedEnds, HalfPixel };
Variable linear_resize(const Variable& x, int64_t m, Resize mode, int64_t axis = -2);

// y[l, d] = gamma[d]^exponents[l];  gamma (D), 0 <= gamma <= 1, exponents >= 0 -> (L, D)
Variable powers(const Variable& gamma, const std::vector<double>& exponents);

}  // namespace skiff
