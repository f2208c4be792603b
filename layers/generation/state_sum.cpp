// The causal sum from a few states: its time per input does not depend on the kernel's length.
#include <cstring>
#include <vector>

#include "layers/generation/causal_sum.h"
#include "layers/generation/rows.h"

namespace skiff {
namespace {

template <class T>
class StateSum : public CausalSum<T> {
 public:
  explicit StateSum(const StateKernel& k)
      : exact_(k.exact.size(0)),
        states_(k.b.size(0)),
        channels_(k.exact.size(1)),
        A_(k.A.to(DTypeOf<T>::value)),
        b_(k.b.to(DTypeOf<T>::value)),
        c_(k.c.to(DTypeOf<T>::value)),
        z_(zeros(k.b.shape(), DTypeOf<T>::value)),
        next_(z_.clone()) {
    if (exact_ > 0) {
      recent_ = dense_sum<T>(k.exact.to(DTypeOf<T>::value));
      delayed_.assign(size_t(exact_ * channels_), T(0));
    }
  }
  StateSum(const StateSum& other)
      : exact_(other.exact_),
        states_(other.states_),
        channels_(other.channels_),
        A_(other.A_),
        b_(other.b_),
        c_(other.c_),
        z_(other.z_.clone()),
        next_(other.next_.clone()),
        recent_(other.recent_ ? other.recent_->copy() : nullptr),
        delayed_(other.delayed_),
        i_(other.i_) {}

  void step(const T* x, T* y) override {
    if (recent_)
      recent_->step(x, y);
    else
      std::fill_n(y, channels_, T(0));
    advance(x);
    const T *c = c_.data<T>(), *z = z_.data<T>();
    for (int64_t d = 0; d < channels_; d += rows::Sums<T>::kChannels) {
      rows::Sums<T> sums(y + d, std::min(rows::Sums<T>::kChannels, channels_ - d));
      for (int64_t a = 0; a < states_; ++a) sums.add(c + a * channels_ + d, z + a * channels_ + d);
      sums.store(y + d);
    }
  }

  void take(const T* x, int64_t n) override {
    for (int64_t k = 0; k < n; ++k) advance(x + k * channels_);
    if (recent_) recent_->take(x, n);
  }

  CausalSumPtr<T> copy() const override { return std::make_unique<StateSum>(*this); }
  void reset() override {
    i_ = 0;
    std::memset(z_.raw(), 0, size_t(z_.bytes()));
    std::fill(delayed_.begin(), delayed_.end(), T(0));
    if (recent_) recent_->reset();
  }
  int64_t bytes() const override {
    return 2 * z_.bytes() + int64_t(delayed_.size() * sizeof(T)) + (recent_ ? recent_->bytes() : 0);
  }

 private:
  // z <- A z + b x[i - m], where m inputs wait in a ring.
  void advance(const T* x) {
    const T* arriving = x;
    T* waiting = nullptr;
    if (exact_ > 0) arriving = waiting = delayed_.data() + i_++ % exact_ * channels_;
    rows::for_each_group(channels_, states_ * states_, rows::Sums<T>::kChannels,
                         [&](int64_t d, int64_t width) {
                           for (int64_t a = 0; a < states_; ++a) {
                             rows::Sums<T> sums(nullptr, width);
                             sums.add(b_.data<T>() + a * channels_ + d, arriving + d);
                             for (int64_t e = 0; e < states_; ++e)
                               sums.add(A_.data<T>() + (a * states_ + e) * channels_ + d,
                                        z_.data<T>() + e * channels_ + d);
                             sums.store(next_.data<T>() + a * channels_ + d);
                           }
                         });
    std::swap(z_, next_);
    if (waiting) std::memcpy(waiting, x, size_t(channels_) * sizeof(T));
  }

  int64_t exact_, states_, channels_;
  Tensor A_, b_, c_;        // (s, s, channels), (s, channels), (s, channels)
  Tensor z_, next_;         // (s, channels)
  CausalSumPtr<T> recent_;  // of the exact lags; none without them
  std::vector<T> delayed_;  // (m, channels): the last m inputs
  int64_t i_ = 0;
};

}  // namespace

template <class T>
CausalSumPtr<T> state_sum(const StateKernel& kernel) {
  return std::make_unique<StateSum<T>>(kernel);
}

template CausalSumPtr<float> state_sum(const StateKernel&);
template CausalSumPtr<double> state_sum(const StateKernel&);

}  // namespace skiff
