// ETSC: any Toeplitz kernel, exactly, as a sum of states (arXiv 2311.08756). With t[l] = gamma^l
// rho[l], l < M, and m = M + 1, let rho[M] be minus the sum of the others, so that the mean of all
// m values is 0. Their inverse transform
//
//   b[k] = (1/m) sum_{l <= M} rho[l] e^(2 pi i k l / m),   b[0] = 0
//
// writes rho[l] as sum_k b[k] e^(-2 pi i k l / m) for every l <= M, so with one complex state per k
//
//   u[k] <- lambda[k] u[k] + b[k] x,   lambda[k] = gamma e^(-2 pi i k / m),   y = Re sum_k u[k]
//
// has the kernel gamma^l rho[l mod m] at all lags: the wanted one for l < M, and its decayed
// repetition beyond, not zero. b of a real kernel is symmetric, b[m-k] = conj(b[k]), so half of the
// states serve, k = 1 .. floor(m/2): those of k and m-k have the same real part, so b[k] is
// doubled, but not where 2k = m, which is its own partner. b[0] = 0 needs no state. A step costs
// about 5.5 flop per lag, where the sum over a ring costs 2: constant in the position, but not
// small.
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "layers/generation/causal_sum.h"
#include "layers/generation/rows.h"

namespace skiff {
namespace {

template <class T>
class EtscSum : public CausalSum<T> {
 public:
  EtscSum(const Tensor& kernel, double gamma)
      : channels_(kernel.size(1)), states_((kernel.size(0) + 1) / 2) {
    const int64_t M = kernel.size(0), m = M + 1, D = channels_;
    const Tensor t = kernel.to(DType::Float64);
    Tensor rho({m, D}, DType::Float64);
    double* r = rho.data<double>();
    for (int64_t d = 0; d < D; ++d) {
      double sum = 0;
      for (int64_t l = 0; l < M; ++l)
        sum += r[l * D + d] = t.data<double>()[l * D + d] * std::pow(gamma, -double(l));
      r[M * D + d] = -sum;
    }
    b_ = zeros({states_, 2, D}, DType::Float64);
    u_ = zeros({states_, 2, D}, DType::Float64);
    for (int64_t k = 1; k <= states_; ++k) {
      const double angle = -2 * std::numbers::pi * double(k) / double(m);
      lambda_.push_back({gamma * std::cos(angle), gamma * std::sin(angle)});
      const double both = 2 * k == m ? 1 : 2;  // states that this one replaces
      double* b = b_.data<double>() + (k - 1) * 2 * D;
      for (int64_t l = 0; l < m; ++l) {
        const double turn = -angle * double(k * l % m) / double(k);
        const double re = both * std::cos(turn) / double(m), im = both * std::sin(turn) / double(m);
        for (int64_t d = 0; d < D; ++d) b[d] += re * r[l * D + d], b[D + d] += im * r[l * D + d];
      }
    }
  }

  void step(const T* x, T* y) override {
    advance(x);
    const int64_t D = channels_;
    for (int64_t d = 0; d < D; ++d) {
      double sum = 0;
      for (int64_t k = 0; k < states_; ++k) sum += u_.data<double>()[k * 2 * D + d];
      y[d] = T(sum);
    }
  }
  void take(const T* x, int64_t n) override {
    for (int64_t k = 0; k < n; ++k) advance(x + k * channels_);
  }
  CausalSumPtr<T> copy() const override {
    auto other = std::make_unique<EtscSum>(*this);
    other->u_ = u_.clone();
    return other;
  }
  void reset() override { std::memset(u_.raw(), 0, size_t(u_.bytes())); }
  int64_t bytes() const override { return u_.bytes(); }

 private:
  void advance(const T* x) {
    const int64_t D = channels_;
    for (int64_t k = 0; k < states_; ++k) {
      const double re = lambda_[size_t(k)].re, im = lambda_[size_t(k)].im;
      const double* b = b_.data<double>() + k * 2 * D;
      double* u = u_.data<double>() + k * 2 * D;
#pragma omp simd
      for (int64_t d = 0; d < D; ++d) {
        const double was = u[d], input = double(x[d]);
        u[d] = re * was - im * u[D + d] + b[d] * input;
        u[D + d] = im * was + re * u[D + d] + b[D + d] * input;
      }
    }
  }

  struct Rotation {
    double re, im;
  };
  int64_t channels_, states_;  // states of k = 1 .. floor(m/2)
  std::vector<Rotation> lambda_;
  Tensor b_, u_;  // (states, 2, channels): real and imaginary parts, float64
};

}  // namespace

template <class T>
CausalSumPtr<T> etsc_sum(const Tensor& kernel, double gamma) {
  rows::check_kernel<T>(kernel);
  check<UsageError>(gamma > 0 && gamma <= 1, "etsc: the decay must lie in (0, 1], got ", gamma);
  const double last = -double(kernel.size(0) - 1) * std::log(gamma);  // gamma^-(M-1) = e^this
  check<UsageError>(last < 700, "etsc: gamma^-lag must fit into a number, got a kernel of ",
                    kernel.size(0), " lags for gamma ", gamma);
  return std::make_unique<EtscSum<T>>(kernel, gamma);
}

template CausalSumPtr<float> etsc_sum(const Tensor&, double);
template CausalSumPtr<double> etsc_sum(const Tensor&, double);

}  // namespace skiff
