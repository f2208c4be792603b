// spectral_conv for power-of-two lengths: transform, product and inverse of a block of channels in
// one walk over memory that stays in cache. fft_lanes.h has the transform.
//
// A transform Z carries two channels, Z = A + i B; with Z' the conjugate of its mirror
// (fft_lanes.h)
//
//   E = Z + Z' = 2 A        O = Z - Z' = 2 i B
//
// With responses S_a, S_b the product is Y = S_a A + i S_b B, and with s = S / 2:
//
//   Y = s_a E + s_b O       Y' = s_a E - s_b O
//
// At bins 0 and F/2, where A and B are real, Y's two parts are real signals too: re Y = re S_a re
// Z, im Y = re S_b im Z; imaginary parts of S have no part in it. The two channels share their
// rounding: an error of size eps times the larger.
//
// Backward. With X, G the transforms of a block of x and of gy, E_x = 2 X_a, and so on:
//
//   gx:  the same product with conj(S)
//   gS:  conj(X_a) G_a = conj(E_x) E_g / 4,    conj(X_b) G_b = conj(O_x) O_g / 4
//
// Tasks are fixed by the shapes, and every sum has one order: the number of threads changes no bit.
// Backward transforms x again. To keep the spectra from the forward instead would take F/n times
// the memory of x and save under a tenth of the time of both (n 512 to 8192, D 128, one core).
#include <omp.h>

#include <algorithm>

#include "core/fft_lanes.h"
#include "core/spectral_conv.h"

