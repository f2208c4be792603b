#include "autograd/ops/detail/knots.h"

#include <algorithm>

#include "core/conv/inducing_place.h"
#include "core/conv/ski.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void read(const Tensor& s, Tensor& y, AxisView v, int64_t n) {
  const int64_t r = v.n, inner = v.inner;
  const T* in = s.data<T>();
  T* out = y.data<T>();
  parallel_rows(s.device(), v.outer * n, inner, [=] SKIFF_KERNEL(Row row) {
    const InducingPlace place(n, r, row.index % n);
    const double f = place.fraction();
    const T a = T(1 - f), b = T(f);
    const T *low = in + (row.index / n * r + place.j) * inner, *high = low + inner;
    T* to = out + row.index * inner;
    row.for_each(inner, [&](int64_t d) { to[d] = a * low[d] + b * high[d]; });
  });
}

// A row of work owns the knots first .. last-1 and adds up the positions of the segments around
// them; the segment before belongs to two rows. A row has 8 knots, or fewer when that left few
// rows.
template <class T>
void sum_up(const Tensor& x, Tensor& z, AxisView v, int64_t r) {
  const int64_t n = v.n, inner = v.inner;
  const int64_t owned = std::clamp<int64_t>(v.outer * r / 16, 1, 8);
  const int64_t groups = (r + owned - 1) / owned;
  const T* in = x.data<T>();
  T* out = z.data<T>();
  const int64_t work = ((owned + 1) * n / r + owned) * inner;
  parallel_rows(x.device(), v.outer * groups, work, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index / groups, first = row.index % groups * owned;
    const int64_t last = first + owned < r ? first + owned : r;
    T* to = out + o * r * inner;
    row.for_each((last - first) * inner, [&](int64_t d) { to[first * inner + d] = 0; });
    const int64_t end = InducingPlace::first_position(n, r, last);
    int64_t i = InducingPlace::first_position(n, r, first - 1);
    for (InducingPlace place(n, r, i); i < end; ++i, place.next()) {
      const double f = place.fraction();
      const T a = T(1 - f), b = T(f), *at = in + (o * n + i) * inner;
      T *low = to + place.j * inner, *high = low + inner;
      if (place.j < first)
        row.for_each(inner, [&](int64_t d) { high[d] += b * at[d]; });
      else if (place.j + 1 == last)
        row.for_each(inner, [&](int64_t d) { low[d] += a * at[d]; });
      else
        row.for_each(inner, [&](int64_t d) {
          const T value = at[d];
          low[d] += a * value;
          high[d] += b * value;
        });
    }
  });
}

}  // namespace

Tensor read_knots(const Tensor& s, int64_t n, int64_t axis) {
  Tensor y(s.shape().with(axis, n), s.dtype(), s.device());
  dispatch(s, [&]<class T> { read<T>(s, y, axis_view(s, axis), n); });
  return y;
}

Tensor sum_to_knots(const Tensor& x, int64_t r, int64_t axis) {
  if (x.device() == Device::CUDA) return ski_cuda::sum_to_points(x, r, axis);
  Tensor z(x.shape().with(axis, r), x.dtype(), x.device());
  dispatch(x, [&]<class T> { sum_up<T>(x, z, axis_view(x, axis), r); });
  return z;
}

}  // namespace skiff
