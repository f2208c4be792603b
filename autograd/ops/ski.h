// Structured kernel interpolation: a long convolution through r inducing points, spread evenly over
// the n positions of a sequence with the ends aligned.
#pragma once

#include <vector>

#include "autograd/ops/sequence.h"
#include "autograd/tape.h"

namespace skiff {

// How the n x r interpolation matrix W is made. `published` is what the released code computes,
// kept for comparison only.
struct InterpolationMatrix {
  int64_t n, r;
  bool published = false;
  double gamma = 1;  // published: row i is scaled by gamma^(n i n/(n-1))
};
Variable interpolate(const Variable& s, const InterpolationMatrix& W, int64_t axis = -2);  // W s
Variable interpolate_adjoint(const Variable& x, const InterpolationMatrix& W,
                             int64_t axis = -2);  // W^T x

// y = conv1d(x, c) + W A W^T x, bidirectional, in one pass;  x (.., n, ..), filter c (K, D), W
// n x r and exact, A z = toeplitz(k, z) with the kernel k (2r, D) as there.
Variable ski(const Variable& x, const Variable& c, const Variable& k, int64_t axis = -2);

// k[l] = the table V read at warped lag l, linearly between its entries; base^|l| is 1 at lag 0 and
// falls to 0 far away. V (2r+1, D) = [lags < 0 | 0 | lags >= 0]: read at r (1 + sign base^|l|).
// Causal: V (r+1, D) = [0 | lags >= 0], read at r base^l. -> (number of lags, D)
Variable warped_kernel(const Variable& V, const std::vector<double>& lags, double base,
                       Direction direction);

}  // namespace skiff
