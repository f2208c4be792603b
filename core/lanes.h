// Blocks of channels: one instruction does the same step for every channel of a block. Private to
// _cpu files that leave out parallel.h: g++ or clang compiles them also in a CUDA build.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/tensor.h"

namespace skiff::lanes {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64;
#elif defined(__AVX__)
inline constexpr int kBytes = 32;
#else
inline constexpr int kBytes = 16;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kBytes)));
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kBytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline constexpr int64_t kWidth = kBytes / int64_t(sizeof(T));
template <class T>
inline constexpr int64_t kChannels = 2 * kWidth<T>;  // of a block

template <class T>
inline Vector<T> vector_at(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, kBytes);
  return v;
}

// Two vectors: the channels of a block at one place, or complex numbers.
template <class T>
struct Row {
  Vector<T> re, im;
};
template <class T>
inline Row<T> operator+(const Row<T>& a, const Row<T>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
inline Row<T> operator-(const Row<T>& a, const Row<T>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
inline Row<T> operator*(const Row<T>& a, const Row<T>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
inline Row<T> conj(const Row<T>& a) {
  return {a.re, -a.im};
}

// After the parameters of a lambda: g++ leaves some of them as calls, and arrays then in memory.
#define SKIFF_INLINED __attribute__((always_inline))

// f(0), f(1), .. f(n-1), each argument a constant: arrays indexed by it can live in registers.
template <int n, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) SKIFF_INLINED {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

// ---- rows of a tensor ----
// `channels` neighbouring channels of n rows that lie `stride` apart.
template <class T>
struct Block {
  T* data;
  int64_t n, stride, channels;
};

template <class T>
inline Row<T> load(const T* from) {
  return {vector_at(from), vector_at(from + kWidth<T>)};
}
template <class T>
inline void store(T* to, const Row<T>& z) {
  std::memcpy(to, &z.re, kBytes);
  std::memcpy(to + kWidth<T>, &z.im, kBytes);
}
template <class T>
Row<T> load_some(const T* from, int64_t channels) {
  if (channels == kChannels<T>) return load(from);
  T values[kChannels<T>] = {};
  std::copy_n(from, channels, values);
  return load(values);
}
template <class T>
void store_some(T* to, const Row<T>& z, int64_t channels) {
  if (channels == kChannels<T>) return store(to, z);
  T values[kChannels<T>];
  store(values, z);
  std::copy_n(values, channels, to);
}

// A complex number for each channel: a of the first half of the block, b of the second.
template <class T>
struct Pair {
  Row<T> a, b;
};

template <class T>
inline Pair<T> real_pair(const Vector<T>& a, const Vector<T>& b) {
  return {{a, Vector<T>{}}, {b, Vector<T>{}}};
}

// `width` complex numbers that stand in a row, zeros for the channels beyond.
template <class T>
inline Pair<T> load_complex(const Complex<T>* from, int64_t width) {
  Complex<T> some[kChannels<T>] = {};
  if (width < kChannels<T>) from = std::copy_n(from, width, some) - width;
  T re[kChannels<T>], im[kChannels<T>];
  for (int64_t c = 0; c < kChannels<T>; ++c) re[c] = from[c].re;
  for (int64_t c = 0; c < kChannels<T>; ++c) im[c] = from[c].im;
  const Row<T> reals = load(re), imaginaries = load(im);
  return {{reals.re, imaginaries.re}, {reals.im, imaginaries.im}};
}
template <class T>
inline void store_complex(Complex<T>* to, const Pair<T>& z, int64_t width) {
  T re[kChannels<T>], im[kChannels<T>];
  store(re, Row<T>{z.a.re, z.b.re});
  store(im, Row<T>{z.a.im, z.b.im});
  for (int64_t c = 0; c < width; ++c) to[c] = {re[c], im[c]};
}

// (outer, n, groups * D) as rows of blocks: no block has channels of two groups.
template <class T>
struct Layout {
  int64_t n, inner, D, groups, rows, blocks;
  Layout(AxisView v, int64_t D)
      : n(v.n),
        inner(v.inner),
        D(D),
        groups(v.inner / D),
        rows(v.outer * groups),
        blocks((D + kChannels<T> - 1) / kChannels<T>) {}
  int64_t first(int64_t block) const { return block * kChannels<T>; }
  int64_t width(int64_t block) const { return std::min(kChannels<T>, D - first(block)); }
  template <class U>
  Block<U> block(U* x, int64_t row, int64_t block) const {
    U* data = x + row / groups * n * inner + row % groups * D + first(block);
    return {data, n, inner, width(block)};
  }
};

// Uninitialised memory for `count` values of a type made of T.
template <class Value, class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : memory_({count * int64_t(sizeof(Value) / sizeof(T))}, DTypeOf<T>::value),
        values_(reinterpret_cast<Value*>(memory_.template data<T>())) {}
  Value* operator+(int64_t i) const { return values_ + i; }

 private:
  Tensor memory_;
  Value* values_;
};

// Less work than this, in rows of blocks, is left to one thread.
inline constexpr int64_t kGrain = 1 << 10;

}  // namespace skiff::lanes
