// FFT of power-of-two length F of a block of real channels. Private to the _cpu files of this
// folder.
//
// A block has as many channels as a register has lanes, and no lane ever meets another: channels
// are independent of each other, of their sizes and of their NaNs. Two neighbouring samples of a
// channel make one complex number, z[j] = x[2j] + i x[2j+1], so that a complex transform of length
// M = F/2 serves the F real samples.
//
// A pass of radix R splits a transform of length L = R q into R of length q (decimation in
// frequency). With w = e^(-2 pi i / L), k = R k' + r and row j + q m, m < R:
//
//   Z[R k' + r] = sum_{j<q} e^(-2 pi i j k'/q)  w^(j r)  sum_{m<R} z[j + q m] e^(-2 pi i m r / R)
//
// The inner sum is `dft<R>`, w^(j r) the twiddle, the outer sum the transforms that are left.
// dft<R> leaves residue r at place s = the bits of r reversed, and sub-transform s in rows s q .. s
// q + q-1. So the finished transform has bin k at the row whose bits are those of k reversed;
// nothing is ever put in order. `join_pass` undoes `split_pass` up to a factor R (decimation in
// time): conjugate twiddles, then `inverse_dft<R>`, each step the inverse of the matching one, last
// to first.
#pragma once

#include <bit>
#include <cstdint>

#include "core/channel_blocks.h"
#include "core/lanes.h"

