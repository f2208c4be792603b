// spectral_conv for power-of-two lengths: transform, product and inverse of a block of channels in
// one walk over memory that stays in cache. fft_lanes.h has the transform.
//
// Two channels in one transform. z = a + i b with real a, b has Z = A + i B. Write Z' for the
// conjugate of Z at the mirrored bin, Z'[k] = conj(Z[-k]). A real signal has A' = A, so Z' = A - i B:
//
//   E = Z + Z' = 2 A        O = Z - Z' = 2 i B
//
// With responses S_a, S_b the product is Y = S_a A + i S_b B, and with s = S / 2:
//
//   Y = s_a E + s_b O       Y' = s_a E - s_b O
//
// so a pair of bins (k, -k) goes in and comes out together. Bins 0 and F/2 are their own mirror;
// there A, B and Y's two parts are real: re Y = re S_a re Z, im Y = re S_b im Z (imaginary parts of S
// have no part in it). The two channels share their rounding: an error of size eps times the larger.
//
// Backward. With X, G the transforms of a block of x and of gy, E_x = 2 X_a, and so on:
//
//   gx:  the same product with conj(S)
//   gS:  conj(X_a) G_a = conj(E_x) E_g / 4,    conj(X_b) G_b = conj(O_x) O_g / 4
//
// Mirrored rows. Bin k stands in row p, the bits of k reversed (fft_lanes.h). -k keeps the lowest
// set bit of k and what is below it, and flips what is above. So the mirror of p keeps the highest
// set bit m of p and flips what is below:  p = m + i  <->  2m - 1 - i.  Rows [m, 2m), m >= 2, are
// pairs, first against last; row 0 is bin 0 and row 1 is bin F/2. Pair p = m + i, i < m/2, has slot
// p - m/2: slots m/2 .. m-1 are the pairs of rows [m, 2m), and slot 0 is left for rows 0 and 1.
//
// The walk. A pass splits rows [0, L) into R parts. Part 0 is again such a start; part 1, rows
// [q, 2q), mirrors itself; parts m .. 2m-1 mirror each other in pairs, first against last. Of a
// part that mirrors itself, or of two that mirror each other, the parts do so in turn, again first
// against last. So the walk goes down mirrored parts together, multiplies where 4 rows are left, in
// registers, and joins them on the way back: depth first, and a part that fits into a cache level is
// fetched into it once.
//
// Tasks are fixed by the shapes, and every sum has one order: the number of threads changes no bit.
// Backward transforms x again. Keeping the spectra instead would take 2 F / n times the memory of x
// and about as long: PLACEHOLDER
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/fft_lanes.h"
#include "core/spectral_conv.h"

