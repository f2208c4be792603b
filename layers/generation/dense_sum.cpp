// y[i] from the last M inputs, which a ring keeps. Its size is a power of two, so that the place of
// input j is j mod size for ever.
#include <bit>
#include <cstring>

#include "layers/generation/causal_sum.h"
#include "layers/generation/rows.h"

namespace skiff {
namespace {

template <class T>
class DenseSum : public CausalSum<T> {
 public:
  explicit DenseSum(const Tensor& kernel)
      : kernel_(kernel),
        lags_(kernel.size(0)),
        channels_(kernel.size(1)),
        size_(int64_t(std::bit_ceil(uint64_t(lags_)))),
        inputs_(zeros({size_, channels_}, kernel.dtype())) {}

  void step(const T* x, T* y) override {
    std::memcpy(row(i_), x, size_t(channels_) * sizeof(T));
    const int64_t first = std::max(int64_t(0), i_ - lags_ + 1), last = i_++;
    const T* kernel = kernel_.data<T>();
    const T* inputs = inputs_.data<T>();
    rows::for_each_group(channels_, last - first + 1, rows::Sums<T>::kChannels,
                         [&](int64_t c, int64_t width) {
                           rows::Sums<T> sums(nullptr, width);
                           for (int64_t j = first; j <= last; ++j)
                             sums.add(kernel + (last - j) * channels_ + c,
                                      inputs + (j & (size_ - 1)) * channels_ + c);
                           sums.store(y + c);
                         });
  }

  void take(const T* x, int64_t n) override {
    for (int64_t k = std::max(int64_t(0), n - size_); k < n; ++k)
      std::memcpy(row(i_ + k), x + k * channels_, size_t(channels_) * sizeof(T));
    i_ += n;
  }

  CausalSumPtr<T> copy() const override {
    auto other = std::make_unique<DenseSum>(*this);
    other->inputs_ = inputs_.clone();
    return other;
  }
  void reset() override { i_ = 0; }
  int64_t bytes() const override { return inputs_.bytes(); }

 private:
  T* row(int64_t j) { return inputs_.data<T>() + (j & (size_ - 1)) * channels_; }

  Tensor kernel_;
  int64_t lags_, channels_, size_;
  Tensor inputs_;  // (size, channels)
  int64_t i_ = 0;  // inputs so far
};

}  // namespace

template <class T>
CausalSumPtr<T> dense_sum(const Tensor& kernel) {
  rows::check_kernel<T>(kernel);
  return std::make_unique<DenseSum<T>>(kernel);
}

template CausalSumPtr<float> dense_sum(const Tensor&);
template CausalSumPtr<double> dense_sum(const Tensor&);

}  // namespace skiff
