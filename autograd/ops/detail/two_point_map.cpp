#include "autograd/ops/detail/two_point_map.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void gather_rows(const Tensor& x, Tensor& y, AxisView v, int64_t rows, const Tensor& left,
                 const Tensor& weights) {
  const int64_t columns = v.n, inner = v.inner;
  const T* in = x.data<T>();
  T* out = y.data<T>();
  const int32_t* at = left.data<int32_t>();
  const double* w = weights.data<double>();
  parallel_rows(x.device(), v.outer * rows, inner, [=] SKIFF_KERNEL(Row row) {
    const int64_t i = row.index % rows, o = row.index / rows;
    const int64_t j = at[i], next = j + 1 < columns ? j + 1 : j;
    const T a = T(w[2 * i]), b = T(w[2 * i + 1]);
    const T *low = in + (o * columns + j) * inner, *high = in + (o * columns + next) * inner;
    T* to = out + row.index * inner;
    row.for_each(inner, [&](int64_t d) { to[d] = a * low[d] + b * high[d]; });
  });
}

template <class T>
void gather_columns(const Tensor& g, Tensor& y, AxisView v, int64_t columns, const Tensor& start,
                    const Tensor& row_of, const Tensor& weight) {
  const int64_t rows = v.n, inner = v.inner;
  const T* in = g.data<T>();
  T* out = y.data<T>();
  const int32_t *from = start.data<int32_t>(), *row_index = row_of.data<int32_t>();
  const double* w = weight.data<double>();
  parallel_rows(g.device(), v.outer * columns, (2 * rows / columns + 1) * inner,
                [=] SKIFF_KERNEL(Row row) {
                  const int64_t j = row.index % columns, o = row.index / columns;
                  T* to = out + row.index * inner;
                  row.for_each(inner, [&](int64_t d) { to[d] = 0; });
                  for (int64_t e = from[j]; e < from[j + 1]; ++e) {
                    const T a = T(w[e]);
                    const T* source = in + (o * rows + row_index[e]) * inner;
                    row.for_each(inner, [&](int64_t d) { to[d] += a * source[d]; });
                  }
                });
}

}  // namespace

TwoPointMap::TwoPointMap(int64_t columns, const std::vector<Entry>& rows)
    : rows_(int64_t(rows.size())), columns_(columns) {
  std::vector<int32_t> left, start(size_t(columns) + 1), row_of;
  std::vector<double> weights, weight;
  std::vector<std::vector<std::pair<int32_t, double>>> by_column{size_t(columns)};
  for (int64_t i = 0; i < rows_; ++i) {
    const Entry& e = rows[size_t(i)];
    check(e.left >= 0 && e.left < columns && (e.second == 0 || e.left + 1 < columns),
          "interpolation: row ", i, " reads beyond the ", columns, " entries");
    left.push_back(int32_t(e.left));
    weights.insert(weights.end(), {e.first, e.second});
    if (e.first != 0) by_column[size_t(e.left)].emplace_back(int32_t(i), e.first);
    if (e.second != 0) by_column[size_t(e.left) + 1].emplace_back(int32_t(i), e.second);
  }
  for (int64_t j = 0; j < columns; ++j) {
    for (const auto& [i, w] : by_column[size_t(j)]) {
      row_of.push_back(i);
      weight.push_back(w);
    }
    start[size_t(j) + 1] = int32_t(row_of.size());
  }
  const int64_t entries = int64_t(row_of.size());
  left_ = tensor_of(left, {rows_});
  weights_ = tensor_of(weights, {rows_, 2});
  start_ = tensor_of(start, {columns + 1});
  row_ = tensor_of(row_of, {entries});
  weight_ = tensor_of(weight, {entries});
}

TwoPointMap TwoPointMap::at_coordinates(int64_t columns, const std::vector<double>& u) {
  std::vector<Entry> rows;
  for (const double at : u) {
    check(columns >= 1 && at >= 0 && at <= double(columns - 1), "interpolation: coordinate ", at,
          " lies outside the ", columns, " entries");
    const int64_t j =
        std::clamp<int64_t>(int64_t(std::floor(at)), 0, std::max<int64_t>(columns - 2, 0));
    rows.push_back({j, 1 - (at - double(j)), at - double(j)});
  }
  return TwoPointMap(columns, rows);
}

Tensor TwoPointMap::apply(const Tensor& x, int64_t axis) const {
  check(x && x.is_real() && x.size(axis) == columns_, "interpolation: ", columns_,
        " entries are needed along axis ", axis, ", got ", x);
  Tensor y(x.shape().with(axis, rows_), x.dtype(), x.device());
  const Device device = x.device();
  dispatch(x, [&]<class T> {
    gather_rows<T>(x, y, axis_view(x, axis), rows_, left_.to(device), weights_.to(device));
  });
  return y;
}

Tensor TwoPointMap::apply_transposed(const Tensor& g, int64_t axis) const {
  check(g && g.is_real() && g.size(axis) == rows_, "interpolation: ", rows_,
        " positions are needed along axis ", axis, ", got ", g);
  Tensor y(g.shape().with(axis, columns_), g.dtype(), g.device());
  const Device device = g.device();
  dispatch(g, [&]<class T> {
    gather_columns<T>(g, y, axis_view(g, axis), columns_, start_.to(device), row_.to(device),
                      weight_.to(device));
  });
  return y;
}

}  // namespace skiff
