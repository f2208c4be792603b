// mean_over_length: one vector per sequence, the mean of its positions without
// the padding.
//
//   forward   y[b, c] = 1/l[b] sum_{i < l[b]} x[b, i, c],    l = lengths
//   adjoint   gx[b, i, c] = gy[b, c] / l[b] for i < l[b], and 0 beyond: the
//             coefficients of x in y

#include "autograd/op.h"
#include "autograd/ops/detail/lengths.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/reduce.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct Length {
  const int32_t* lengths;
  SKIFF_HOST_DEVICE int64_t operator()(int64_t b) const { return lengths[b]; }
};

template <class T>
void divide_by_length(const Tensor& sum_tensor, const Tensor& length_tensor, Tensor& y_tensor) {
  const double* sum = sum_tensor.data<double>();
  const int32_t* lengths = length_tensor.data<int32_t>();
  T* y = y_tensor.data<T>();
  const int64_t D = y_tensor.size(1);
  parallel_rows(y_tensor.device(), y_tensor.size(0), D, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * D;
    const double factor = 1.0 / double(lengths[row.index]);
    row.for_each(D, [&](int64_t c) { y[o + c] = T(sum[o + c] * factor); });
  });
}

template <class T>
void spread(const Tensor& gy_tensor, const Tensor& length_tensor, Tensor& gx_tensor) {
  const T* gy = gy_tensor.data<T>();
  const int32_t* lengths = length_tensor.data<int32_t>();
  T* gx = gx_tensor.data<T>();
  const int64_t n = gx_tensor.size(1), D = gx_tensor.size(2);
  parallel_rows(gy_tensor.device(), gx_tensor.size(0) * n, D, [=] SKIFF_KERNEL(Row row) {
    const int64_t b = row.index / n, i = row.index % n, o = row.index * D;
    const T factor = i < lengths[b] ? T(1) / T(lengths[b]) : T(0);
    row.for_each(D, [&](int64_t c) { gx[o + c] = gy[b * D + c] * factor; });
  });
}

struct MeanOverLength {
  static constexpr auto name = "mean_over_length";
  static constexpr Linearity linear = Linearity::Jointly;
  Tensor lengths;  // saved
  Shape from;

  Tensor forward(const Tensor& x, const Tensor& lengths) {
    check_lengths(name, x, lengths);
    this->lengths = lengths;
    from = x.shape();
    Tensor y({x.size(0), x.size(2)}, x.dtype(), x.device());
    dispatch(x, [&]<class T> {
      const Tensor sums = sum_middle<T>(x, axis_view(x, 1), Length{lengths.data<int32_t>()});
      divide_by_length<T>(sums, lengths, y);
    });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx(from, gy.dtype(), gy.device());
    dispatch(gy, [&]<class T> { spread<T>(gy, lengths, gx); });
    return {gx, Tensor()};
  }
  static std::vector<Sample<MeanOverLength>> samples() {
    const auto lengths = [](std::vector<int32_t> l) { return tensor_of(l, {int64_t(l.size())}); };
    return {{"padded", {}, {randn({3, 5, 4}), lengths({5, 1, 3})}},
            {"length 1", {}, {randn({2, 1, 3}), lengths({1, 1})}},
            {"one channel", {}, {randn({2, 6, 1}), lengths({4, 6})}}};
  }
};

}  // namespace

Variable mean_over_length(const Variable& x, const Tensor& lengths) {
  return apply(MeanOverLength{}, x, lengths);
}

}  // namespace skiff
