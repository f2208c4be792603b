// spectral_conv for power-of-two lengths: transform, product and inverse of a block of channels in
// one walk over memory that stays in cache. fft_lanes.h has the transform.
//
// The bins k and M-k, M = F/2, of a channel are multiplied together (fft_lanes.h): X[k] by S[k] and
// conj(X[M-k]) by conj(S[M-k]). At bins 0 and F/2, where X is real, so is the product: imaginary
// parts of S are ignored.
//
// Backward. With X, G the spectra of a block of x and of gy:
//
//   gx:  the same product with conj(S)
//   gS:  the sums of conj(X[k]) G[k] and of X[M-k] conj(G[M-k]), the latter conj(gS[M-k])
//
// Tasks are fixed by the shapes, and every sum has one order: the number of threads changes no bit.
// Backward transforms x again. Keeping the spectra of the forward would take F/n times the memory
// of x and save less than a tenth of the time of both (n 512 to 8192, D 128, one core).
#include <omp.h>

#include <algorithm>
#include <bit>

#include "core/conv/spectral_conv.h"
#include "core/fft/fft_lanes.h"
#include "core/scratch.h"

namespace skiff {
namespace {

using lanes::kGrain;
using lanes::kWidth;
using lanes::Numbers;
using lanes::Pair;
using lanes::Plan;
using lanes::Signal;
using lanes::Vector;

// The rows of a block are divided into pieces with sums of their own, which are added in order:
// with few blocks there are still tasks for 16 threads, and they follow from the sizes alone.
struct Pieces {
  static constexpr int64_t kTasks = 16;
  int64_t rows, count, tasks;
  explicit Pieces(const ChannelBlocks& blocks)
      : rows(blocks.rows),
        count(std::max(std::min(kTasks / blocks.count, rows), int64_t(1))),
        tasks(count * blocks.count) {}
  int64_t begin(int64_t piece) const { return piece * rows / count; }
  int64_t end(int64_t piece) const { return begin(piece + 1); }
};

// A slot holds S[k] and conj(S[M-k]), or the sums that become gS there. Slot 0 has the real parts
// of S[0] and S[F/2] as the two parts of its first number, and conj(S[M/2]) as its second.

// ---- products of a pair of mirrored rows, and of rows 0 and 1 ----
// The factors that the slots contain: 1/M of the inverse, and 1/4 of the way to the spectrum and
// back (1/2 and 1 at slot 0). Those of gS are the same: c/F, and 1/4 of 2 X and 2 G except at slot
// 0.
template <class T>
struct SlotScale {
  T a, b;
  SlotScale(int64_t slot, int64_t F)
      : a(T(slot == 0 ? 1 : 0.5) / T(F)), b(T(slot == 0 ? 2 : 0.5) / T(F)) {}
};

template <bool conjugate, class T>
[[gnu::always_inline]] inline void multiply(Numbers<T>& z, Numbers<T>& mirror, const Pair<T>& s,
                                            const T* rotation) {
  const Pair<T> X = lanes::to_spectrum(z, mirror, rotation);
  const Pair<T> Y{(conjugate ? conj(s.a) : s.a) * X.a, (conjugate ? conj(s.b) : s.b) * X.b};
  lanes::from_spectrum(Y, z, mirror, rotation);
}
template <bool conjugate, class T>
[[gnu::always_inline]] inline void multiply_ends(Numbers<T>& first, Numbers<T>& middle,
                                                 const Pair<T>& s) {
  const Vector<T> bin_0 = s.a.re * (first.re + first.im), last = s.a.im * (first.re - first.im);
  first = {bin_0 + last, bin_0 - last};
  middle = (conjugate ? conj(s.b) : s.b) * middle;
}

// sum += conj(X) G
template <class T>
[[gnu::always_inline]] inline void add(Pair<T>& sum, const Pair<T>& X, const Pair<T>& G) {
  sum.a = sum.a + conj(X.a) * G.a;
  sum.b = sum.b + conj(X.b) * G.b;
}
template <class T>
[[gnu::always_inline]] inline void add_ends(Pair<T>& sum, const Numbers<T>& x0,
                                            const Numbers<T>& x1, const Numbers<T>& g0,
                                            const Numbers<T>& g1) {
  sum.a.re += (x0.re + x0.im) * (g0.re + g0.im);
  sum.a.im += (x0.re - x0.im) * (g0.re - g0.im);
  sum.b = sum.b + conj(x1) * g1;
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
  void ends(Four& u) const { multiply_ends<false>(u.v[0], u.v[1], S[0]); }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    multiply<false>(u.v[i], v.v[j], S[slot], x.plan.rotation + 2 * slot);
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
    if (S) multiply_ends<true>(u.g.v[0], u.g.v[1], S[0]);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const T* rotation = g.plan.rotation + 2 * slot;
    if (sum)
      add(sum[slot], lanes::to_spectrum(u.x.v[i], v.x.v[j], rotation),
          lanes::to_spectrum(u.g.v[i], v.g.v[j], rotation));
    if (S) multiply<true>(u.g.v[i], v.g.v[j], S[slot], rotation);
  }
};

// ---- S to slots, slots to gS ----
template <class T>
void fill_slots(const Complex<T>* S, Pair<T>* slots, const ChannelBlocks& blocks, int64_t F) {
  const int64_t M = F / 2;
#pragma omp parallel for schedule(static) if (blocks.count * M >= kGrain)
  for (int64_t slot = 0; slot < M / 2; ++slot) {
    const int64_t k = lanes::bin_of(slot, M);
    const SlotScale<T> scale(slot, F);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const auto bin = [&](int64_t k) {
        return lanes::load_complex(S + blocks.first(block) + k * blocks.D, blocks.channels(block));
      };
      Numbers<T> a = bin(k);
      if (slot == 0) a.im = bin(M).re;
      const Numbers<T> b = conj(bin(slot == 0 ? M / 2 : M - k));
      slots[block * M / 2 + slot] = {{scale.a * a.re, scale.a * a.im},
                                     {scale.b * b.re, scale.b * b.im}};
    }
  }
}

