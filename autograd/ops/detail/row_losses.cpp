#include "autograd/ops/detail/row_losses.h"

#include "autograd/ops/detail/sum_leading.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff::row_losses {
namespace {

struct Counted {
  const int32_t* labels;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t) const {
    return {{labels[i] < 0 ? 0.0 : 1.0}};
  }
};

template <class T>
struct Mean {
  const T* loss;
  const double* count;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t) const {
    return {{1.0 / count[0] * double(loss[i])}};
  }
};

}  // namespace

void check_range(const char* op, const Tensor& labels, int64_t C) {
  if (labels.device() == Device::CUDA) return;
  const int32_t* label = labels.data<int32_t>();
  for (int64_t r = 0; r < labels.size(); ++r)
    check(label[r] < C, op, ": labels must lie in 0 .. ", C - 1, " or below 0, got ", label[r],
          " in row ", r);
}

Tensor counted(const char* op, const Tensor& labels, int64_t C) {
  const int32_t* label = labels.data<int32_t>();
  const int64_t rows = labels.size();
  const Tensor count = column_sums<1>(labels.device(), rows, 1, Counted{label});
  if (labels.device() == Device::CUDA) return count;
  check_range(op, labels, C);
  check(item(count) > 0, op, ": at least one label must not be ignored, got ", rows,
        rows == 1 ? " label" : " labels", " below 0");
  return count;
}

template <class T>
void forward(Device device, int64_t rows, int64_t C, const T* x, const int32_t* labels, T* m, T* l,
             T* loss, double smoothing) {
  const T smooth = T(smoothing);
  parallel_rows(device, rows, 8 * C, [=] SKIFF_KERNEL(Row row) {
    const T* from = x + row.index * C;
    T largest = 0, log_sum = 0, row_loss = 0;
    if (labels[row.index] >= 0) {
      largest = row.max(C, [&](int64_t c) { return from[c]; });
      log_sum = std::log(row.sum(C, [&](int64_t c) { return math::exp(from[c] - largest); }));
      row_loss = (largest - from[labels[row.index]]) + log_sum;
      if (smooth > 0)
        row_loss += smooth * (from[labels[row.index]] -
                              row.sum(C, [&](int64_t c) { return from[c]; }) / T(C));
    }
    m[row.index] = largest;
    l[row.index] = log_sum;
    loss[row.index] = row_loss;
  });
}
template void forward(Device, int64_t, int64_t, const float*, const int32_t*, float*, float*,
                      float*, double);
template void forward(Device, int64_t, int64_t, const double*, const int32_t*, double*, double*,
                      double*, double);

template <class T>
void backward(Device device, int64_t rows, int64_t C, const T* gy, const Tensor& count_tensor,
              const T* x, const int32_t* labels, const T* m, const T* l, T* gx, double smoothing) {
  const T rest = T(smoothing / double(C)), hit = T(1 - smoothing) + rest;
  const double* count = count_tensor.data<double>();
  parallel_rows(device, rows, 8 * C, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * C, at = labels[row.index];
    if (at < 0) return row.for_each(C, [&](int64_t c) { gx[o + c] = 0; });
    const T g = (gy ? gy[0] : T(1)) / T(count[0]), largest = m[row.index], log_sum = l[row.index];
    row.for_each(C, [&](int64_t c) {
      gx[o + c] = g * (math::exp(x[o + c] - largest - log_sum) - (c == at ? hit : rest));
    });
  });
}
template void backward(Device, int64_t, int64_t, const float*, const Tensor&, const float*,
                       const int32_t*, const float*, const float*, float*, double);
template void backward(Device, int64_t, int64_t, const double*, const Tensor&, const double*,
                       const int32_t*, const double*, const double*, double*, double);

Tensor mean(const Tensor& loss, const Tensor& count) {
  Tensor y;
  dispatch(loss, [&]<class T> {
    const Mean<T> mean{loss.data<T>(), count.data<double>()};
    y = sums_row(column_sums<1>(loss.device(), loss.size(), 1, mean), 0, {}, loss.dtype());
  });
  return y;
}

}  // namespace skiff::row_losses
