// embedding: rows of a table.
//
//   forward   y[p, :] = weight[ids[p], :],   p over the positions
//   adjoint   gweight[v, c] = sum over {p : ids[p] = v} of gy[p, c],  the entries that were copied
//
// The adjoint scatters, and positions with one id write one row. So that the order of the sum is
// fixed and no two tasks write one element, a task owns some channels and walks the positions. A
// GPU needs more tasks than that gives: there the positions are cut into parts with a table each,
// and the tables are added in their order.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct Cut {
  int64_t channels, parts;  // of a task; of the positions
};
Cut cut(Device device, int64_t positions, const Shape& weight) {
  if (device == Device::CPU) return {16, 1};
  const int64_t most =
      std::max<int64_t>(1, (int64_t(64) << 20) / 8 / std::max<int64_t>(1, weight.size()));
  return {128, std::clamp<int64_t>(positions / 256, 1, std::min<int64_t>(64, most))};
}

template <class T>
void gather_rows(const Tensor& ids_tensor, const Tensor& weight_tensor, Tensor& y_tensor) {
  const int32_t* ids = ids_tensor.data<int32_t>();
  const T* weight = weight_tensor.data<T>();
  T* y = y_tensor.data<T>();
  const int64_t D = weight_tensor.size(1);
  parallel_rows(y_tensor.device(), ids_tensor.size(), D, [=] SKIFF_KERNEL(Row row) {
    const T* from = weight + int64_t(ids[row.index]) * D;
    T* to = y + row.index * D;
    row.for_each(D, [&](int64_t c) { to[c] = from[c]; });
  });
}

// Into float64 tables (parts, V, D): a token like the padding may stand at most positions of a
// batch.
template <class T>
void add_rows(const Tensor& ids_tensor, const Tensor& gy_tensor, Cut cut, Tensor& tables_tensor) {
  const int32_t* ids = ids_tensor.data<int32_t>();
  const T* gy = gy_tensor.data<T>();
  double* tables = tables_tensor.data<double>();
  const int64_t V = tables_tensor.size(1), D = tables_tensor.size(2), positions = ids_tensor.size();
  const int64_t channels = cut.channels, parts = cut.parts, tasks = (D + channels - 1) / channels;
  const int64_t work = positions / parts * channels;
  parallel_rows(gy_tensor.device(), parts * tasks, work, [=] SKIFF_KERNEL(Row row) {
    const int64_t part = row.index / tasks, first = row.index % tasks * channels;
    const int64_t count = D - first < channels ? D - first : channels;
    for (int64_t p = part * positions / parts; p < (part + 1) * positions / parts; ++p) {
      const T* from = gy + p * D + first;
      double* to = tables + (part * V + int64_t(ids[p])) * D + first;
      row.for_each(count, [&](int64_t c) { to[c] += double(from[c]); });
    }
  });
}

struct Embedding {
  static constexpr auto name = "embedding";
  static constexpr Linearity linear = Linearity::Jointly;
  Tensor ids;  // saved
  Shape weight_shape;

  Tensor forward(const Tensor& ids, const Tensor& weight) {
    check(ids && ids.dtype() == DType::Int32, name, ": ids must be int32, got ", ids);
    check_real(name, "weight", weight);
    check(weight.rank() == 2 && ids.device() == weight.device(), name,
          ": weight (V, D) on the device of ids is needed, got ids ", ids, " and weight ", weight);
    const int64_t V = weight.size(0);
    if (ids.device() == Device::CPU) {
      const int32_t* id = ids.data<int32_t>();
      for (int64_t p = 0; p < ids.size(); ++p)
        check(id[p] >= 0 && id[p] < V, name, ": ids must lie in 0 .. ", V - 1, ", got ", id[p],
              " at position ", p);
    }
    this->ids = ids;
    weight_shape = weight.shape();
    Tensor y(concat(ids.shape(), {weight.size(1)}), weight.dtype(), weight.device());
    dispatch(weight, [&]<class T> { gather_rows<T>(ids, weight, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    const Cut c = cut(gy.device(), ids.size(), weight_shape);
    Tensor tables = zeros(concat({c.parts}, weight_shape), DType::Float64, gy.device());
    dispatch(gy, [&]<class T> { add_rows<T>(ids, gy, c, tables); });
    const Tensor sums = sum_leading(tables, weight_shape);
    return {Tensor(), sums_row(sums.reshape({1, sums.size()}), 0, weight_shape, gy.dtype())};
  }
  static std::vector<Sample<Embedding>> samples() {
    return {{"batch", {}, {randint({2, 5}, 4), randn({4, 3})}},
            {"more channels than one task", {}, {randint({6}, 3), randn({3, 19})}},
            {"many positions", {}, {randint({3, 300}, 5), randn({5, 2})}},
            {"one position", {}, {randint({1}, 5), randn({5, 2})}},
            {"one word", {}, {randint({3, 2, 1}, 1), randn({1, 16})}}};
  }
};

}  // namespace

Variable embedding(const Tensor& ids, const Variable& weight) {
  return apply(Embedding{}, ids, weight);
}

}  // namespace skiff
