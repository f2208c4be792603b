// complex_mul: y = a b for complex numbers, b repeated over the leading axes
// of a (its shape is the end of a's) or a single number.
//
//   forward   y[r, d] = a[r, d] b[d]
//   adjoint   With <u, v> = Re sum conj(u) v, the inner product of pairs of
//             reals, <gy, da b> = Re sum conj(gy) b da = <conj(b) gy, da>, so
//             ga[r, d] = conj(b[d]) gy[r, d]
//             gb[d] = sum_r conj(a[r, d]) gy[r, d]

#include "autograd/op.h"
#include "autograd/ops/detail/combine.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/spectral.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct Product {
  template <class T>
  SKIFF_HOST_DEVICE Complex<T> operator()(Complex<T> a, Complex<T> b) const {
    return a * b;
  }
};
struct ConjugateProduct {
  template <class T>
  SKIFF_HOST_DEVICE Complex<T> operator()(Complex<T> a, Complex<T> b) const {
    return a * conj(b);
  }
};

template <class F>
Tensor combined(const Tensor& a, const Tensor& b, F f) {
  Tensor y = empty_like(a);
  if (y.size() == 0) return y;
  dispatch(a, [&]<class T> { combine<Complex<T>>(a, b, y, f); });
  return y;
}

template <class T>
struct LeadingTerms {  // the parts of conj(a) gy; columns are pairs of reals
  const T *gy, *a;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t d) const {
    const int64_t re = i - d % 2;  // i counts reals
    const T value = d % 2 == 0 ? a[re] * gy[re] + a[re + 1] * gy[re + 1]
                               : a[re] * gy[re + 1] - a[re + 1] * gy[re];
    return {{double(value)}};
  }
};

struct ComplexMul {
  static constexpr auto name = "complex_mul";
  static constexpr Linearity linear = Linearity::InEach;
  Tensor a, b;  // saved

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_complex(name, "a", a);
    check_operands(name, a, b);
    this->a = a;
    this->b = b;
    return combined(a, b, Product{});
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor ga, gb;
    if (needs[0]) ga = combined(gy, b, ConjugateProduct{});
    if (needs[1]) {
      if (b.size() == a.size()) {
        gb = combined(gy, a, ConjugateProduct{}).reshape(b.shape());
      } else {
        dispatch(gy, [&]<class T> {
          const LeadingTerms<T> terms{static_cast<const T*>(gy.raw()),
                                      static_cast<const T*>(a.raw())};
          gb = sums_row(column_sums<1>(gy.device(), a.size() / b.size(), 2 * b.size(), terms), 0,
                        b.shape(), b.dtype());
        });
      }
    }
    return {ga, gb};
  }
  static std::vector<Sample<ComplexMul>> samples() {
    return {{"same shape", {}, {randc({3, 5}), randc({3, 5})}},
            {"bank of spectra", {}, {randc({4, 3, 2}), randc({3, 2})}},
            {"row", {}, {randc({2, 3, 5}), randc({5})}},
            {"number", {}, {randc({7}), randc({})}},
            {"many rows", {}, {randc({70, 2}), randc({2})}},
            {"length 1", {}, {randc({1}), randc({1})}}};
  }
};

}  // namespace

Variable complex_mul(const Variable& a, const Variable& b) { return apply(ComplexMul{}, a, b); }

}  // namespace skiff