namespace skiff {
namespace {

using lanes::Block;
using lanes::kChannels;
using lanes::Plan;
using lanes::Row;
using lanes::Vector;

// Responses of the two channels of a lane at one slot; at slot 0 the real parts of bin 0 in the
// real parts, those of bin F/2 in the imaginary parts.
template <class T>
struct Slot {
  Row<T> a, b;
};

// Less work than this is left to one thread.
constexpr int64_t kGrain = 1 << 10;

// (outer, n, groups * D) as rows of blocks.
struct Layout {
  int64_t n, inner, D, groups, rows, blocks, channels;
  Layout(AxisView v, int64_t D, int64_t channels)
      : n(v.n), inner(v.inner), D(D), groups(v.inner / D), rows(v.outer * groups),
        blocks((D + channels - 1) / channels), channels(channels) {}
  template <class T>
  Block<T> block(T* x, int64_t row, int64_t block) const {
    return {x + row / groups * n * inner + row % groups * D + block * channels, n, inner, width(block)};
  }
  int64_t width(int64_t block) const { return std::min(channels, D - block * channels); }
};

// ---- products of a pair of mirrored rows, and of rows 0 and 1 ----
// Factors: 1/F of the inverse, 1/2 of s = S / 2; at slot 0 only the first. Both stand in the slots.
template <class T>
T slot_scale(int64_t slot, int64_t F) {
  return T(slot == 0 ? 1 : 0.5) / T(F);
}

template <bool conjugate, class T>
[[gnu::always_inline]] inline void multiply(Row<T>& z, Row<T>& mirror, const Slot<T>& s) {
  const Row<T> E = z + conj(mirror), O = z - conj(mirror);
  const Row<T> A = (conjugate ? conj(s.a) : s.a) * E, B = (conjugate ? conj(s.b) : s.b) * O;
  z = A + B;
  mirror = {A.re - B.re, B.im - A.im};
}
template <class T>
[[gnu::always_inline]] inline void multiply_ends(Row<T>& first, Row<T>& middle, const Slot<T>& s) {
  first = {s.a.re * first.re, s.b.re * first.im};
  middle = {s.a.im * middle.re, s.b.im * middle.im};
}

// sum += conj(E_x) E_g, conj(O_x) O_g
template <class T>
[[gnu::always_inline]] inline void add(Slot<T>& sum, const Row<T>& x, const Row<T>& x_mirror, const Row<T>& g,
         const Row<T>& g_mirror) {
  sum.a = sum.a + conj(x + conj(x_mirror)) * (g + conj(g_mirror));
  sum.b = sum.b + conj(x - conj(x_mirror)) * (g - conj(g_mirror));
}
template <class T>
[[gnu::always_inline]] inline void add_ends(Slot<T>& sum, const Row<T>& x0, const Row<T>& x1, const Row<T>& g0, const Row<T>& g1) {
  sum.a = sum.a + Row<T>{x0.re * g0.re, x1.re * g1.re};
  sum.b = sum.b + Row<T>{x0.im * g0.im, x1.im * g1.im};
}

// ---- what is done on the walk: passes over one signal or two, products of four rows at a time ----
template <class T>
struct Signal {
  const Plan<T>& plan;
  Row<T>* z;

  struct Four {
    Row<T> v[4];
  };
  void split(int64_t at, int64_t length) const {
    Row<T>* part = z + at;
    lanes::split<4, 4>(part, length / 4, plan.later(length), [=](int64_t row) { return part[row]; });
  }
  void join(int64_t at, int64_t length) const {
    Row<T>* part = z + at;
    lanes::join<4, 4>(part, length / 4, plan.later(length),
                      [=](int64_t row, const Row<T>& value) { part[row] = value; });
  }
  [[gnu::always_inline]] Four take(int64_t at) const {
    Four four{{z[at], z[at + 1], z[at + 2], z[at + 3]}};
    lanes::dft<4, 4>(four.v);
    return four;
  }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const {
    lanes::inverse_dft<4, 4>(four.v);
    lanes::unrolled<4>([&](auto r) { z[at + r] = four.v[r]; });
  }
};

template <class T>
struct Forward {
  Signal<T> x;
  const Slot<T>* S;

  using Four = typename Signal<T>::Four;
  void split(int64_t at, int64_t length) const { x.split(at, length); }
  void join(int64_t at, int64_t length) const { x.join(at, length); }
  [[gnu::always_inline]] Four take(int64_t at) const { return x.take(at); }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const { x.put(at, four); }
  void ends(Four& u) const { multiply_ends(u.v[0], u.v[1], S[0]); }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    multiply<false>(u.v[i], v.v[j], S[slot]);
  }
};

template <class T>
struct Backward {
  Signal<T> x, g;    // x only with sum
  const Slot<T>* S;  // nullptr: no gx
  Slot<T>* sum;      // nullptr: no gS

