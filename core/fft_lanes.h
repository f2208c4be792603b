// FFT of power-of-two length over vectors of channels: one instruction does the same step for every
// channel of a block. Private to the _cpu files of this folder.
//
// A block has 2 W channels, W the width of a register. Row j of it is one complex vector
// z[j] = a[j] + i b[j]: channels 0 .. W-1 in the real part, W .. 2W-1 in the imaginary part. So one
// complex transform carries two real ones.
//
// A pass of radix R splits a transform of length L = R q into R of length q (decimation in
// frequency). With w = e^(-2 pi i / L), k = R k' + r and row j + q m, m < R:
//
//   Z[R k' + r] = sum_{j<q} e^(-2 pi i j k'/q)  w^(j r)  sum_{m<R} z[j + q m] e^(-2 pi i m r / R)
//
// The inner sum is `dft<R>`, w^(j r) the twiddle, the outer sum the transforms that are left. dft<R>
// leaves residue r at place s = the bits of r reversed, and sub-transform s in rows s q .. s q + q-1.
// So the finished transform has bin k at the row whose bits are those of k reversed; nothing is
// ever put in order. `join` undoes `split` up to a factor R (decimation in time): conjugate twiddles,
// then `inverse_dft<R>`, each step the inverse of the matching one, last to first.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

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