// sums: (pieces, blocks, M/2), added in this order.
template <class T>
void take_slots(const Pair<T>* sums, int64_t pieces, Complex<T>* gS, const ChannelBlocks& blocks,
                int64_t F) {
  const int64_t M = F / 2;
#pragma omp parallel for schedule(static) if (blocks.count * M >= kGrain)
  for (int64_t slot = 0; slot < M / 2; ++slot) {
    const int64_t k = lanes::bin_of(slot, M);
    const SlotScale<T> scale(slot, F);
    for (int64_t block = 0; block < blocks.count; ++block) {
      Pair<T> sum{};
      for (int64_t p = 0; p < pieces; ++p) {
        const Pair<T>& piece = sums[(p * blocks.count + block) * M / 2 + slot];
        sum = {sum.a + piece.a, sum.b + piece.b};
      }
      Numbers<T> a{scale.a * sum.a.re, scale.a * sum.a.im};
      const Numbers<T> b{scale.b * sum.b.re, -scale.b * sum.b.im};
      const auto put = [&](int64_t k, const Numbers<T>& value) {
        lanes::store_complex(gS + blocks.first(block) + k * blocks.D, value,
                             blocks.channels(block));
      };
      if (slot == 0) {
        put(M, Numbers<T>{a.im, {}});
        a.im = Vector<T>{};
      }
      put(k, a);
      put(slot == 0 ? M / 2 : M - k, b);
    }
  }
}

// ---- all blocks ----
template <class T>
void forward(const T* x, const Complex<T>* S, T* y, const ChannelBlocks& blocks, int64_t F) {
  const Plan<T> plan(F);
  const int64_t M = plan.M, in_block = M / 2;
  const Scratch<Pair<T>> slots(blocks.count * in_block);
  const Scratch<Numbers<T>> rows(omp_get_max_threads() * M);
  fill_slots(S, slots + 0, blocks, F);
  const int64_t tasks = blocks.count * blocks.rows;
#pragma omp parallel for schedule(static) if (tasks * M >= kGrain)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t block = task / blocks.rows, row = task % blocks.rows;
    const Signal<T> signal{plan, rows + omp_get_thread_num() * M};
    lanes::enter(plan, signal.z, blocks.block(x, row, block));
    lanes::walk(plan, Forward<T>{signal, slots + block * in_block});
    lanes::leave(plan, signal.z, blocks.block(y, row, block));
  }
}

