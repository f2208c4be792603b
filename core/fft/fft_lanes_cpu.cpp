// Twiddle tables and plans of fft_lanes.h, and r2c and c2r by it.
#include "core/fft/fft_lanes.h"

#include <omp.h>

#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>
#include <type_traits>
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

// A block's signals to their spectra: put_bin(k, value) takes bin k.
template <class T, class Put>
struct Analysis {
  Signal<T> x;
  Put put_bin;

  using Four = typename Signal<T>::Four;
  void split(int64_t at, int64_t length) const { x.split(at, length); }
  void join(int64_t, int64_t) const {}
  [[gnu::always_inline]] Four take(int64_t at) const { return x.take(at); }
  void put(int64_t, Four&) const {}
  void ends(Four& u) const {
    const int64_t M = x.plan.M;
    put_bin(0, Numbers<T>{u.v[0].re + u.v[0].im, {}});
    put_bin(M, Numbers<T>{u.v[0].re - u.v[0].im, {}});
    put_bin(M / 2, conj(u.v[1]));
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const int64_t M = x.plan.M, k = bin_of(slot, M);
    const Pair<T> two = to_spectrum(u.v[i], v.v[j], x.plan.rotation + 2 * slot);
    const T half = T(0.5);
    put_bin(k, Numbers<T>{half * two.a.re, half * two.a.im});
    put_bin(M - k, Numbers<T>{half * two.b.re, -half * two.b.im});
  }
};
template <class T, class Put>
void analyse(const Plan<T>& plan, Numbers<T>* z, const Put& put) {
  walk(plan, Analysis<T, Put>{{plan, z}, put});
}

// The inverse, unnormalised: twice what the passes make of Z. bin(k) gives bin k.
template <class T, class Bin>
struct Synthesis {
  Signal<T> x;
  Bin bin;

  using Four = typename Signal<T>::Four;
  void split(int64_t, int64_t) const {}
  void join(int64_t at, int64_t length) const { x.join(at, length); }
  Four take(int64_t) const { return {}; }
  [[gnu::always_inline]] void put(int64_t at, Four& four) const { x.put(at, four); }
  void ends(Four& u) const {
    const int64_t M = x.plan.M;
    const Vector<T> first = bin(0).re, last = bin(M).re;
    const Numbers<T> middle = bin(M / 2);
    u.v[0] = {first + last, first - last};
    u.v[1] = conj(middle + middle);
  }
  [[gnu::always_inline]] void pair(Four& u, int i, Four& v, int j, int64_t slot) const {
    const int64_t M = x.plan.M, k = bin_of(slot, M);
    from_spectrum(Pair<T>{bin(k), conj(bin(M - k))}, u.v[i], v.v[j], x.plan.rotation + 2 * slot);
  }
};
template <class T, class Bin>
void synthesise(const Plan<T>& plan, Numbers<T>* z, const Bin& bin) {
  walk(plan, Synthesis<T, Bin>{{plan, z}, bin});
}

// body(work rows, row, block) for all blocks.
template <class T, class Body>
void for_each_block(const ChannelBlocks& blocks, int64_t M, const Body& body) {
  const Scratch<Numbers<T>> rows(omp_get_max_threads() * M);
  const int64_t tasks = blocks.rows * blocks.count;
#pragma omp parallel for schedule(static) if (tasks * M >= kGrain)
  for (int64_t task = 0; task < tasks; ++task)
    body(rows + omp_get_thread_num() * M, task / blocks.count, task % blocks.count);
}

template <class T>
void r2c(const T* x, Complex<T>* X, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const ChannelBlocks blocks(v, v.inner, kWidth<T>);
  for_each_block<T>(blocks, plan.M, [&](Numbers<T>* z, int64_t row, int64_t block) {
    Block<const T> from = blocks.block(x, row, block);
    from.n = std::min(from.n, F);
    enter(plan, z, from);
    const Block<Complex<T>> to = blocks.block(X, F / 2 + 1, row, block);
    analyse(plan, z, [to](int64_t k, const Numbers<T>& value) SKIFF_INLINED {
      store_complex(to.data + k * to.stride, value, to.channels);
    });
  });
}

