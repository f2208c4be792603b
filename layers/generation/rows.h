// Sums of products of rows: y[c] = sum_j t_j[c] x_j[c], a group of neighbouring channels in
// registers. The order of a sum is that of its calls, whatever the group: one rounding per
// multiply-add, in every file that adds this way.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "core/check.h"
#include "core/lanes.h"
#include "core/tensor.h"

namespace skiff::rows {

using lanes::kWidth;
using lanes::Vector;

// Below this, in multiply-adds, one thread is faster than two.
inline constexpr int64_t kGrain = 1 << 18;

template <class T>
class Sums {
 public:
  static constexpr int kVectors = 4;
  static constexpr int64_t kChannels = kVectors * kWidth<T>;

  // Starts from `from`, or from 0 for nullptr. width: channels, at most kChannels.
  Sums(const T* from, int64_t width) : width_(width) {
    for (int v = 0; v < kVectors; ++v) sums_[v] = from ? load(from, v) : Vector<T>{};
  }
  [[gnu::always_inline]] void add(const T* t, const T* x) {
    if (width_ == kChannels) {
      for (int v = 0; v < kVectors; ++v)
        sums_[v] += lanes::vector_at(t + v * kWidth<T>) * lanes::vector_at(x + v * kWidth<T>);
    } else {
      for (int v = 0; v < kVectors; ++v) sums_[v] += load(t, v) * load(x, v);
    }
  }
  void store(T* to) const {
    for (int v = 0; v < kVectors; ++v)
      if (channels(v) > 0) lanes::store_some<T>(to + v * kWidth<T>, sums_[v], channels(v));
  }

 private:
  int64_t channels(int v) const { return std::min(width_ - v * kWidth<T>, kWidth<T>); }
  Vector<T> load(const T* from, int v) const {
    return channels(v) > 0 ? lanes::load_some(from + v * kWidth<T>, channels(v)) : Vector<T>{};
  }

  int64_t width_;
  Vector<T> sums_[kVectors];
};

// f(i) for i in [0, count). A team of one thread is no gain: its end costs a system call.
template <class F>
void for_each(int64_t count, bool in_parallel, const F& f) {
  if (!in_parallel || count < 2 || omp_get_max_threads() < 2) {
    for (int64_t i = 0; i < count; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) f(i);
}

// f(first channel, channels) for groups of at most `width` channels; work: per channel.
template <class F>
void for_each_group(int64_t channels, int64_t work, int64_t width, const F& f) {
  for_each((channels + width - 1) / width, channels * work >= kGrain,
           [&](int64_t g) { f(g * width, std::min(width, channels - g * width)); });
}

template <class T>
void check_kernel(const Tensor& kernel) {
  check(kernel.rank() == 2 && kernel.dtype() == DTypeOf<T>::value &&
            kernel.device() == Device::CPU && kernel.size(0) >= 1 && kernel.size(1) >= 1,
        "causal sum: the kernel must be ", name_of(DTypeOf<T>::value),
        " (lags, channels) on the CPU, got ", kernel);
}

}  // namespace skiff::rows
