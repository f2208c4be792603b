// reshape, slice, concat, transpose: the same elements at other places. Real
// or complex.
//
//   forward   y[i] = x[p(i)],  p one-to-one into the indices of x (of all parts
//             for concat)
//   adjoint   <gy, dy> = sum_i gy[i] dx[p(i)], and p is one-to-one, so gy[i]
//             alone multiplies dx[p(i)]: gx[p(i)] = gy[i], 0 where p does not
//             reach
//
//   reshape    p is the identity on the contiguous elements; y is a view of x
//   slice      gx is gy between zeros
//   concat     gx of a part is the slice of gy that the part filled
//   transpose  p exchanges two axes and is its own inverse, so gx is the
//              transpose of gy

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/shape.h"
#include "core/parallel.h"

namespace skiff {
namespace {

constexpr int64_t kPiece = 4096;  // elements of a run that one task copies

// Copies `rows` runs of `run` elements. Row r starts at from_start + r from_stride, and likewise.
struct Runs {
  int64_t rows, run, from_start, from_stride, to_start, to_stride;
};

template <class E>
void copy_runs(const Tensor& x, Tensor& y, Runs c) {
  const E* from = x.data<E>() + c.from_start;
  E* to = y.data<E>() + c.to_start;
  const int64_t pieces = (c.run + kPiece - 1) / kPiece;
  parallel_rows(x.device(), c.rows * pieces, c.run < kPiece ? c.run : kPiece,
                [=] SKIFF_KERNEL(Row row) {
                  const int64_t r = row.index / pieces, first = row.index % pieces * kPiece;
                  const int64_t count = c.run - first < kPiece ? c.run - first : kPiece;
                  const E* source = from + r * c.from_stride + first;
                  E* target = to + r * c.to_stride + first;
                  row.for_each(count, [&](int64_t j) { target[j] = source[j]; });
                });
}

// gx: rows of `width` elements, zero but for [begin, end), which hold the rows of gy.
template <class E>
void place_between_zeros(const Tensor& gy_tensor, int64_t rows, int64_t width, int64_t begin,
                         int64_t end, Tensor& gx_tensor) {
  const E* gy = gy_tensor.data<E>();
  E* gx = gx_tensor.data<E>();
  const int64_t pieces = (width + kPiece - 1) / kPiece;
  parallel_rows(gy_tensor.device(), rows * pieces, width < kPiece ? width : kPiece,
                [=] SKIFF_KERNEL(Row row) {
                  const int64_t r = row.index / pieces, first = row.index % pieces * kPiece;
                  const int64_t last = width - first < kPiece ? width : first + kPiece;
                  const int64_t low = begin < first ? first : begin > last ? last : begin;
                  const int64_t high = end < low ? low : end > last ? last : end;
                  const E* source = gy + r * (end - begin);
                  E* target = gx + r * width;
                  row.for_each(low - first, [&](int64_t j) { target[first + j] = E{}; });
                  row.for_each(high - low,
                               [&](int64_t j) { target[low + j] = source[low - begin + j]; });
                  row.for_each(last - high, [&](int64_t j) { target[high + j] = E{}; });
                });
}

// x (outer, a, middle, b, inner) -> y (outer, b, middle, a, inner). A row is one (outer, b,
// middle).
struct Swap {
  int64_t outer, a, middle, b, inner;
};

template <class E>
void swap_axes(const Tensor& x_tensor, Tensor& y_tensor, Swap s) {
  const E* x = x_tensor.data<E>();
  E* y = y_tensor.data<E>();
  const int64_t stride = s.middle * s.b * s.inner;  // in x, from one a to the next
  parallel_rows(
      x_tensor.device(), s.outer * s.b * s.middle, s.a * s.inner, [=] SKIFF_KERNEL(Row row) {
        const int64_t m = row.index % s.middle, ob = row.index / s.middle;
        const int64_t i = ob % s.b, o = ob / s.b;
        const E* from = x + (o * s.a * s.middle * s.b + m * s.b + i) * s.inner;
        E* to = y + row.index * s.a * s.inner;
        if (s.inner == 1) {
          row.for_each(s.a, [&](int64_t j) { to[j] = from[j * stride]; });
        } else {
          for (int64_t j = 0; j < s.a; ++j)
            row.for_each(s.inner, [&](int64_t c) { to[j * s.inner + c] = from[j * stride + c]; });
        }
      });
}

// Runs the body with the element type: a real or a complex one.
template <class Body>
void dispatch_elements(const Tensor& x, const Body& body) {
  dispatch(x, [&]<class T> {
    if (x.is_complex())
      body.template operator()<Complex<T>>();
    else
      body.template operator()<T>();
  });
}

Tensor sliced(const Tensor& x, int64_t axis, int64_t begin, int64_t end) {
  const AxisView v = axis_view(x, axis);
  Tensor y(x.shape().with(axis, end - begin), x.dtype(), x.device());
  const int64_t run = (end - begin) * v.inner;
  dispatch_elements(x, [&]<class E> {
    copy_runs<E>(x, y, {v.outer, run, begin * v.inner, v.n * v.inner, 0, run});
  });
  return y;
}

struct Reshape {
  static constexpr auto name = "reshape";
  static constexpr Linearity linear = Linearity::Jointly;
  Shape shape;      // attribute
  Shape from = {};  // saved

