// An op y[i] = f(x[i]) of real tensors, made from a struct that states f and its slope f':
//
//   struct Tanh {
//     static constexpr auto name = "tanh";
//     static constexpr bool keeps_output = true;
//     template <class T> static SKIFF_HOST_DEVICE T value(T x) { return std::tanh(x); }
//     template <class T> static SKIFF_HOST_DEVICE T slope(T t) { return T(1) - t * t; }
//   };
//   Variable tanh(const Variable& x) { return apply(Elementwise<Tanh>{}, x); }
//
// The slope is a function of the one tensor that is kept: of y where f' is simple in y (the op that
// reads y keeps it anyway, so it costs no memory), otherwise of x. `of_positive_numbers`, if it is
// there, says that samples must be positive.
#pragma once

#include <cmath>

#include "autograd/op.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff {

template <class T, class F>
void run_value(const Tensor& x_tensor, Tensor& y_tensor) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  parallel_for(x_tensor.device(), x_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { y[i] = F::value(x[i]); });
}

template <class T, class F>
void run_slope(const Tensor& gy_tensor, const Tensor& kept_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *kept = kept_tensor.data<T>();
  T* gx = gx_tensor.data<T>();
  parallel_for(gy_tensor.device(), gy_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { gx[i] = gy[i] * F::slope(kept[i]); });
}

template <class F>
struct Elementwise {
  static constexpr auto name = F::name;
  Tensor kept;  // saved: y or x

  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> { run_value<T, F>(x, y); });
    kept = F::keeps_output ? y : x;
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(gy);
    dispatch(gy, [&]<class T> { run_slope<T, F>(gy, kept, gx); });
    return {gx};
  }
  static std::vector<Sample<Elementwise>> samples() {
    std::vector<Sample<Elementwise>> all = {
        {"odd", {}, {randn({7})}},
        {"even", {}, {randn({2, 8})}},
        {"length 1", {}, {randn({1})}},
        {"number", {}, {randn({})}},
        {"rank 4", {}, {randn({2, 3, 1, 3})}},
        {"far from 0", {}, {tensor_of({-9, -4.5, -2, 2, 4.5, 9}, {6}, DType::Float64)}}};
    if constexpr (requires { F::of_positive_numbers; })
      for (const Sample<Elementwise>& sample : all)
        for (Tensor x : sample.inputs)
          for (int64_t i = 0; i < x.size(); ++i)
            x.data<double>()[i] = 0.1 + std::abs(x.data<double>()[i]);
    return all;
  }
};

}  // namespace skiff
