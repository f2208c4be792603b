// to_complex: two reals to one complex number.
//
//   forward   y[i] = re[i] + i im[i]
//   adjoint   gre = Re gy, gim = Im gy: a complex gradient is the pair of the two real ones

#include "autograd/op.h"
#include "autograd/ops/spectral.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void join(const Tensor& re_tensor, const Tensor& im_tensor, Tensor& y_tensor) {
  const T *re = re_tensor.data<T>(), *im = im_tensor.data<T>();
  Complex<T>* y = y_tensor.data<Complex<T>>();
  parallel_for(y_tensor.device(), y_tensor.size(), [=] SKIFF_KERNEL(int64_t i) {
    y[i] = {re[i], im[i]};
  });
}

// part 0: the real parts, part 1: the imaginary parts
template <class T>
void take_part(const Tensor& y_tensor, int part, Tensor& x_tensor) {
  const T* y = static_cast<const T*>(y_tensor.raw()) + part;
  T* x = x_tensor.data<T>();
  parallel_for(y_tensor.device(), y_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { x[i] = y[2 * i]; });
}

struct ToComplex {
  static constexpr auto name = "to_complex";
  static constexpr Linearity linear = Linearity::Jointly;

  Tensor forward(const Tensor& re, const Tensor& im) {
    check_real(name, "re", re);
    check_like(name, re, im);
    check(re.shape() == im.shape(), name, ": re and im must have one shape, got ", re, " and ", im);
    Tensor y(re.shape(), complex_type(re.dtype()), re.device());
    dispatch(re, [&]<class T> { join<T>(re, im, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Grads grads(2);
    for (int part = 0; part < 2; ++part) {
      if (!needs[size_t(part)]) continue;
      Tensor& g = grads[size_t(part)];
      g = Tensor(gy.shape(), real_part_type(gy.dtype()), gy.device());
      dispatch(gy, [&]<class T> { take_part<T>(gy, part, g); });
    }
    return grads;
  }
  static std::vector<Sample<ToComplex>> samples() {
    return {{"odd", {}, {randn({7}), randn({7})}},
            {"rank 3", {}, {randn({2, 3, 2}), randn({2, 3, 2})}},
            {"number", {}, {randn({}), randn({})}}};
  }
};

}  // namespace

Variable to_complex(const Variable& re, const Variable& im) { return apply(ToComplex{}, re, im); }

}  // namespace skiff
