// powers: a learned decay per channel, y[l, d] = gamma[d]^e[l]; the exponents are distances.
//
//   forward   y[l, d] = gamma[d]^e[l],  0^0 = 1
//   backward  ggamma[d] = sum_l e[l] gamma[d]^(e[l] - 1) gy[l, d];  a term with e = 0 is 0

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/arithmetic.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void power_table(const Tensor& gamma, const Tensor& exponents, Tensor& y) {
  const int64_t D = gamma.size();
  const T* base = gamma.data<T>();
  const double* e = exponents.data<double>();
  T* out = y.data<T>();
  parallel_rows(gamma.device(), exponents.size(), 16 * D, [=] SKIFF_KERNEL(Row row) {
    const T exponent = T(e[row.index]);
    row.for_each(D, [&](int64_t d) {
      out[row.index * D + d] = exponent == 0 ? T(1) : std::pow(base[d], exponent);
    });
  });
}

template <class T>
void gamma_gradient(const Tensor& gamma, const Tensor& exponents, const Tensor& gy,
                    Tensor& ggamma) {
  const int64_t D = gamma.size(), lags = exponents.size();
  const T *base = gamma.data<T>(), *g = gy.data<T>();
  const double* e = exponents.data<double>();
  T* out = ggamma.data<T>();
  parallel_rows(gamma.device(), D, 16 * lags, [=] SKIFF_KERNEL(Row row) {
    const int64_t d = row.index;
    const double sum = row.sum(lags, [&](int64_t l) {
      return e[l] == 0 ? 0.0 : e[l] * std::pow(double(base[d]), e[l] - 1) * double(g[l * D + d]);
    });
    out[d] = T(sum);
  });
}

struct Powers {
  static constexpr auto name = "powers";
  std::vector<double> exponents;  // attribute
  Tensor gamma;                   // saved

  Tensor exponent_tensor() const {
    return tensor_of(exponents, {int64_t(exponents.size())}).to(gamma.device());
  }
  Tensor forward(const Tensor& gamma_in) {
    check_real(name, "gamma", gamma_in);
    check(gamma_in.rank() == 1, "powers: gamma must be (D), got ", gamma_in);
    if (gamma_in.device() == Device::CPU)
      for (const double g : to_vector(gamma_in))
        check(g >= 0 && g <= 1, "powers: gamma must lie in [0, 1], got ", g);
    for (const double e : exponents)
      check(e >= 0, "powers: exponents must not be negative, got ", e);
    gamma = gamma_in;
    Tensor y({int64_t(exponents.size()), gamma.size()}, gamma.dtype(), gamma.device());
    dispatch(gamma, [&]<class T> { power_table<T>(gamma, exponent_tensor(), y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor ggamma = empty_like(gamma);
    dispatch(gamma, [&]<class T> { gamma_gradient<T>(gamma, exponent_tensor(), gy, ggamma); });
    return {ggamma};
  }
  static std::vector<Sample<Powers>> samples() {
    return {{"circle of lags",
             {{0, 1, 2, 3, 0, 3, 2, 1}},
             {tensor_of(std::vector<double>{0.9, 0.5, 0.99}, {3})}},
            {"causal", {{0, 1, 2}}, {tensor_of(std::vector<double>{0.3, 0.7}, {2})}},
            {"length 1", {{0}}, {tensor_of(std::vector<double>{0.6}, {1})}}};
  }
};

}  // namespace

Variable powers(const Variable& gamma, const std::vector<double>& exponents) {
  return apply(Powers{exponents}, gamma);
}

}  // namespace skiff