template <class T>
void backward(const T* x, const Complex<T>* S, const T* gy, T* gx, Complex<T>* gS,
              const ChannelBlocks& blocks, int64_t F) {
  const Plan<T> plan(F);
  const Pieces pieces(blocks);
  const int64_t M = plan.M, in_block = M / 2;
  const Scratch<Pair<T>> slots(gx ? blocks.count * in_block : 0);
  const Scratch<Pair<T>> sums(gS ? pieces.tasks * in_block : 0);
  const Scratch<Numbers<T>> rows(2 * omp_get_max_threads() * M);
  if (gx) fill_slots(S, slots + 0, blocks, F);
#pragma omp parallel for schedule(static) if (blocks.count * blocks.rows * M >= kGrain)
  for (int64_t task = 0; task < pieces.tasks; ++task) {
    const int64_t piece = task / blocks.count, block = task % blocks.count;
    Numbers<T>* z = rows + 2 * omp_get_thread_num() * M;
    const Backward<T> work{{plan, z},
                           {plan, z + M},
                           gx ? slots + block * in_block : nullptr,
                           gS ? sums + task * in_block : nullptr};
    if (gS) std::fill_n(work.sum, in_block, Pair<T>{});
    for (int64_t row = pieces.begin(piece); row < pieces.end(piece); ++row) {
      if (gS) lanes::enter(plan, work.x.z, blocks.block(x, row, block));
      lanes::enter(plan, work.g.z, blocks.block(gy, row, block));
      lanes::walk(plan, work);
      if (gx) lanes::leave(plan, work.g.z, blocks.block(gx, row, block));
    }
  }
  if (gS) take_slots(sums + 0, pieces.count, gS, blocks, F);
}

}  // namespace

template <class T>
FixedSpectrum<T>::FixedSpectrum(const Tensor& S, int64_t F) : D_(S.size(1)) {
  check(F >= 32 && std::has_single_bit(uint64_t(F)) && S.size(0) == F / 2 + 1,
        "fixed spectrum: F must be a power of two from 32 on and S (F/2 + 1, D), got F = ", F,
        " and S ", S);
  const ChannelBlocks blocks({1, F, D_}, D_, kWidth<T>);
  blocks_ = blocks.count;
  plan_ = std::make_shared<const Plan<T>>(F);
  slots_ = Tensor({blocks_ * F / 4 * int64_t(sizeof(Pair<T>) / sizeof(T))}, DTypeOf<T>::value);
  fill_slots(S.data<Complex<T>>(), static_cast<Pair<T>*>(slots_.raw()), blocks, F);
}

template <class T>
int64_t FixedSpectrum<T>::scratch_bytes(int64_t n) const {
  return plan_->M * int64_t(sizeof(Numbers<T>)) + n * int64_t(sizeof(Vector<T>));
}

template <class T>
int64_t FixedSpectrum<T>::width() const {
  return kWidth<T>;
}

template <class T>
const T* FixedSpectrum<T>::product(int64_t block, const T* x, int64_t nx, int64_t ny,
                                   void* scratch) const {
  const Plan<T>& plan = *plan_;
  const ChannelBlocks blocks({1, nx, D_}, D_, kWidth<T>);
  const Signal<T> signal{plan, static_cast<Numbers<T>*>(scratch)};
  T* product = reinterpret_cast<T*>(signal.z + plan.M);
  const Pair<T>* slots = static_cast<const Pair<T>*>(slots_.raw()) + block * plan.M / 2;
  lanes::enter(plan, signal.z, blocks.block(x, 0, block));
  lanes::walk(plan, Forward<T>{signal, slots});
  lanes::leave(plan, signal.z, Block<T>{product, ny, kWidth<T>, blocks.channels(block)});
  return product;
}

template <class T>
void FixedSpectrum<T>::add_row(int64_t block, const T* product, T* y) const {
  const int64_t first = block * kWidth<T>, channels = std::min(kWidth<T>, D_ - first);
  for (int64_t c = 0; c < channels; ++c) y[first + c] += product[c];
}

template <class T>
void FixedSpectrum<T>::add(int64_t block, const T* x, T* y, int64_t n, void* scratch) const {
  const T* rows = product(block, x, n, n, scratch);
  for (int64_t r = 0; r < n; ++r) add_row(block, rows + r * kWidth<T>, y + r * D_);
}

template class FixedSpectrum<float>;
template class FixedSpectrum<double>;

Tensor lanes_spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> {
    const ChannelBlocks blocks(axis_view(x, axis), S.size(1), kWidth<T>);
    forward<T>(x.data<T>(), S.data<Complex<T>>(), y.data<T>(), blocks, F);
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
    const ChannelBlocks blocks(axis_view(x, axis), S.size(1), kWidth<T>);
    backward<T>(x.data<T>(), S.data<Complex<T>>(), gy.data<T>(), need_x ? gx.data<T>() : nullptr,
                need_S ? gS.data<Complex<T>>() : nullptr, blocks, F);
  });
  return {gx, gS};
}

}  // namespace skiff
