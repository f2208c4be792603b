// max_over_length: one vector per sequence, the largest value of each channel
// without the padding.
//
//   forward   y[b, c] = max_{i < l[b]} x[b, i, c],    l = lengths
//             at[b, c] = the first position where x has this value; saved
//   adjoint   gx[b, i, c] = gy[b, c] for i = at[b, c], and 0 elsewhere
//
// Near x only the position of the maximum counts: y[b, c] = x[b, at[b, c], c] as
// long as no other position overtakes it, and the derivative of that is 1 there.
// Where several positions have the maximum there is no derivative, and the first
// of them takes all of gy: one of the subgradients.

#include "autograd/op.h"
#include "autograd/ops/detail/lengths.h"
#include "autograd/ops/reduce.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void find(const Tensor& x_tensor, const Tensor& length_tensor, Tensor& y_tensor,
          Tensor& at_tensor) {
  const T* x = x_tensor.data<T>();
  const int32_t* lengths = length_tensor.data<int32_t>();
  T* y = y_tensor.data<T>();
  int32_t* at = at_tensor.data<int32_t>();
  const int64_t n = x_tensor.size(1), D = x_tensor.size(2);
  parallel_rows(x_tensor.device(), x_tensor.size(0), n * D, [=] SKIFF_KERNEL(Row row) {
    const T* sequence = x + row.index * n * D;
    T* largest = y + row.index * D;
    int32_t* where = at + row.index * D;
    row.for_each(D, [&](int64_t c) {
      largest[c] = sequence[c];
      where[c] = 0;
    });
    for (int32_t i = 1; i < lengths[row.index]; ++i)
      row.for_each(D, [&](int64_t c) {
        const T value = sequence[i * D + c], before = largest[c];
        // NaN counts as larger than any number, so that it is not lost.
        const bool larger = value > before || (value != value && before == before);
        largest[c] = larger ? value : before;
        where[c] = larger ? i : where[c];
      });
  });
}

template <class T>
void pick(const Tensor& gy_tensor, const Tensor& at_tensor, Tensor& gx_tensor) {
  const T* gy = gy_tensor.data<T>();
  const int32_t* at = at_tensor.data<int32_t>();
  T* gx = gx_tensor.data<T>();
  const int64_t n = gx_tensor.size(1), D = gx_tensor.size(2);
  parallel_rows(gy_tensor.device(), gx_tensor.size(0) * n, D, [=] SKIFF_KERNEL(Row row) {
    const int64_t b = row.index / n, i = row.index % n;
    row.for_each(
        D, [&](int64_t c) { gx[row.index * D + c] = at[b * D + c] == i ? gy[b * D + c] : T(0); });
  });
}

struct MaxOverLength {
  static constexpr auto name = "max_over_length";
  Tensor at;  // saved
  Shape from;

  Tensor forward(const Tensor& x, const Tensor& lengths) {
    check_lengths(name, x, lengths);
    from = x.shape();
    at = Tensor({x.size(0), x.size(2)}, DType::Int32, x.device());
    Tensor y({x.size(0), x.size(2)}, x.dtype(), x.device());
    dispatch(x, [&]<class T> { find<T>(x, lengths, y, at); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx(from, gy.dtype(), gy.device());
    dispatch(gy, [&]<class T> { pick<T>(gy, at, gx); });
    return {gx, Tensor()};
  }
  static std::vector<Sample<MaxOverLength>> samples() {
    const auto lengths = [](std::vector<int32_t> l) { return tensor_of(l, {int64_t(l.size())}); };
    return {{"padded", {}, {randn({3, 5, 4}), lengths({5, 1, 3})}},
            {"length 1", {}, {randn({2, 1, 3}), lengths({1, 1})}},
            {"one channel", {}, {randn({2, 6, 1}), lengths({4, 6})}}};
  }
};

}  // namespace

Variable max_over_length(const Variable& x, const Tensor& lengths) {
  return apply(MaxOverLength{}, x, lengths);
}

}  // namespace skiff
