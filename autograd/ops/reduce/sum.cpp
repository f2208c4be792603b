// sum: over all elements or along one axis.
//
//   forward   y[o, c] = sum_{i < n} x[o, i, c],  x seen as (outer, n, inner)
//             around the axis
//   adjoint   gx[o, i, c] = gy[o, c]: every x[o, i, c] enters one output, with
//             factor 1
//
// Sums are taken in double. `all` takes x as one axis of all its elements.

#include "autograd/op.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/reduce.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void sum_rows(const Tensor& x_tensor, int64_t n, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  parallel_rows(x_tensor.device(), y_tensor.size(), n, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * n;
    y[row.index] = T(row.sum(n, [&](int64_t j) { return double(x[o + j]); }));
  });
}

template <class T>
void repeat(const Tensor& gy_tensor, AxisView v, Tensor& gx_tensor) {
  const T* gy = gy_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  const int64_t n = v.n, inner = v.inner;
  if (inner == 1 && v.outer == 1) {
    parallel_for(gy_tensor.device(), n, [=] SKIFF_KERNEL(int64_t i) { gx[i] = gy[0]; });
  } else if (inner == 1) {
    parallel_rows(gy_tensor.device(), v.outer, n, [=] SKIFF_KERNEL(Row row) {
      const int64_t o = row.index * n;
      const T g = gy[row.index];
      row.for_each(n, [&](int64_t j) { gx[o + j] = g; });
    });
  } else {
    parallel_rows(gy_tensor.device(), v.outer * n, inner, [=] SKIFF_KERNEL(Row row) {
      const int64_t from = row.index / n * inner, to = row.index * inner;
      row.for_each(inner, [&](int64_t c) { gx[to + c] = gy[from + c]; });
    });
  }
}

struct Sum {
  static constexpr auto name = "sum";
  static constexpr Linearity linear = Linearity::Jointly;
  bool all = true;  // attributes
  int64_t axis = 0;
  Shape from = {};  // saved

  AxisView view() const { return all ? AxisView{1, from.size(), 1} : axis_view(from, axis); }

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    from = x.shape();
    if (all) return sum_leading(x, {});
    const AxisView v = view();
    const int at = from.axis_index(axis);
    const Shape shape = concat(from.first(at), from.last(from.rank() - at - 1));
    if (v.outer == 1) return sum_leading(x, shape);
    Tensor y(shape, x.dtype(), x.device());
    dispatch(x, [&]<class T> {
      if (v.inner == 1)
        sum_rows<T>(x, v.n, y);
      else
        y = sums_row(sum_middle<T>(x, v, WholeAxis{v.n}).reshape({1, y.size()}), 0, shape,
                     x.dtype());
    });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx(from, gy.dtype(), gy.device());
    dispatch(gy, [&]<class T> { repeat<T>(gy, view(), gx); });
    return {gx};
  }
  static std::vector<Sample<Sum>> samples() {
    return {{"all", {}, {randn({3, 5})}},
            {"all of a long vector", {}, {randn({301})}},
            {"all of one number", {}, {randn({})}},
            {"first axis", {false, 0}, {randn({4, 3})}},
            {"first axis, many rows", {false, 0}, {randn({130, 3})}},
            {"last axis", {false, -1}, {randn({2, 3, 7})}},
            {"middle axis", {false, 1}, {randn({2, 5, 3})}},
            {"axis of length 1", {false, 2}, {randn({2, 3, 1, 4})}},
            {"vector", {false, 0}, {randn({6})}}};
  }
};

}  // namespace

Variable sum(const Variable& x) { return apply(Sum{}, x); }
Variable sum(const Variable& x, int64_t axis) { return apply(Sum{false, axis}, x); }

}  // namespace skiff
