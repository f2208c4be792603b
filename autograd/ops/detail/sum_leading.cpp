#include "autograd/ops/detail/sum_leading.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
struct Product {
  const T *a, *b;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t) const {
    return {{double(a[i] * b[i])}};
  }
};

template <class T>
void narrow(const Tensor& sums, int64_t k, Tensor& y) {
  const int64_t D = sums.size(1);
  const double* from = sums.data<double>() + k * D;
  T* to = static_cast<T*>(y.raw());
  parallel_for(y.device(), D, [=] SKIFF_KERNEL(int64_t d) { to[d] = T(from[d]); });
}

}  // namespace

Tensor sums_row(const Tensor& sums, int64_t k, const Shape& shape, DType dtype) {
  Tensor y(shape, dtype, sums.device());
  dispatch(y, [&]<class T> { narrow<T>(sums, k, y); });
  return y;
}

Tensor sum_leading(const Tensor& x, const Shape& suffix) {
  const int64_t D = suffix.size();
  if (D == x.size()) return x.reshape(suffix);
  const int64_t reals = x.is_complex() ? 2 : 1;
  Tensor sums;
  dispatch(x, [&]<class T> {
    const Value<T> value{static_cast<const T*>(x.raw())};
    sums = column_sums<1>(x.device(), x.size() / D, reals * D, value);
  });
  return sums_row(sums, 0, suffix, x.dtype());
}

Tensor sum_leading_product(const Tensor& a, const Tensor& b, const Shape& suffix) {
  const int64_t D = suffix.size();
  Tensor sums;
  dispatch(a, [&]<class T> {
    sums = column_sums<1>(a.device(), a.size() / D, D, Product<T>{a.data<T>(), b.data<T>()});
  });
  return sums_row(sums, 0, suffix, a.dtype());
}

}  // namespace skiff
