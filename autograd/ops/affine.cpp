#include "autograd/ops/affine.h"

#include "core/blas.h"
#include "core/parallel.h"

namespace skiff::affine {
namespace {

template <class T>
void fill_rows(const Tensor& b, Tensor& y) {
  const int64_t out = b.size(), rows = y.size() / out;
  const T* from = b.data<T>();
  T* to = y.data<T>();
  parallel_rows(y.device(), rows, out, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * out;
    row.for_each(out, [&](int64_t j) { to[o + j] = from[j]; });
  });
}

template <class T>
void multiply(const blas::Gemm& g, const Tensor& a, const Tensor& b, Tensor& c) {
  blas::gemm(c.device(), g, a.data<T>(), b.data<T>(), c.data<T>());
}

}  // namespace

// The rows of y start as b and the product is added to them, so the bias costs no pass of its own.
Tensor map(const Tensor& x, const Tensor& W, const Tensor& b) {
  const int64_t in = W.size(1), out = W.size(0);
  Tensor y(x.shape().with(-1, out), x.dtype(), x.device());
  if (y.size() == 0) return y;
  dispatch(x, [&]<class T> {
    if (b) fill_rows<T>(b, y);
    multiply<T>(
        {.transpose_b = true, .m = y.size() / out, .n = out, .k = in, .beta = b ? 1.0 : 0.0}, x, W,
        y);
  });
  return y;
}

Tensor input_gradient(const Tensor& gy, const Tensor& W, const Shape& x_shape) {
  Tensor gx(x_shape, gy.dtype(), gy.device());
  const int64_t in = W.size(1), out = W.size(0);
  if (gx.size() > 0)
    dispatch(gy,
             [&]<class T> { multiply<T>({.m = gx.size() / in, .n = in, .k = out}, gy, W, gx); });
  return gx;
}

Tensor weight_gradient(const Tensor& gy, const Tensor& x) {
  const int64_t out = gy.size(-1), in = x.size(-1);
  Tensor gW({out, in}, gy.dtype(), gy.device());
  if (gW.size() > 0)
    dispatch(gy, [&]<class T> {
      multiply<T>({.transpose_a = true, .m = out, .n = in, .k = x.size() / in}, gy, x, gW);
    });
  return gW;
}

}  // namespace skiff::affine
