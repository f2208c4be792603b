// Twiddle tables and plans of the FFT of blocks of channels, and r2c and c2r made of it.
#include "core/fft/fft_lanes.h"

#include <omp.h>

#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>
#include <vector>

#include "core/fft/fft.h"
#include "core/scratch.h"

namespace skiff::lanes {
namespace {

template <class T>
std::vector<T> make_twiddles(int R, int64_t q) {
  const int bits = std::countr_zero(unsigned(R));
  std::vector<T> w;
  w.reserve(size_t(2 * (R - 1) * q));
  for (int64_t j = 0; j < q; ++j)
    for (int s = 1; s < R; ++s) {
      const double angle =
          -2 * std::numbers::pi * double(j * reversed_bits(s, bits)) / double(R * q);
      w.push_back(T(std::cos(angle)));
      w.push_back(T(std::sin(angle)));
    }
  return w;
}

template <class T>
std::vector<T> make_rotations(int64_t F) {
  std::vector<T> r;
  r.reserve(size_t(F / 2));
  for (int64_t slot = 0; slot < F / 4; ++slot) {
    const double angle = -2 * std::numbers::pi * double(bin_of(slot, F / 2)) / double(F);
    r.push_back(T(std::sin(angle)));
    r.push_back(T(-std::cos(angle)));
  }
  return r;
}

}  // namespace

template <class T>
const T* twiddles(int R, int64_t q) {
  static std::mutex mutex;
  static std::map<std::pair<int, int64_t>, std::vector<T>> tables;
  const std::lock_guard lock(mutex);
  std::vector<T>& table = tables[{R, q}];
  if (table.empty()) table = make_twiddles<T>(R, q);
  return table.data();
}

template <class T>
const T* rotations(int64_t F) {
  static std::mutex mutex;
  static std::map<int64_t, std::vector<T>> tables;
  const std::lock_guard lock(mutex);
  std::vector<T>& table = tables[F];
  if (table.empty()) table = make_rotations<T>(F);
  return table.data();
}

template <class T>
Plan<T>::Plan(int64_t F)
    : F(F), M(F / 2), first_radix(std::countr_zero(uint64_t(M)) % 2 == 0 ? 4 : 8) {
  first = twiddles<T>(first_radix, M / first_radix);
  for (int64_t q = 4, i = 2; 4 * q <= M / first_radix; q *= 4, ++i) later_[i] = twiddles<T>(4, q);
  rotation = rotations<T>(F);
}
template struct Plan<float>;
template struct Plan<double>;

namespace {

// A block's signals to their spectra; X is that of the block's first channel, bins `inner` apart.
template <class T>
struct Analysis {
  Signal<T> x;
  Complex<T>* X;
  int64_t inner, width;

  using Four = typename Signal<T>::Four;
  void split(int64_t at, int64_t length) const { x.split(at, length); }
  void join(int64_t, int64_t) const {}
  [[gnu::always_inline]] Four take(int64_t at) const { return x.take(at); }
  void put(int64_t, Four&) const {}
  void ends(Four& u) const {
    const int64_t M = x.plan.M;
    store_complex(X, Row<T>{u.v[0].re + u.v[0].im, {}}, width);
    store_complex(X + M * inner, Row<T>{u.v[0].re - u.v[0].im, {}}, width);
    store_complex(X + M / 2 * inner, conj(u.v[1]), width);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const int64_t M = x.plan.M, k = bin_of(slot, M);
    const Pair<T> two = to_spectrum(u.v[i], v.v[j], x.plan.rotation + 2 * slot);
    const T half = T(0.5);
    store_complex(X + k * inner, Row<T>{half * two.a.re, half * two.a.im}, width);
    store_complex(X + (M - k) * inner, Row<T>{half * two.b.re, -half * two.b.im}, width);
  }
};

// The inverse, unnormalised: twice what the passes make of Z.
template <class T>
struct Synthesis {
  Signal<T> x;
  const Complex<T>* X;
  int64_t inner, width;

  using Four = typename Signal<T>::Four;
  void split(int64_t, int64_t) const {}
  void join(int64_t at, int64_t length) const { x.join(at, length); }
  Four take(int64_t) const { return {}; }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const { x.put(at, four); }
  void ends(Four& u) const {
    const int64_t M = x.plan.M;
    const Vector<T> first = load_complex(X, width).re, last = load_complex(X + M * inner, width).re;
    const Row<T> middle = load_complex(X + M / 2 * inner, width);
    u.v[0] = {first + last, first - last};
    u.v[1] = conj(middle + middle);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const int64_t M = x.plan.M, k = bin_of(slot, M);
    const Pair<T> bins{load_complex(X + k * inner, width),
                       conj(load_complex(X + (M - k) * inner, width))};
    from_spectrum(bins, u.v[i], v.v[j], x.plan.rotation + 2 * slot);
  }
};

// body(work rows, row, block) for all blocks.
template <class T, class Body>
void for_each_block(const ChannelBlocks& blocks, int64_t M, const Body& body) {
  const Scratch<Row<T>> rows(omp_get_max_threads() * M);
  const int64_t tasks = blocks.rows * blocks.count;
#pragma omp parallel for schedule(static) if (tasks * M >= kGrain)
  for (int64_t task = 0; task < tasks; ++task)
    body(rows + omp_get_thread_num() * M, task / blocks.count, task % blocks.count);
}

template <class T>
void r2c(const T* x, Complex<T>* X, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const ChannelBlocks blocks(v, v.inner, kWidth<T>);
  for_each_block<T>(blocks, plan.M, [&](Row<T>* z, int64_t row, int64_t block) {
    Block<const T> from = blocks.block(x, row, block);
    from.n = std::min(from.n, F);
    enter(plan, z, from);
    const Block<Complex<T>> to = blocks.block(X, F / 2 + 1, row, block);
    walk(plan, Analysis<T>{{plan, z}, to.data, to.stride, to.channels});
  });
}

template <class T>
void c2r(const Complex<T>* X, T* x, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const ChannelBlocks blocks(v, v.inner, kWidth<T>);
  for_each_block<T>(blocks, plan.M, [&](Row<T>* z, int64_t row, int64_t block) {
    const Block<const Complex<T>> from = blocks.block(X, F / 2 + 1, row, block);
    walk(plan, Synthesis<T>{{plan, z}, from.data, from.stride, from.channels});
    Block<T> to = blocks.block(x, row, block);
    for (int64_t j = F; j < to.n; ++j)
      store_some<T>(to.data + j * to.stride, Vector<T>{}, to.channels);
    to.n = std::min(to.n, F);
    leave(plan, z, to);
  });
}

}  // namespace
}  // namespace skiff::lanes

namespace skiff::fft {

bool use_lanes(int64_t F, int64_t channels) {
  return F >= 32 && std::has_single_bit(uint64_t(F)) && channels >= 12;
}

Tensor lanes_r2c(const Tensor& x, int64_t F, int64_t axis) {
  Tensor X(x.shape().with(axis, F / 2 + 1), complex_type(x.dtype()));
  dispatch(
      x, [&]<class T> { lanes::r2c<T>(x.data<T>(), X.data<Complex<T>>(), axis_view(x, axis), F); });
  return X;
}

Tensor lanes_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  Tensor x(X.shape().with(axis, n), real_part_type(X.dtype()));
  dispatch(
      X, [&]<class T> { lanes::c2r<T>(X.data<Complex<T>>(), x.data<T>(), axis_view(x, axis), F); });
  return x;
}

}  // namespace skiff::fft
