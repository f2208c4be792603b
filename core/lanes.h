// Blocks of channels: one instruction does the same step for every channel of a block. Private to
// _cpu files that leave out parallel.h: g++ or clang compiles them also in a CUDA build.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/complex.h"

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
inline constexpr int64_t kWidth = kBytes / int64_t(sizeof(T));  // channels of a block

template <class T>
inline Vector<T> vector_at(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, kBytes);
  return v;
}

// A complex number for each channel of a block.
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

// ---- memory ----
template <class T>
inline void store(T* to, const Vector<T>& v) {
  std::memcpy(to, &v, kBytes);
}
template <class T>
Vector<T> load_some(const T* from, int64_t channels) {
  if (channels == kWidth<T>) return vector_at(from);
  T values[kWidth<T>] = {};
  std::copy_n(from, channels, values);
  return vector_at(values);
}
template <class T>
void store_some(T* to, const Vector<T>& v, int64_t channels) {
  if (channels == kWidth<T>) return store<T>(to, v);
  T values[kWidth<T>];
  store<T>(values, v);
  std::copy_n(values, channels, to);
}

// `channels` complex numbers that stand side by side, zeros for the channels beyond.
template <class T>
inline Row<T> load_complex(const Complex<T>* from, int64_t channels) {
  Complex<T> some[kWidth<T>] = {};
  if (channels < kWidth<T>) from = std::copy_n(from, channels, some) - channels;
  T re[kWidth<T>], im[kWidth<T>];
  for (int64_t c = 0; c < kWidth<T>; ++c) re[c] = from[c].re;
  for (int64_t c = 0; c < kWidth<T>; ++c) im[c] = from[c].im;
  return {vector_at(re), vector_at(im)};
}
template <class T>
inline void store_complex(Complex<T>* to, const Row<T>& z, int64_t channels) {
  T re[kWidth<T>], im[kWidth<T>];
  store<T>(re, z.re);
  store<T>(im, z.im);
  for (int64_t c = 0; c < channels; ++c) to[c] = {re[c], im[c]};
}

// Less work than this, in rows of blocks, is left to one thread.
inline constexpr int64_t kGrain = 1 << 10;

}  // namespace skiff::lanes
