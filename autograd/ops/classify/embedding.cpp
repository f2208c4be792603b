// embedding: rows of a table.
//
//   forward   y[p, c] = weight[ids[p], c],   p over the positions
//   adjoint   <gy, dy> = sum_p,c gy[p, c] dweight[ids[p], c]. Row v of the
//             table is read at all positions p with ids[p] = v, so what
//             multiplies dweight[v, c] is
//             gweight[v, c] = sum over {p : ids[p] = v} of gy[p, c]
//
// The adjoint scatters, and positions with one id write one row. So that the
// order of the sum is fixed and no two tasks write one element, a task owns
// some channels and walks the positions. A GPU needs more tasks than that
// gives: there the positions are cut into parts with a table each, a thread
// walks one part of one channel, and the tables are added.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/parallel.h"

namespace skiff {
namespace {

constexpr int64_t kChannelsPerTask = 16;  // of a CPU

// Parts of the positions, on a GPU: as many as tables fit into 64 MB, at least one and at most
// 1024, with 64 positions at least.
int64_t parts_of(Device device, int64_t positions, const Shape& weight) {
  if (device == Device::CPU) return 1;
  const int64_t fit = (int64_t(64) << 20) / 8 / std::max<int64_t>(1, weight.size());
  return std::clamp<int64_t>(positions / 64, 1, std::clamp<int64_t>(fit, 1, 1024));
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

// Into float64 tables (parts, V, D): most positions of a batch may hold one token,
// the padding.
template <class T>
void add_rows(const Tensor& ids_tensor, const Tensor& gy_tensor, Tensor& tables_tensor) {
  const int32_t* ids = ids_tensor.data<int32_t>();
  const T* gy = gy_tensor.data<T>();
  double* tables = tables_tensor.data<double>();
  const int64_t parts = tables_tensor.size(0), V = tables_tensor.size(1), D = tables_tensor.size(2);
  const int64_t positions = ids_tensor.size();
  if (gy_tensor.device() == Device::CUDA) {
    parallel_for(Device::CUDA, parts * D, [=] SKIFF_KERNEL(int64_t i) {
      const int64_t part = i / D, c = i % D;
      double* to = tables + part * V * D + c;
      const int64_t last = (part + 1) * positions / parts;
      constexpr int kAtOnce = 8;  // loads that a thread waits for together, then adds in order
      int64_t p = part * positions / parts;
      for (; p + kAtOnce <= last; p += kAtOnce) {
        int64_t row[kAtOnce];
        T value[kAtOnce];
        for (int k = 0; k < kAtOnce; ++k) row[k] = ids[p + k];
        for (int k = 0; k < kAtOnce; ++k) value[k] = gy[(p + k) * D + c];
        for (int k = 0; k < kAtOnce; ++k) to[row[k] * D] += double(value[k]);
      }
      for (; p < last; ++p) to[int64_t(ids[p]) * D] += double(gy[p * D + c]);
    });
    return;
  }
  const int64_t channels = kChannelsPerTask, tasks = (D + channels - 1) / channels;
  parallel_rows(Device::CPU, tasks, positions * channels, [=] SKIFF_KERNEL(Row row) {
    const int64_t first = row.index * channels;
    const int64_t count = D - first < channels ? D - first : channels;
    for (int64_t p = 0; p < positions; ++p) {
      const T* from = gy + p * D + first;
      double* to = tables + int64_t(ids[p]) * D + first;
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
    const int64_t parts = parts_of(gy.device(), ids.size(), weight_shape);
    Tensor tables = zeros(concat({parts}, weight_shape), DType::Float64, gy.device());
    dispatch(gy, [&]<class T> { add_rows<T>(ids, gy, tables); });
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
