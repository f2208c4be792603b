// Twiddle tables and plans of the FFT of blocks of channels, and r2c and c2r made of it.
//
//   r2c   A = (Z + Z') / 2,  B = (Z - Z') / (2 i)
//   c2r   Z = A + i B,       Z' = A - i B
#include "core/fft_lanes.h"

#include <omp.h>

#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>
#include <vector>

#include "core/fft.h"

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
Plan<T>::Plan(int64_t F) : F(F), first_radix(std::countr_zero(uint64_t(F)) % 2 == 0 ? 4 : 8) {
  first = twiddles<T>(first_radix, F / first_radix);
  for (int64_t q = 4, i = 2; 4 * q <= F / first_radix; q *= 4, ++i) later_[i] = twiddles<T>(4, q);
}
template struct Plan<float>;
template struct Plan<double>;

namespace {

// A block's signals to their half spectra; X is that of the block's first channel, bins `inner`
// apart.
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
    store_complex(X, real_pair<T>(u.v[0].re, u.v[0].im), width);
    store_complex(X + x.plan.F / 2 * inner, real_pair<T>(u.v[1].re, u.v[1].im), width);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const Bin bin = bin_of(slot, x.plan.F);
    const T half = T(0.5), im = bin.mirrored ? -half : half;
    const Row<T> sum = u.v[i] + conj(v.v[j]), difference = u.v[i] - conj(v.v[j]);
    store_complex(X + bin.k * inner,
                  {{half * sum.re, im * sum.im}, {half * difference.im, -im * difference.re}},
                  width);
  }
};

// The inverse, unnormalised.
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
    const Pair<T> first = load_complex(X, width);
    const Pair<T> middle = load_complex(X + x.plan.F / 2 * inner, width);
    u.v[0] = {first.a.re, first.b.re};
    u.v[1] = {middle.a.re, middle.b.re};
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const Bin bin = bin_of(slot, x.plan.F);
    Pair<T> z = load_complex(X + bin.k * inner, width);
    if (bin.mirrored) z = {conj(z.a), conj(z.b)};
    u.v[i] = {z.a.re - z.b.im, z.a.im + z.b.re};
    v.v[j] = {z.a.re + z.b.im, z.b.re - z.a.im};
  }
};

// body(work rows, row, block) for all blocks.
template <class T, class Body>
void for_each_block(const Layout<T>& at, int64_t F, const Body& body) {
  const Scratch<Row<T>, T> rows(omp_get_max_threads() * F);
#pragma omp parallel for schedule(static) if (at.rows * at.blocks * F >= kGrain)
  for (int64_t task = 0; task < at.rows * at.blocks; ++task)
    body(rows + omp_get_thread_num() * F, task / at.blocks, task % at.blocks);
}

template <class T>
void r2c(const T* x, Complex<T>* X, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const Layout<T> at(v, v.inner);
  for_each_block(at, F, [&](Row<T>* z, int64_t row, int64_t block) {
    Block<const T> from = at.block(x, row, block);
    from.n = std::min(from.n, F);
    enter(plan, z, from);
    Complex<T>* to = X + row * (F / 2 + 1) * at.D + at.first(block);
    walk(plan, Analysis<T>{{plan, z}, to, at.D, at.width(block)});
  });
}

template <class T>
void c2r(const Complex<T>* X, T* x, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const Layout<T> at(v, v.inner);
  for_each_block(at, F, [&](Row<T>* z, int64_t row, int64_t block) {
    const Complex<T>* from = X + row * (F / 2 + 1) * at.D + at.first(block);
    walk(plan, Synthesis<T>{{plan, z}, from, at.D, at.width(block)});
    Block<T> to = at.block(x, row, block);
    for (int64_t j = F; j < to.n; ++j) store_some(to.data + j * to.stride, Row<T>{}, to.channels);
    to.n = std::min(to.n, F);
    leave(plan, z, to);
  });
}

}  // namespace
}  // namespace skiff::lanes

namespace skiff::fft {

bool use_lanes(int64_t F, int64_t channels) {
  return F >= 16 && std::has_single_bit(uint64_t(F)) && channels >= 12;
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