  Tensor forward(const Tensor& x) {
    check_floating(name, x);
    from = x.shape();
    return x.reshape(shape);
  }
  Grads backward(const Tensor& gy, Needs) const { return {gy.reshape(from)}; }
  static std::vector<Sample<Reshape>> samples() {
    return {{"split", {.shape = {2, 3, 4}}, {randn({6, 4})}},
            {"join", {.shape = {15}}, {randn({3, 1, 5})}},
            {"number", {.shape = {}}, {randn({1})}},
            {"complex", {.shape = {3, 2}}, {randc({2, 3})}}};
  }
};

struct Slice {
  static constexpr auto name = "slice";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t axis, begin, end;  // attributes
  Shape from = {};           // saved

  Tensor forward(const Tensor& x) {
    check_floating(name, x);
    const int64_t n = x.size(axis);
    check(0 <= begin && begin < end && end <= n, name, ": 0 <= begin < end <= ", n,
          " is needed on axis ", axis, " of ", x, ", got begin ", begin, ", end ", end);
    from = x.shape();
    return sliced(x, axis, begin, end);
  }
  Grads backward(const Tensor& gy, Needs) const {
    const AxisView v = axis_view(from, axis);
    Tensor gx(from, gy.dtype(), gy.device());
    dispatch_elements(gy, [&]<class E> {
      place_between_zeros<E>(gy, v.outer, v.n * v.inner, begin * v.inner, end * v.inner, gx);
    });
    return {gx};
  }
  static std::vector<Sample<Slice>> samples() {
    return {{"first axis", {0, 1, 3}, {randn({4, 3})}},
            {"last axis", {-1, 2, 5}, {randn({3, 7})}},
            {"middle axis", {1, 0, 2}, {randn({2, 3, 5})}},
            {"one element", {0, 4, 5}, {randn({5})}},
            {"everything", {2, 0, 3}, {randn({2, 1, 3, 2})}},
            {"complex", {-2, 1, 4}, {randc({2, 5, 3})}}};
  }
};

struct Concat {
  static constexpr auto name = "concat";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t axis;                     // attribute
  std::vector<int64_t> sizes = {};  // saved: of the parts along the axis