namespace skiff {
namespace {

using lanes::kChannels;
using lanes::kGrain;
using lanes::Layout;
using lanes::Pair;
using lanes::Plan;
using lanes::Row;
using lanes::Scratch;
using lanes::Signal;

// The work of a block is divided into pieces of rows, each with sums of its own that are added in
// order: tasks enough for as many threads where the blocks are few, and always the same ones.
template <class T>
struct Pieces {
  static constexpr int64_t kTasks = 16;
  int64_t rows, count, tasks;
  explicit Pieces(const Layout<T>& at)
      : rows(at.rows),
        count(std::max(std::min(kTasks / at.blocks, rows), int64_t(1))),
        tasks(count * at.blocks) {}
  int64_t begin(int64_t piece) const { return piece * rows / count; }
  int64_t end(int64_t piece) const { return begin(piece + 1); }
};

// Slots hold a Pair: the responses of a lane's two channels, or the sums of their gradients. Slot 0
// has the values of bin 0 in the real parts and those of bin F/2 in the imaginary parts.

// ---- products of a pair of mirrored rows, and of rows 0 and 1 ----
// Factors: 1/F of the inverse, 1/2 of s = S / 2; at slot 0 only the first. Both stand in the slots.
template <class T>
T slot_scale(int64_t slot, int64_t F) {
  return T(slot == 0 ? 1 : 0.5) / T(F);
}

template <bool conjugate, class T>
[[gnu::always_inline]] inline void multiply(Row<T>& z, Row<T>& mirror, const Pair<T>& s) {
  const Row<T> E = z + conj(mirror), O = z - conj(mirror);
  const Row<T> A = (conjugate ? conj(s.a) : s.a) * E, B = (conjugate ? conj(s.b) : s.b) * O;
  z = A + B;
  mirror = {A.re - B.re, B.im - A.im};
}
template <class T>
[[gnu::always_inline]] inline void multiply_ends(Row<T>& first, Row<T>& middle, const Pair<T>& s) {
  first = {s.a.re * first.re, s.b.re * first.im};
  middle = {s.a.im * middle.re, s.b.im * middle.im};
}

// sum += conj(E_x) E_g, conj(O_x) O_g
template <class T>
[[gnu::always_inline]] inline void add(Pair<T>& sum, const Row<T>& x, const Row<T>& x_mirror,
                                       const Row<T>& g, const Row<T>& g_mirror) {
  sum.a = sum.a + conj(x + conj(x_mirror)) * (g + conj(g_mirror));
  sum.b = sum.b + conj(x - conj(x_mirror)) * (g - conj(g_mirror));
}
template <class T>
[[gnu::always_inline]] inline void add_ends(Pair<T>& sum, const Row<T>& x0, const Row<T>& x1,
                                            const Row<T>& g0, const Row<T>& g1) {
  sum.a = sum.a + Row<T>{x0.re * g0.re, x1.re * g1.re};
  sum.b = sum.b + Row<T>{x0.im * g0.im, x1.im * g1.im};
}

// ---- what is done on the walk ----
template <class T>
struct Forward {
  Signal<T> x;
  const Pair<T>* S;

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
  const Pair<T>* S;  // nullptr: no gx
  Pair<T>* sum;      // nullptr: no gS

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

// ---- S to slots, slots to gS ----
template <class T>
void fill_slots(const Complex<T>* S, Pair<T>* slots, const Layout<T>& at, int64_t F) {
#pragma omp parallel for schedule(static) if (at.blocks * F >= kGrain)
  for (int64_t slot = 0; slot < F / 2; ++slot) {
    const lanes::Bin bin = lanes::bin_of(slot, F);
    const T scale = slot_scale<T>(slot, F), im_scale = bin.mirrored ? -scale : scale;
    for (int64_t block = 0; block < at.blocks; ++block) {
      const Complex<T>* from = S + at.first(block);
      Pair<T> s = lanes::load_complex(from + bin.k * at.D, at.width(block));
      if (slot == 0) {
        const Pair<T> last = lanes::load_complex(from + F / 2 * at.D, at.width(block));
        s = {{s.a.re, last.a.re}, {s.b.re, last.b.re}};
      }
      slots[block * F / 2 + slot] = {{scale * s.a.re, im_scale * s.a.im},
                                     {scale * s.b.re, im_scale * s.b.im}};
    }
  }
}

// sums: (pieces, blocks, F/2), added in this order. The factor of gS is c/F, c = 2 but at the
// ends, and 1/4 of E and O: that of a slot again.
template <class T>
void take_slots(const Pair<T>* sums, int64_t pieces, Complex<T>* gS, const Layout<T>& at,
                int64_t F) {
#pragma omp parallel for schedule(static) if (at.blocks * F >= kGrain)
  for (int64_t slot = 0; slot < F / 2; ++slot) {
    const lanes::Bin bin = lanes::bin_of(slot, F);
    const T scale = slot_scale<T>(slot, F), im_scale = bin.mirrored ? -scale : scale;
    for (int64_t block = 0; block < at.blocks; ++block) {
      Pair<T> sum{};
      for (int64_t p = 0; p < pieces; ++p) {
        const Pair<T>& piece = sums[(p * at.blocks + block) * F / 2 + slot];
        sum = {sum.a + piece.a, sum.b + piece.b};
      }
      sum = {{scale * sum.a.re, im_scale * sum.a.im}, {scale * sum.b.re, im_scale * sum.b.im}};
      Complex<T>* to = gS + at.first(block);
      if (slot == 0) {
        lanes::store_complex(to + F / 2 * at.D, lanes::real_pair<T>(sum.a.im, sum.b.im),
                             at.width(block));
        sum = lanes::real_pair<T>(sum.a.re, sum.b.re);
      }
      lanes::store_complex(to + bin.k * at.D, sum, at.width(block));
    }
  }
}

// ---- all blocks ----
template <class T>
void forward(const T* x, const Complex<T>* S, T* y, const Layout<T>& at, int64_t F) {
  const Plan<T> plan(F);
  const Scratch<Pair<T>, T> slots(at.blocks * F / 2);
  const Scratch<Row<T>, T> rows(omp_get_max_threads() * F);
  fill_slots(S, slots + 0, at, F);
  const int64_t tasks = at.blocks * at.rows;
#pragma omp parallel for schedule(static) if (tasks * F >= kGrain)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t block = task / at.rows, row = task % at.rows;
    const Signal<T> signal{plan, rows + omp_get_thread_num() * F};
    lanes::enter(plan, signal.z, at.block(x, row, block));
    lanes::walk(plan, Forward<T>{signal, slots + block * F / 2});
    lanes::leave(plan, signal.z, at.block(y, row, block));
  }
}

template <class T>
void backward(const T* x, const Complex<T>* S, const T* gy, T* gx, Complex<T>* gS,
              const Layout<T>& at, int64_t F) {
  const Plan<T> plan(F);
  const Pieces<T> pieces(at);
  const int64_t in_block = F / 2;
  const Scratch<Pair<T>, T> slots(gx ? at.blocks * in_block : 0);
  const Scratch<Pair<T>, T> sums(gS ? pieces.tasks * in_block : 0);
  const Scratch<Row<T>, T> rows(2 * omp_get_max_threads() * F);
  if (gx) fill_slots(S, slots + 0, at, F);
#pragma omp parallel for schedule(static) if (at.blocks * at.rows * F >= kGrain)
  for (int64_t task = 0; task < pieces.tasks; ++task) {
    const int64_t piece = task / at.blocks, block = task % at.blocks;
    Row<T>* z = rows + 2 * omp_get_thread_num() * F;
    const Backward<T> work{{plan, z},
                           {plan, z + F},
                           gx ? slots + block * in_block : nullptr,
                           gS ? sums + task * in_block : nullptr};
    if (gS) std::fill_n(work.sum, in_block, Pair<T>{});
    for (int64_t row = pieces.begin(piece); row < pieces.end(piece); ++row) {
      if (gS) lanes::enter(plan, work.x.z, at.block(x, row, block));
      lanes::enter(plan, work.g.z, at.block(gy, row, block));
      lanes::walk(plan, work);
      if (gx) lanes::leave(plan, work.g.z, at.block(gx, row, block));
    }
  }
  if (gS) take_slots(sums + 0, pieces.count, gS, at, F);
}

}  // namespace

Tensor lanes_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> {
    const Layout<T> at(axis_view(x, axis), S.size(1));
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
    const Layout<T> at(axis_view(x, axis), S.size(1));
    backward<T>(x.data<T>(), S.data<Complex<T>>(), gy.data<T>(), need_x ? gx.data<T>() : nullptr,
                need_S ? gS.data<Complex<T>>() : nullptr, at, F);
  });
  return {gx, gS};
}

}  // namespace skiff