  struct Four {
    typename Signal<T>::Four x, g;
  };
  void split(int64_t at, int64_t length) const {
    if (sum) x.split(at, length);
    g.split(at, length);
  }
  void join(int64_t at, int64_t length) const {
    if (S) g.join(at, length);
  }
  [[gnu::always_inline]] Four take(int64_t at) const {
    if (sum) return {x.take(at), g.take(at)};
    return {{}, g.take(at)};
  }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const {
    if (S) g.put(at, four.g);
  }
  void ends(Four& u) const {
    if (sum) add_ends(sum[0], u.x.v[0], u.x.v[1], u.g.v[0], u.g.v[1]);
    if (S) multiply_ends(u.g.v[0], u.g.v[1], S[0]);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    if (sum) add(sum[slot], u.x.v[i], v.x.v[j], u.g.v[i], v.g.v[j]);
    if (S) multiply<true>(u.g.v[i], v.g.v[j], S[slot]);
  }
};

// ---- the walk ----
// Rows [a, a + length) and [b, b + length) mirror each other; `slot` is that of row a.
template <class Work>
void walk_pair(const Work& work, int64_t a, int64_t b, int64_t slot, int64_t length) {
  if (length == 4) {
    auto u = work.take(a), v = work.take(b);
    lanes::unrolled<4>([&](auto i) { work.pair(u, i, v, 3 - i, slot + i); });
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
    lanes::unrolled<2>([&](auto i) { work.pair(u, i, u, 3 - i, m / 2 + i); });
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

// ---- S to slots, slots to gS ----
struct Bin {
  int64_t k;
  bool mirrored;  // the row has bin F - k
};
Bin bin_of(int64_t slot, int64_t F) {
  const int64_t row = slot + int64_t(std::bit_floor(uint64_t(slot)));
  const int64_t k = lanes::reversed_bits(row, std::countr_zero(uint64_t(F)));
  return k <= F / 2 ? Bin{k, false} : Bin{F - k, true};
}

// Real and imaginary parts of the `width` bins of a block, a channel to a lane, zeros beyond.
template <class T>
struct Parts {
  Vector<T> re[2], im[2];
  Parts(const Complex<T>* from, int64_t width) {
    Complex<T> some[kChannels<T>] = {};
    if (width < kChannels<T>) from = std::copy_n(from, width, some) - width;
    T re_of[kChannels<T>], im_of[kChannels<T>];
    for (int64_t c = 0; c < kChannels<T>; ++c) re_of[c] = from[c].re;
    for (int64_t c = 0; c < kChannels<T>; ++c) im_of[c] = from[c].im;
    std::memcpy(re, re_of, sizeof re);
    std::memcpy(im, im_of, sizeof im);
  }
};

template <class T>
void fill_slots(const Complex<T>* S, Slot<T>* slots, const Layout& at, int64_t F) {
#pragma omp parallel for schedule(static) if (at.D * F >= kGrain)
  for (int64_t slot = 0; slot < F / 2; ++slot) {
    const Bin bin = bin_of(slot, F);
    const T scale = slot_scale<T>(slot, F), im_scale = bin.mirrored ? -scale : scale;
    for (int64_t block = 0; block < at.blocks; ++block) {
      const Parts<T> bins(S + bin.k * at.D + block * at.channels, at.width(block));
      Slot<T>& to = slots[block * F / 2 + slot];
      to = {{scale * bins.re[0], im_scale * bins.im[0]}, {scale * bins.re[1], im_scale * bins.im[1]}};
      if (slot > 0) continue;
      const Parts<T> last(S + F / 2 * at.D + block * at.channels, at.width(block));
      to.a.im = scale * last.re[0];
      to.b.im = scale * last.re[1];
    }
  }
}

// sums: (pieces, blocks, F/2), added in this order. The factor of gS is c/F, c = 2 but at the
// ends, and 1/4 of E and O: that of a slot again.
template <class T>
void take_slots(const Slot<T>* sums, int64_t pieces, Complex<T>* gS, const Layout& at, int64_t F) {
#pragma omp parallel for schedule(static) if (at.D * F >= kGrain)
  for (int64_t slot = 0; slot < F / 2; ++slot) {
    const Bin bin = bin_of(slot, F);
    const T scale = slot_scale<T>(slot, F), im_scale = bin.mirrored ? -scale : scale;
    for (int64_t block = 0; block < at.blocks; ++block) {
      Slot<T> sum{};
      for (int64_t p = 0; p < pieces; ++p) {
        const Slot<T>& piece = sums[(p * at.blocks + block) * F / 2 + slot];
        sum = {sum.a + piece.a, sum.b + piece.b};
      }
      T re[kChannels<T>], im[kChannels<T>];
      lanes::store(re, Row<T>{scale * sum.a.re, scale * sum.b.re});
      lanes::store(im, Row<T>{im_scale * sum.a.im, im_scale * sum.b.im});
      Complex<T>* to = gS + bin.k * at.D + block * at.channels;
      const int64_t width = at.width(block);
      for (int64_t c = 0; c < width; ++c) to[c] = {re[c], slot == 0 ? T(0) : im[c]};
      if (slot == 0)
        for (int64_t c = 0; c < width; ++c) to[F / 2 * at.D + c] = {im[c], 0};
    }
  }
}

// ---- all blocks ----
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

template <class T>
void forward(const T* x, const Complex<T>* S, T* y, const Layout& at, int64_t F) {
  const Plan<T> plan(F);
  const Scratch<Slot<T>, T> slots(at.blocks * F / 2);
  const Scratch<Row<T>, T> rows(omp_get_max_threads() * F);
  fill_slots(S, slots + 0, at, F);
  const int64_t tasks = at.blocks * at.rows;
#pragma omp parallel for schedule(static) if (tasks * F >= kGrain)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t block = task / at.rows, row = task % at.rows;
    const Signal<T> signal{plan, rows + omp_get_thread_num() * F};
    lanes::enter(plan, signal.z, at.block(x, row, block));
    walk_parts(Forward<T>{signal, slots + block * F / 2}, plan.first_radix, F / plan.first_radix);
    lanes::leave(plan, signal.z, at.block(y, row, block));
  }
}

// The rows of a block are divided into pieces, each with a sum of its own, so that there are tasks
// enough for as many threads also when the blocks are few.
constexpr int64_t kBackwardTasks = 16;

template <class T>
void backward(const T* x, const Complex<T>* S, const T* gy, T* gx, Complex<T>* gS, const Layout& at,
              int64_t F) {
  const Plan<T> plan(F);
  const int64_t pieces = std::clamp(kBackwardTasks / at.blocks, int64_t(1), at.rows);
  const int64_t tasks = pieces * at.blocks, in_block = F / 2;
  const Scratch<Slot<T>, T> slots(gx ? at.blocks * in_block : 0);
  const Scratch<Slot<T>, T> sums(gS ? tasks * in_block : 0);
  const Scratch<Row<T>, T> rows(2 * omp_get_max_threads() * F);
  if (gx) fill_slots(S, slots + 0, at, F);
#pragma omp parallel for schedule(static) if (at.blocks * at.rows * F >= kGrain)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t piece = task / at.blocks, block = task % at.blocks;
    Row<T>* z = rows + 2 * omp_get_thread_num() * F;
    const Backward<T> work{{plan, z}, {plan, z + F}, gx ? slots + block * in_block : nullptr,
                           gS ? sums + task * in_block : nullptr};
    if (gS) std::fill_n(work.sum, in_block, Slot<T>{});
    for (int64_t row = piece * at.rows / pieces; row < (piece + 1) * at.rows / pieces; ++row) {
      if (gS) lanes::enter(plan, work.x.z, at.block(x, row, block));
      lanes::enter(plan, work.g.z, at.block(gy, row, block));
      walk_parts(work, plan.first_radix, F / plan.first_radix);
      if (gx) lanes::leave(plan, work.g.z, at.block(gx, row, block));
    }
  }
  if (gS) take_slots(sums + 0, pieces, gS, at, F);
}

}  // namespace

bool lanes_can_convolve(int64_t F) { return F >= lanes::kMinLength && std::has_single_bit(uint64_t(F)); }

Tensor lanes_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> {
    const Layout at(axis_view(x, axis), S.size(1), kChannels<T>);
    forward<T>(x.data<T>(), S.data<Complex<T>>(), y.data<T>(), at, F);
  });
  return y;
}

std::pair<Tensor, Tensor> lanes_spectral_conv_backward(const Tensor& x, const Tensor& S,
                                                       const Tensor& gy, int64_t F, int64_t axis,
                                                       bool need_x, bool need_S) {
  Tensor gx, gS;
  if (need_x) gx = empty_like(x);
  if (need_S) gS = empty_like(S);
  dispatch(x, [&]<class T> {
    const Layout at(axis_view(x, axis), S.size(1), kChannels<T>);
    backward<T>(x.data<T>(), S.data<Complex<T>>(), gy.data<T>(), need_x ? gx.data<T>() : nullptr,
                need_S ? gS.data<Complex<T>>() : nullptr, at, F);
  });
  return {gx, gS};
}

}  // namespace skiff