  Tensor forward(const std::vector<Tensor>& parts) {
    check(!parts.empty() && parts.size() <= 64, name, ": 1 to 64 parts are needed, got ",
          parts.size());
    check_floating(name, parts[0]);
    sizes.clear();
    int64_t total = 0;
    for (const Tensor& part : parts) {
      check_like(name, parts[0], part);
      check(part.rank() == parts[0].rank() &&
                part.shape().with(axis, 1) == parts[0].shape().with(axis, 1),
            name, ": parts may differ in axis ", axis, " only, got ", parts[0], " and ", part);
      sizes.push_back(part.size(axis));
      total += sizes.back();
    }
    Tensor y(parts[0].shape().with(axis, total), parts[0].dtype(), parts[0].device());
    const AxisView v = axis_view(y, axis);
    int64_t begin = 0;
    for (size_t p = 0; p < parts.size(); ++p) {
      const int64_t run = sizes[p] * v.inner;
      dispatch_elements(y, [&]<class E> {
        copy_runs<E>(parts[p], y, {v.outer, run, 0, run, begin * v.inner, v.n * v.inner});
      });
      begin += sizes[p];
    }
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Grads grads(sizes.size());
    int64_t begin = 0;
    for (size_t p = 0; p < sizes.size(); begin += sizes[p++])
      if (needs[p]) grads[p] = sliced(gy, axis, begin, begin + sizes[p]);
    return grads;
  }
  static std::vector<Sample<Concat>> samples() {
    return {{"last axis", {-1}, {randn({2, 3}), randn({2, 1}), randn({2, 4})}},
            {"first axis", {0}, {randn({1, 5}), randn({2, 5})}},
            {"middle axis", {1}, {randn({2, 2, 3}), randn({2, 1, 3})}},
            {"one part", {0}, {randn({3})}},
            {"complex", {1}, {randc({2, 2}), randc({2, 3})}}};
  }
};

struct Transpose {
  static constexpr auto name = "transpose";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t axis_a, axis_b;  // attributes

  static Tensor transposed(const Tensor& x, int64_t axis_a, int64_t axis_b) {
    const int a = std::min(x.shape().axis_index(axis_a), x.shape().axis_index(axis_b));
    const int b = std::max(x.shape().axis_index(axis_a), x.shape().axis_index(axis_b));
    if (a == b) return x;
    const AxisView at_a = axis_view(x, a), at_b = axis_view(x, b);
    Tensor y(x.shape().with(a, at_b.n).with(b, at_a.n), x.dtype(), x.device());
    if (y.size() == 0) return y;
    const Swap swap{at_a.outer, at_a.n, at_b.outer / (at_a.outer * at_a.n), at_b.n, at_b.inner};
    dispatch_elements(x, [&]<class E> { swap_axes<E>(x, y, swap); });
    return y;
  }
  Tensor forward(const Tensor& x) {
    check_floating(name, x);
    return transposed(x, axis_a, axis_b);
  }
  Grads backward(const Tensor& gy, Needs) const { return {transposed(gy, axis_a, axis_b)}; }
  static std::vector<Sample<Transpose>> samples() {
    return {{"matrix", {0, 1}, {randn({3, 5})}},
            {"last two", {-1, -2}, {randn({2, 4, 3})}},
            {"first two", {0, 1}, {randn({2, 3, 4})}},
            {"outer two of rank 4", {0, 2}, {randn({2, 3, 4, 2})}},
            {"heads", {1, 2}, {randn({2, 3, 2, 4})}},
            {"length 1", {0, 1}, {randn({1, 4})}},
            {"the same axis", {0, -2}, {randn({2, 3})}},
            {"complex", {0, 2}, {randc({2, 2, 3})}}};
  }
};

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) { return apply(Reshape{shape}, x); }
Variable slice(const Variable& x, int64_t axis, int64_t begin, int64_t end) {
  return apply(Slice{axis, begin, end}, x);
}
Variable concat(const std::vector<Variable>& parts, int64_t axis) {
  return apply_to(Concat{axis}, parts);
}
Variable transpose(const Variable& x, int64_t axis_a, int64_t axis_b) {
  return apply(Transpose{axis_a, axis_b}, x);
}

}  // namespace skiff
