#include "autograd/ops/knots.h"

#include "core/knot_place.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void read(const Tensor& s, Tensor& y, AxisView v, int64_t n) {
  const int64_t r = v.n, inner = v.inner;
  const T* in = s.data<T>();
  T* out = y.data<T>();
  parallel_rows(s.device(), v.outer * n, inner, [=] SKIFF_KERNEL(Row row) {
    const KnotPlace place(n, r, row.index % n);
    const double f = place.fraction();
    const T a = T(1 - f), b = T(f);
    const T *low = in + (row.index / n * r + place.j) * inner, *high = low + inner;
    T* to = out + row.index * inner;
    row.for_each(inner, [&](int64_t d) { to[d] = a * low[d] + b * high[d]; });
  });
}

// The positions between knots j and j+1 add to both: x is read once, each segment has two sums.
//   ends[j, 0] = sum_{i: j_i = j} (1 - f_i) x_i,   ends[j, 1] = sum_{i: j_i = j} f_i x_i
template <class T>
void sum_segments(const Tensor& x, Tensor& ends, AxisView v, int64_t r) {
  const int64_t n = v.n, inner = v.inner, segments = r - 1;
  const T* in = x.data<T>();
  T* out = ends.data<T>();
  const int64_t work = (n / segments + 1) * inner;
  parallel_rows(x.device(), v.outer * segments, work, [=] SKIFF_KERNEL(Row row) {
    const int64_t j = row.index % segments;
    T *low = out + 2 * row.index * inner, *high = low + inner;
    row.for_each(2 * inner, [&](int64_t d) { low[d] = 0; });
    const int64_t end = KnotPlace::first_position(n, r, j + 1);
    const T* from = in + row.index / segments * n * inner;
    for (int64_t i = KnotPlace::first_position(n, r, j); i < end; ++i) {
      const double f = KnotPlace(n, r, i).fraction();
      const T a = T(1 - f), b = T(f), *at = from + i * inner;
      row.for_each(inner, [&](int64_t d) {
        low[d] += a * at[d];
        high[d] += b * at[d];
      });
    }
  });
}

template <class T>
void join_segments(const Tensor& ends, Tensor& z, AxisView v) {
  const int64_t r = v.n, inner = v.inner;
  const T* in = ends.data<T>();
  T* out = z.data<T>();
  parallel_rows(z.device(), v.outer * r, inner, [=] SKIFF_KERNEL(Row row) {
    const int64_t j = row.index % r, segment = row.index / r * (r - 1) + j;
    const T *low = in + 2 * segment * inner, *high = low - inner;  // of segments j and j - 1
    T* to = out + row.index * inner;
    row.for_each(inner, [&](int64_t d) {
      to[d] = (j < r - 1 ? low[d] : T(0)) + (j > 0 ? high[d] : T(0));
    });
  });
}

}  // namespace

Tensor read_knots(const Tensor& s, int64_t n, int64_t axis) {
  Tensor y(s.shape().with(axis, n), s.dtype(), s.device());
  dispatch(s, [&]<class T> { read<T>(s, y, axis_view(s, axis), n); });
  return y;
}

Tensor sum_to_knots(const Tensor& x, int64_t r, int64_t axis) {
  const AxisView v = axis_view(x, axis);
  Tensor ends({v.outer, r - 1, 2, v.inner}, x.dtype(), x.device());
  Tensor z(x.shape().with(axis, r), x.dtype(), x.device());
  dispatch(x, [&]<class T> {
    sum_segments<T>(x, ends, v, r);
    join_segments<T>(ends, z, axis_view(z, axis));
  });
  return z;
}

}  // namespace skiff
