// core/conv: convolutions along an axis that autograd/ops are made of, one implementation per
// device.
//
// The parts of the SKI operator; autograd/ops/ski/ski.cpp has the derivation and the checks.
//
// A tensor is (outer, n, inner) along `axis`, or (outer, r, inner) with a value per inducing point.
// The filter c is (K, D), K odd, m = (K-1)/2; the kernel k between inducing points is (2r, D). D
// divides inner, and the channel of an element is its inner index mod D. W is the n x r matrix of
// linear interpolation. Results do not depend on the number of threads.
#pragma once

#include <array>
#include <utility>

#include "core/tensor.h"

namespace skiff::ski_parts {

// y[i] = sum_q c[q] x[i + q - m] + (W s)[i],  x = 0 outside 0 .. n-1
Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis);

// One pass over gy and x. A gradient that is not needed is an empty tensor.
//   gx[j] = sum_q c[q] gy[j - q + m] + (W u)[j]
//   gc[q] = sum over the batch and i of gy[i] x[i + q - m]
std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c);

// s[p] = sum_q k[p - q] z[q]; transposed: u[q] = sum_p k[p - q] h[p]. Row l of k has lag l >= 0,
// and row 2r - l has lag -l; row r has none.
Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed);

// gk[l] = sum over the batch and p - q = l of h[p] z[q], 0 in row r  -> (2r, D)
Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis);

// On a CPU a short sequence, such as the row of an image, fits a cache with its inducing points.
// Then the whole op is a pass over x, and its backward one over x and gy.
bool is_short(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis);

}  // namespace skiff::ski_parts

// Implementations per device. Arguments are checked by the op.
namespace skiff::ski_cpu {
Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis);
std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c);
Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed);
Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis);
// Where is_short: y; and the gradients of x, c and k, empty where they are not needed.
Tensor short_forward(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis);
std::array<Tensor, 3> short_backward(const Tensor& x, const Tensor& c, const Tensor& k,
                                     const Tensor& gy, int64_t axis, bool need_x, bool need_c,
                                     bool need_k);
}  // namespace skiff::ski_cpu
namespace skiff::ski_cuda {
Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis);
std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c);
Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed);
Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis);
// z = W^T x: (.., n, ..) -> (.., r, ..)
Tensor sum_to_points(const Tensor& x, int64_t r, int64_t axis);
}  // namespace skiff::ski_cuda
