// embedding: rows of a table.
//
//   forward   y[p, :] = weight[ids[p], :],   p over the positions
//   adjoint   gweight[v, c] = sum over {p : ids[p] = v} of gy[p, c],  the entries that were copied
//
// The adjoint scatters, and positions with one id write one row. So that the order of the sum is
// fixed and no two tasks write one element, a task owns 16 channels and walks all positions.

#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/sum_leading.h"
#include "core/parallel.h"

namespace skiff {
namespace {

constexpr int64_t kChannelsPerTask = 16;

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

// Into float64: a token like the padding may stand at most positions of a batch.
template <class T>
void add_rows(const Tensor& ids_tensor, const Tensor& gy_tensor, Tensor& gweight_tensor) {
  const int32_t* ids = ids_tensor.data<int32_t>();
  const T* gy = gy_tensor.data<T>();
  double* gweight = gweight_tensor.data<double>();
  const int64_t D = gweight_tensor.size(1), positions = ids_tensor.size();
  const int64_t tasks = (D + kChannelsPerTask - 1) / kChannelsPerTask;
  parallel_rows(gy_tensor.device(), tasks, positions * kChannelsPerTask, [=] SKIFF_KERNEL(Row row) {
    const int64_t first = row.index * kChannelsPerTask;
    const int64_t count = D - first < kChannelsPerTask ? D - first : kChannelsPerTask;
    for (int64_t p = 0; p < positions; ++p) {
      const T* from = gy + p * D + first;
      double* to = gweight + int64_t(ids[p]) * D + first;
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
    Tensor sums = zeros(weight_shape, DType::Float64, gy.device());
    dispatch(gy, [&]<class T> { add_rows<T>(ids, gy, sums); });
    return {Tensor(), sums_row(sums.reshape({1, sums.size()}), 0, weight_shape, gy.dtype())};
  }
  static std::vector<Sample<Embedding>> samples() {
    return {{"batch", {}, {randint({2, 5}, 4), randn({4, 3})}},
            {"more channels than one task", {}, {randint({6}, 3), randn({3, 19})}},
            {"one position", {}, {randint({1}, 5), randn({5, 2})}},
            {"one word", {}, {randint({3, 2, 1}, 1), randn({1, 16})}}};
  }
};

}  // namespace

Variable embedding(const Tensor& ids, const Variable& weight) {
  return apply(Embedding{}, ids, weight);
}

}  // namespace skiff
