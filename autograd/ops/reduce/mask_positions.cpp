// mask_positions: zeroes what stands beyond the true length of each sequence.
//
//   forward   y[b, i, :] = x[b, i, :] for i < l_b, otherwise 0
//   adjoint   gx = the same of gy: a diagonal matrix of zeros and ones is its own transpose

#include "autograd/op.h"
#include "autograd/ops/reduce.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void mask_rows(const Tensor& x, const Tensor& lengths, Tensor& y) {
  const int64_t n = x.size(1), D = x.size(2);
  const T* in = x.data<T>();
  const int32_t* length = lengths.data<int32_t>();
  T* out = y.data<T>();
  parallel_rows(x.device(), x.size(0) * n, D, [=] SKIFF_KERNEL(Row row) {
    const bool inside = row.index % n < length[row.index / n];
    const int64_t at = row.index * D;
    row.for_each(D, [&](int64_t d) { out[at + d] = inside ? in[at + d] : T(0); });
  });
}

struct MaskPositions {
  static constexpr auto name = "mask_positions";
  static constexpr Linearity linear = Linearity::Jointly;
  Tensor lengths;  // saved

  Tensor masked(const Tensor& x) const {
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { mask_rows<T>(x, lengths, y); });
    return y;
  }
  Tensor forward(const Tensor& x, const Tensor& lengths_in) {
    check_real(name, "x", x);
    check(x.rank() == 3, "mask_positions: x must be (B, n, D), got ", x);
    check(
        lengths_in && lengths_in.dtype() == DType::Int32 && lengths_in.shape() == Shape{x.size(0)},
        "mask_positions: lengths must be int32 (B = ", x.size(0), "), got ", lengths_in);
    check(x.device() == lengths_in.device(),
          "mask_positions: lengths must be on the device of x, got ", x, " and ", lengths_in);
    lengths = lengths_in;
    return masked(x);
  }
  Grads backward(const Tensor& gy, Needs) const { return {masked(gy), {}}; }

  static std::vector<Sample<MaskPositions>> samples() {
    const auto lengths = [](std::vector<int32_t> l) { return tensor_of(l, {int64_t(l.size())}); };
    return {{"odd", {}, {randn({3, 5, 2}), lengths({5, 1, 3})}},
            {"even", {}, {randn({2, 4, 3}), lengths({2, 4})}},
            {"length 1", {}, {randn({1, 1, 2}), lengths({1})}}};
  }
};

}  // namespace

Variable mask_positions(const Variable& x, const Tensor& lengths) {
  return apply(MaskPositions{}, x, Variable(lengths));
}

}  // namespace skiff
