// Maps of sequences, all of them linear but attention. Along an axis: x is (.., n, .., d) with n at
// `axis`. A kernel is (K, D) with D dividing the number of elements inside the axis; its channel is
// the inner index mod D.
#pragma once

#include "autograd/tape.h"

namespace skiff {

enum class Direction { Causal, Bidirectional };

// y[i] = sum_j t[i-j] x[j];  x (.., n, ..).
// Bidirectional: t (2n, D), lag l >= 0 at row l, lag -l at row 2n - l; row n is not used.
// Causal: t (n, D), lag l at row l, and t[l] = 0 for l < 0.
Variable toeplitz(const Variable& t, const Variable& x, Direction direction, int64_t axis = -2);

// Depthwise convolution, zeros outside; x (.., n, ..), c (K, D).
// Bidirectional: y[i] = sum_q c[q] x[i + q - (K-1)/2], K odd. Causal: y[i] = sum_q c[q] x[i - q].
Variable conv1d(const Variable& x, const Variable& c, Direction direction, int64_t axis = -2);

// x (.., n, ..) read linearly at m equally spaced places -> (.., m, ..). AlignedEnds: the first and
// last places are the ends of x. HalfPixel: place i is (i + 1/2) n/m - 1/2, kept within 0 .. n-1.
enum class Resize { AlignedEnds, HalfPixel };
Variable linear_resize(const Variable& x, int64_t m, Resize mode, int64_t axis = -2);

// Turns the pair of channels (i, i + width/2) of each head by p base^(-2i/width) at position p;
// x (.., n, d), heads of `width` channels side by side. The last channel of an odd width stays.
Variable rotary(const Variable& x, int64_t width, double base = 10000);

// softmax(q k^T / sqrt(d / heads)) v for each head, d / heads channels side by side; q, k, v and
// the result (B, n, d). Causal: row i sees the keys up to i. lengths int32 (B): keys from that
// position on are hidden from every row; left empty, no key is. A length below 1 counts as 1.
// The weights (B, heads, n, n) never exist together (FlashAttention, arXiv 2205.14135).
Variable attention(const Variable& q, const Variable& k, const Variable& v, int64_t heads,
                   Direction direction, const Tensor& lengths = {});

}  // namespace skiff