template <class T>
void c2r(const Complex<T>* X, T* x, AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const ChannelBlocks blocks(v, v.inner, kWidth<T>);
  for_each_block<T>(blocks, plan.M, [&](Numbers<T>* z, int64_t row, int64_t block) {
    const Block<const Complex<T>> from = blocks.block(X, F / 2 + 1, row, block);
    synthesise(plan, z, [from](int64_t k) SKIFF_INLINED {
      return load_complex(from.data + k * from.stride, from.channels);
    });
    Block<T> to = blocks.block(x, row, block);
    for (int64_t j = F; j < to.n; ++j)
      store_some<T>(to.data + j * to.stride, Vector<T>{}, to.channels);
    to.n = std::min(to.n, F);
    leave(plan, z, to);
  });
}

// Both transforms while the samples of a block are in cache.
template <class T, class In, class Out>
void weighted(const In* in, fft::BinScale a, const T* w, int64_t n, Out* out, fft::BinScale b,
              AxisView v, int64_t F) {
  const Plan<T> plan(F);
  const ChannelBlocks blocks(v, v.inner, kWidth<T>);
  const Scratch<T> samples(omp_get_max_threads() * n * kWidth<T>);
  const auto scale = [F](fft::BinScale s, int64_t k) {
    return T(k == 0 || 2 * k == F ? s.ends : s.others);
  };
  for_each_block<T>(blocks, plan.M, [&](Numbers<T>* z, int64_t row, int64_t block) {
    const Block<const In> from = blocks.block(in, row, block);
    synthesise(plan, z, [=](int64_t k) SKIFF_INLINED {
      const In* bin = from.data + k * from.stride;
      const T s = scale(a, k);
      if constexpr (std::is_same_v<In, T>) {
        return Numbers<T>{s * load_some(bin, from.channels), {}};
      } else {
        const Numbers<T> value = load_complex(bin, from.channels);
        return Numbers<T>{s * value.re, s * value.im};
      }
    });
    T* x = samples + omp_get_thread_num() * n * kWidth<T>;
    leave(plan, z, Block<T>{x, n, kWidth<T>, kWidth<T>});
    for (int64_t t = 0; t < n; ++t)
      for (int64_t i = 0; i < kWidth<T>; ++i) x[t * kWidth<T> + i] *= w[t];
    enter(plan, z, Block<const T>{x, n, kWidth<T>, kWidth<T>});
    const Block<Out> to = blocks.block(out, row, block);
    analyse(plan, z, [=](int64_t k, const Numbers<T>& value) SKIFF_INLINED {
      const T s = scale(b, k);
      Out* bin = to.data + k * to.stride;
      if constexpr (std::is_same_v<Out, T>)
        store_some<T>(bin, s * value.re, to.channels);
      else
        store_complex(bin, Numbers<T>{s * value.re, s * value.im}, to.channels);
    });
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

Tensor lanes_weighted(const Tensor& in, BinScale a, const Tensor& w, BinScale b, bool real,
                      int64_t F, int64_t axis) {
  const DType dtype = w.dtype();
  Tensor out(in.shape(), real ? dtype : complex_type(dtype));
  dispatch(w, [&]<class T> {
    const auto run = [&]<class In, class Out>(const In* from, Out* to) {
      lanes::weighted<T>(from, a, w.data<T>(), w.size(), to, b, axis_view(in, axis), F);
    };
    if (in.is_complex())
      real ? run(in.data<Complex<T>>(), out.data<T>())
           : run(in.data<Complex<T>>(), out.data<Complex<T>>());
    else
      real ? run(in.data<T>(), out.data<T>()) : run(in.data<T>(), out.data<Complex<T>>());
  });
  return out;
}

}  // namespace skiff::fft