// ---- complex vectors ----
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
// a times the scalar w[0] + i w[1], or its conjugate
template <class T>
inline Row<T> times(const Row<T>& a, const T* w) {
  return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
template <class T>
inline Row<T> times_conj(const Row<T>& a, const T* w) {
  return {a.re * w[0] + a.im * w[1], a.im * w[0] - a.re * w[1]};
}

// f(0), f(1), .. f(n-1), each argument a constant: arrays indexed by it can live in registers.
template <int n, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

// a e^(-2 pi i eighths / 8), eighths < 4
template <int eighths, class T>
inline Row<T> turned(const Row<T>& a) {
  constexpr T h = T(0.70710678118654752440);
  if constexpr (eighths == 0) return a;
  if constexpr (eighths == 1) return {h * (a.re + a.im), h * (a.im - a.re)};
  if constexpr (eighths == 2) return {a.im, -a.re};
  if constexpr (eighths == 3) return {h * (a.im - a.re), -h * (a.re + a.im)};
}
template <int eighths, class T>
inline Row<T> turned_back(const Row<T>& a) {
  constexpr T h = T(0.70710678118654752440);
  if constexpr (eighths == 0) return a;
  if constexpr (eighths == 1) return {h * (a.re - a.im), h * (a.im + a.re)};
  if constexpr (eighths == 2) return {-a.im, a.re};
  if constexpr (eighths == 3) return {-h * (a.re + a.im), h * (a.re - a.im)};
}

// v[s] = sum_m v[m] e^(-2 pi i m r / R), s = bits of r reversed. Rows `count` and up are zero, and
// need not be set.
template <int R, int count, class T>
[[gnu::always_inline]] inline void dft(Row<T>* v) {
  if constexpr (R > 1) {
    constexpr int half = R / 2;
    unrolled<half>([&](auto i) __attribute__((always_inline)) {
      if constexpr (i + half < count) {
        const Row<T> difference = v[i] - v[i + half];
        v[i] = v[i] + v[i + half];
        v[i + half] = turned<8 * i / R>(difference);
      } else if constexpr (i < count) {
        v[i + half] = turned<8 * i / R>(v[i]);
      }
    });
    dft<half, (count < half ? count : half)>(v);
    dft<half, (count < half ? count : half)>(v + half);
  }
}

// The inverse up to a factor R. Only the first `count` results are made.
template <int R, int count, class T>
[[gnu::always_inline]] inline void inverse_dft(Row<T>* v) {
  if constexpr (R > 1) {
    constexpr int half = R / 2;
    inverse_dft<half, (count < half ? count : half)>(v);
    inverse_dft<half, (count < half ? count : half)>(v + half);
    unrolled<(count < half ? count : half)>([&](auto i) __attribute__((always_inline)) {
      const Row<T> back = turned_back<8 * i / R>(v[i + half]);
      if constexpr (i + half < count) v[i + half] = v[i] - back;
      v[i] = v[i] + back;
    });
  }
}

// ---- passes: one radix R step of a transform of length R q, twiddles w ----
// From load(row) to z. Rows count * q and up are zero and not loaded.
template <int R, int count, class T, class Load>
[[gnu::always_inline]] inline void split(Row<T>* z, int64_t q, const T* w, const Load& load) {
  for (int64_t j = 0; j < q; ++j, w += 2 * (R - 1)) {
    Row<T> v[R];
    unrolled<count>([&](auto m) __attribute__((always_inline)) { v[m] = load(j + m * q); });
    dft<R, count>(v);
    z[j] = v[0];
    unrolled<R - 1>([&](auto s) __attribute__((always_inline)) {
      z[j + (s + 1) * q] = times(v[s + 1], w + 2 * s);
    });
  }
}

// From z to store(row, value), rows below count * q only.
template <int R, int count, class T, class Store>
[[gnu::always_inline]] inline void join(const Row<T>* z, int64_t q, const T* w, const Store& store) {
  for (int64_t j = 0; j < q; ++j, w += 2 * (R - 1)) {
    Row<T> v[R];
    v[0] = z[j];
    unrolled<R - 1>([&](auto s) __attribute__((always_inline)) {
      v[s + 1] = times_conj(z[j + (s + 1) * q], w + 2 * s);
    });
    inverse_dft<R, count>(v);
    unrolled<count>([&](auto m) __attribute__((always_inline)) { store(j + m * q, v[m]); });
  }
}

inline int64_t reversed_bits(int64_t value, int bits) {
  int64_t r = 0;
  for (int i = 0; i < bits; ++i) r |= (value >> i & 1) << (bits - 1 - i);
  return r;
}

// w^(j r) for j = 0 .. q-1 and, inside, for places s = 1 .. R-1: re, im. Made once, kept.
template <class T>
const T* twiddles(int R, int64_t q);

// The passes of a transform of length F: radix 4 to the end, where 4 rows are left, and before
// that one of radix 4 or 8, whichever F needs.
template <class T>
struct Plan {
  int64_t F;
  int first_radix;
  const T* first;  // twiddles of the first pass
  explicit Plan(int64_t F);
  const T* later(int64_t length) const { return later_[std::countr_zero(uint64_t(length)) / 2]; }

 private:
  const T* later_[16];
};
inline constexpr int64_t kMinLength = 16;

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

// The first pass from a block: zeros beyond its rows and beyond the channels that are there.
template <int R, int count, class T>
void enter(const Plan<T>& plan, Row<T>* z, Block<const T> x) {
  const int64_t q = plan.F / R;
  if (x.n == count * q && x.channels == kChannels<T>) {
    split<R, count>(z, q, plan.first, [x](int64_t j) { return load(x.data + j * x.stride); });
  } else {
    split<R, count>(z, q, plan.first, [x](int64_t j) {
      return j >= x.n ? Row<T>{} : load_some(x.data + j * x.stride, x.channels);
    });
  }
}
// The last pass into a block.
template <int R, int count, class T>
void leave(const Plan<T>& plan, const Row<T>* z, Block<T> y) {
  const int64_t q = plan.F / R;
  if (y.n == count * q && y.channels == kChannels<T>) {
    join<R, count>(z, q, plan.first,
                   [y](int64_t j, const Row<T>& v) { store(y.data + j * y.stride, v); });
  } else {
    join<R, count>(z, q, plan.first, [y](int64_t j, const Row<T>& v) {
      if (j < y.n) store_some(y.data + j * y.stride, v, y.channels);
    });
  }
}

// Half of the rows are zero, or not needed, when there are not more than F/2.
template <class T>
void enter(const Plan<T>& plan, Row<T>* z, const Block<const T>& x) {
  const bool half = x.n <= plan.F / 2;
  if (plan.first_radix == 4) {
    half ? enter<4, 2>(plan, z, x) : enter<4, 4>(plan, z, x);
  } else {
    half ? enter<8, 4>(plan, z, x) : enter<8, 8>(plan, z, x);
  }
}
template <class T>
void leave(const Plan<T>& plan, const Row<T>* z, const Block<T>& y) {
  const bool half = y.n <= plan.F / 2;
  if (plan.first_radix == 4) {
    half ? leave<4, 2>(plan, z, y) : leave<4, 4>(plan, z, y);
  } else {
    half ? leave<8, 4>(plan, z, y) : leave<8, 8>(plan, z, y);
  }
}

}  // namespace skiff::lanes