namespace skiff::lanes {

// a times the scalar w[0] + i w[1], or its conjugate
template <class T>
inline Row<T> times(const Row<T>& a, const T* w) {
  return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
template <class T>
inline Row<T> times_conj(const Row<T>& a, const T* w) {
  return {a.re * w[0] + a.im * w[1], a.im * w[0] - a.re * w[1]};
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
    unrolled<half>([&](auto i) SKIFF_INLINED {
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
    unrolled<(count < half ? count : half)>([&](auto i) SKIFF_INLINED {
      const Row<T> back = turned_back<8 * i / R>(v[i + half]);
      if constexpr (i + half < count) v[i + half] = v[i] - back;
      v[i] = v[i] + back;
    });
  }
}

// ---- passes: one radix R step of a transform of length R q, twiddles w ----
// From load(row) to z. Rows count * q and up are zero and not loaded.
template <int R, int count, class T, class Load>
[[gnu::always_inline]] inline void split_pass(Row<T>* z, int64_t q, const T* w, const Load& load) {
  for (int64_t j = 0; j < q; ++j, w += 2 * (R - 1)) {
    Row<T> v[R];
    unrolled<count>([&](auto m) SKIFF_INLINED { v[m] = load(j + m * q); });
    dft<R, count>(v);
    z[j] = v[0];
    unrolled<R - 1>([&](auto s) SKIFF_INLINED { z[j + (s + 1) * q] = times(v[s + 1], w + 2 * s); });
  }
}

// From z to store(row, value), rows below count * q only.
template <int R, int count, class T, class Store>
[[gnu::always_inline]] inline void join_pass(const Row<T>* z, int64_t q, const T* w,
                                             const Store& store) {
  for (int64_t j = 0; j < q; ++j, w += 2 * (R - 1)) {
    Row<T> v[R];
    v[0] = z[j];
    unrolled<R - 1>([&](auto s) SKIFF_INLINED {
      const Row<T>& from = z[j + (s + 1) * q];
      v[s + 1] = times_conj(from, w + 2 * s);
    });
    inverse_dft<R, count>(v);
    unrolled<count>([&](auto m) SKIFF_INLINED { store(j + m * q, v[m]); });
  }
}

// The low `bits` bits of a value below 2^32, first to last.
inline int64_t reversed_bits(int64_t value, int bits) {
  uint32_t v = uint32_t(value);
  v = (v & 0x55555555u) << 1 | (v >> 1 & 0x55555555u);
  v = (v & 0x33333333u) << 2 | (v >> 2 & 0x33333333u);
  v = (v & 0x0f0f0f0fu) << 4 | (v >> 4 & 0x0f0f0f0fu);
  return int64_t(__builtin_bswap32(v) >> (32 - bits));
}

// w^(j r) for j = 0 .. q-1 and, inside, for places s = 1 .. R-1: re, im. Made once, kept.
template <class T>
const T* twiddles(int R, int64_t q);

// e^(-2 pi i k / F) / i for all slots of the walk below, k the bin in the first row of the slot:
// re, im. Made once, kept.
template <class T>
const T* rotations(int64_t F);

// The passes of a complex transform of length M = F/2: radix 4 to the end, where 4 rows are left,
// and before that one of radix 4 or 8, whichever M needs.
template <class T>
struct Plan {
  int64_t F, M;
  int first_radix;
  const T* first;  // twiddles of the first pass
  const T* rotation;
  explicit Plan(int64_t F);
  const T* later(int64_t length) const { return later_[std::countr_zero(uint64_t(length)) / 2]; }

 private:
  const T* later_[16];
};

// The first pass from a block: zeros beyond its rows and beyond the channels that are there.
template <int R, int count, class T>
void enter(const Plan<T>& plan, Row<T>* z, Block<const T> x) {
  const int64_t q = plan.M / R;
  if (x.n == 2 * count * q && x.channels == kWidth<T>) {
    split_pass<R, count>(z, q, plan.first, [x](int64_t j) {
      const T* from = x.data + 2 * j * x.stride;
      return Row<T>{vector_at(from), vector_at(from + x.stride)};
    });
  } else {
    const auto sample = [x](int64_t j) {
      return j >= x.n ? Vector<T>{} : load_some(x.data + j * x.stride, x.channels);
    };
    split_pass<R, count>(z, q, plan.first, [sample](int64_t j) {
      return Row<T>{sample(2 * j), sample(2 * j + 1)};
    });
  }
}
// The last pass into a block.
template <int R, int count, class T>
void leave(const Plan<T>& plan, const Row<T>* z, Block<T> y) {
  const int64_t q = plan.M / R;
  if (y.n == 2 * count * q && y.channels == kWidth<T>) {
    join_pass<R, count>(z, q, plan.first, [y](int64_t j, const Row<T>& v) {
      T* to = y.data + 2 * j * y.stride;
      store<T>(to, v.re);
      store<T>(to + y.stride, v.im);
    });
  } else {
    const auto put = [y](int64_t j, const Vector<T>& v) {
      if (j < y.n) store_some<T>(y.data + j * y.stride, v, y.channels);
    };
    join_pass<R, count>(z, q, plan.first, [put](int64_t j, const Row<T>& v) {
      put(2 * j, v.re);
      put(2 * j + 1, v.im);
    });
  }
}

// Half of the rows are zero, or not needed, when there are not more than F/2 samples.
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

// ---- the walk ----
// From Z, of length M, to the spectrum X of the real signal, of length F = 2M. With A, B the
// transforms of the even and of the odd samples, Z = A + i B. Write Z' for the conjugate of Z at
// the mirrored bin, Z'[k] = conj(Z[-k]). A real signal has A' = A, so Z' = A - i B, and with the
// rotation r = e^(-2 pi i k / F) / i
//
//   E = Z + Z' = 2 A        O = Z - Z' = 2 i B
//   E + r O = 2 X[k]        E - r O = 2 conj(X[M-k])
//
// so the bins k and -k are worked on together. Back, from P = X[k] and Q = conj(X[M-k]):
//
//   2 Z = (P + Q) + conj(r) (P - Q)        2 Z' = (P + Q) - conj(r) (P - Q)
//
// Bin 0 is its own mirror, and so is bin M/2:
//
//   X[0] = re Z[0] + im Z[0]    X[M] = re Z[0] - im Z[0]    X[M/2] = conj(Z[M/2])
//
// Mirrored rows. Bin k stands in row p, the bits of k reversed. -k keeps the lowest set bit of k
// and what is below it, and flips what is above. So the mirror of p keeps the highest set bit m of
// p and flips what is below:  p = m + i  <->  2m - 1 - i.  Rows [m, 2m), m >= 2, are pairs, first
// against last; row 0 is bin 0 and row 1 is bin M/2. The pair of row p = m + i, i < m/2, has slot
// p - m/2: slots m/2 .. m-1 are the pairs of rows [m, 2m), and slot 0 is left for rows 0 and 1.
//
// A pass splits rows [0, L) into R parts. Part 0 is again such a start; part 1, rows [q, 2q),
// mirrors itself; parts m .. 2m-1 mirror each other in pairs, first against last. Of a part that
// mirrors itself, or of two that mirror each other, the parts do so in turn, again first against
// last. So the walk goes down mirrored parts together, to where 4 rows are left, and joins them on
// the way back: depth first, and a part that fits into a cache level is fetched into it once.
//
// `work` says what is done: split(at, length), join(at, length) are passes over rows at .. at +
// length-1; take(at), put(at, four) the last and the first one, between memory and registers;
// pair(u, i, v, j, slot) gets rows i of u and j of v, which mirror each other, ends(u) rows 0
// and 1.

// Rows [a, a + length) and [b, b + length) mirror each other; `slot` is that of row a.
template <class Work>
void walk_pair(const Work& work, int64_t a, int64_t b, int64_t slot, int64_t length) {
  if (length == 4) {
    auto u = work.take(a), v = work.take(b);
    unrolled<4>([&](auto i) SKIFF_INLINED { work.pair(u, i, v, 3 - i, slot + i); });
    work.put(a, u);
    work.put(b, v);
    return;
  }
  const int64_t q = length / 4;
  work.split(a, length);
  work.split(b, length);
  for (int i = 0; i < 4; ++i) walk_pair(work, a + i * q, b + (3 - i) * q, slot + i * q, q);
  work.join(a, length);
  work.join(b, length);
}

// Rows [m, 2m) mirror themselves.
template <class Work>
void walk_self(const Work& work, int64_t m) {
  if (m == 4) {
    auto u = work.take(m);
    unrolled<2>([&](auto i) SKIFF_INLINED { work.pair(u, i, u, 3 - i, m / 2 + i); });
    work.put(m, u);
    return;
  }
  const int64_t q = m / 4;
  work.split(m, m);
  for (int i = 0; i < 2; ++i) walk_pair(work, m + i * q, m + (3 - i) * q, m / 2 + i * q, q);
  work.join(m, m);
}

template <class Work>
void walk_start(const Work& work, int64_t length);

// The parts of rows [0, radix * q), once they are split.
template <class Work>
void walk_parts(const Work& work, int radix, int64_t q) {
  walk_start(work, q);
  walk_self(work, q);
  for (int m = 2; m < radix; m *= 2)
    for (int i = 0; i < m / 2; ++i)
      walk_pair(work, (m + i) * q, (2 * m - 1 - i) * q, (m / 2 + i) * q, q);
}

// Rows [0, length).
template <class Work>
void walk_start(const Work& work, int64_t length) {
  if (length == 4) {
    auto u = work.take(0);
    work.ends(u);
    work.pair(u, 2, u, 3, 1);
    work.put(0, u);
    return;
  }
  work.split(0, length);
  walk_parts(work, 4, length / 4);
  work.join(0, length);
}

template <class T, class Work>
void walk(const Plan<T>& plan, const Work& work) {
  walk_parts(work, plan.first_radix, plan.M / plan.first_radix);
}

// X[k] of a channel and conj(X[M-k]), both times the same factor.
template <class T>
struct Pair {
  Row<T> a, b;
};

// 2 X[k], 2 conj(X[M-k]) from Z and Z at the mirrored bin
template <class T>
[[gnu::always_inline]] inline Pair<T> to_spectrum(const Row<T>& z, const Row<T>& mirror,
                                                  const T* rotation) {
  const Row<T> E = z + conj(mirror), O = times(z - conj(mirror), rotation);
  return {E + O, E - O};
}
// The inverse up to a factor 4.
template <class T>
[[gnu::always_inline]] inline void from_spectrum(const Pair<T>& X, Row<T>& z, Row<T>& mirror,
                                                 const T* rotation) {
  const Row<T> E = X.a + X.b, O = times_conj(X.a - X.b, rotation);
  z = E + O;
  mirror = conj(E - O);
}

// The passes over one signal.
template <class T>
struct Signal {
  const Plan<T>& plan;
  Row<T>* z;

  struct Four {
    Row<T> v[4];
  };
  void split(int64_t at, int64_t length) const {
    Row<T>* part = z + at;
    split_pass<4, 4>(part, length / 4, plan.later(length), [=](int64_t row) { return part[row]; });
  }
  void join(int64_t at, int64_t length) const {
    Row<T>* part = z + at;
    join_pass<4, 4>(part, length / 4, plan.later(length),
                    [=](int64_t row, const Row<T>& value) { part[row] = value; });
  }
  [[gnu::always_inline]] Four take(int64_t at) const {
    Four four{{z[at], z[at + 1], z[at + 2], z[at + 3]}};
    dft<4, 4>(four.v);
    return four;
  }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const {
    inverse_dft<4, 4>(four.v);
    unrolled<4>([&](auto r) SKIFF_INLINED { z[at + r] = four.v[r]; });
  }
};

// The bin in the first row of a slot, of M; 0 for slot 0.
inline int64_t bin_of(int64_t slot, int64_t M) {
  const int64_t row = slot + int64_t(std::bit_floor(uint64_t(slot)));
  return reversed_bits(row, std::countr_zero(uint64_t(M)));
}

}  // namespace skiff::lanes
