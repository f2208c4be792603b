// The one product that SKI on a CPU is made of. Channels fill a register; sequences are gathered, a
// piece of positions at a time, into registers [register of channels][position], zeros outside
// 0 .. n-1 and beyond the last channel. On those every product here is one function:
//
//   correlate   out[o] += sum_t factor[t] window[o + t]
//
//               out                factor          window
//   y           positions          c               x, m positions more on either side
//   gx          positions          c reversed      gy, m positions more on either side
//   gc          filter reversed    x               gy, m positions more on either side
//   s = A z     points p           z reversed      k at lags -(r-1) .. r-1
//   u = A^T h   points q reversed  h               k at lags -(r-1) .. r-1
//   gk          lags from -(r-1)   z               h between r-1 zeros on either side
//
// A tile of outputs stays in registers over all t. With AVX-512 a register of the window serves
// four factors once loaded: one load for more than two fused multiply-adds. Each out[o] adds its
// terms in the order of t, whatever the tile. The division of the work follows from sizes alone.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "core/channel_blocks.h"
#include "core/conv/inducing_place.h"
#include "core/lanes.h"
#include "core/scratch.h"

namespace skiff::ski_cpu {

template <class T>
using Register = lanes::Vector<T>;
using lanes::kWidth;

// A tile and its factors have to fit the registers: 32 of AVX-512, 16 otherwise.
inline constexpr bool kManyRegisters = lanes::kBytes == 64;
inline constexpr int kTile = kManyRegisters ? 12 : 8, kFactorsAtOnce = kManyRegisters ? 4 : 1;
inline constexpr int64_t kPiece = 128;                     // positions gathered at a time
inline constexpr int64_t kGathered = 512 / lanes::kBytes;  // registers of channels at a time
inline constexpr int64_t kThreadedWork = 1 << 16;  // multiply-adds; with fewer, threads cost more

// Out says where outputs begin and where they go: begin(o), end(o, value).
template <class T, class Out, int outs>
void tile(const Out& out, int64_t first, const Register<T>* factor, int64_t factors,
          const Register<T>* window) {
  Register<T> sum[outs];
#pragma GCC unroll 16
  for (int o = 0; o < outs; ++o) sum[o] = out.begin(first + o);
  int64_t t = 0;
  for (; t + kFactorsAtOnce <= factors; t += kFactorsAtOnce) {
    Register<T> c[kFactorsAtOnce];
#pragma GCC unroll 4
    for (int g = 0; g < kFactorsAtOnce; ++g) c[g] = factor[t + g];
#pragma GCC unroll 20
    for (int j = 0; j < outs + kFactorsAtOnce - 1; ++j) {
      const Register<T> w = window[t + j];
#pragma GCC unroll 4
      for (int g = 0; g < kFactorsAtOnce; ++g)
        if (j >= g && j - g < outs) sum[j - g] += c[g] * w;
    }
  }
  for (; t < factors; ++t) {
    const Register<T> c = factor[t];
#pragma GCC unroll 16
    for (int o = 0; o < outs; ++o) sum[o] += c * window[t + o];
  }
#pragma GCC unroll 16
  for (int o = 0; o < outs; ++o) out.end(first + o, sum[o]);
}

template <class T, class Out, size_t... outs>
constexpr auto tiles_of(std::index_sequence<outs...>) {
  return std::array{&tile<T, Out, int(outs) + 1>...};
}

// Tiles of nearly equal size: a tile of one or two outputs waits for its own additions.
template <class T, class Out>
void correlate(const Out& out, int64_t outs, const Register<T>* factor, int64_t factors,
               const Register<T>* window) {
  static constexpr auto tiles = tiles_of<T, Out>(std::make_index_sequence<kTile>());
  const int64_t count = (outs + kTile - 1) / kTile;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = i * outs / count, size = (i + 1) * outs / count - first;
    tiles[size_t(size - 1)](out, first, factor, factors, window + first);
  }
}

template <class T>
struct Accumulate {  // in a buffer of registers
  Register<T>* sum;
  Register<T> begin(int64_t o) const { return sum[o]; }
  void end(int64_t o, Register<T> value) const { sum[o] = value; }
};

// ---- registers and memory ----
template <class T>
int64_t registers_of(int64_t channels) {
  return (channels + kWidth<T> - 1) / kWidth<T>;
}

// to[v * spacing + p] = register v of position first + step p, zeros outside; p = 0 .. rows-1
template <class T>
void gather(const Block<const T>& x, Register<T>* to, int64_t spacing, int64_t first, int64_t step,
            int64_t rows) {
  for (int64_t p = 0; p < rows; ++p) {
    const int64_t i = first + step * p;
    if (i < 0 || i >= x.n) {
      for (int64_t v = 0; v < registers_of<T>(x.channels); ++v) to[v * spacing + p] = Register<T>{};
      continue;
    }
    const T* from = x.data + i * x.stride;
    for (int64_t v = 0; v < x.channels / kWidth<T>; ++v)
      to[v * spacing + p] = lanes::vector_at(from + v * kWidth<T>);
    if (const int64_t rest = x.channels % kWidth<T>)
      to[x.channels / kWidth<T> * spacing + p] = lanes::load_some(from + x.channels - rest, rest);
  }
}
// position first + step p = from[v * spacing + p]
template <class T>
void scatter(const Block<T>& y, const Register<T>* from, int64_t spacing, int64_t first,
             int64_t step, int64_t rows) {
  for (int64_t p = 0; p < rows; ++p)
    for (int64_t v = 0, d = 0; d < y.channels; ++v, d += kWidth<T>)
      lanes::store_some<T>(y.data + (first + step * p) * y.stride + d, from[v * spacing + p],
                           std::min(kWidth<T>, y.channels - d));
}

template <class T>
ChannelBlocks channel_blocks(AxisView v, int64_t D) {
  return ChannelBlocks(v, D, kGathered * kWidth<T>);
}

// Sums over the batch are cut into `parts` [part][register of channels][row], `apart` registers
// from one to the next, and added in their order in float64: row first + step q of the total (rows,
// D), for q = begin .. end-1.
template <class T>
void add_parts(const Register<T>* sums, int64_t parts, int64_t apart, int64_t rows, int64_t D,
               T* total, int64_t first, int64_t step, int64_t begin, int64_t end) {
  for (int64_t d = 0, v = 0; d < D; ++v, d += kWidth<T>)
    for (int64_t q = begin; q < end; ++q) {
      double sum[kWidth<T>] = {};
      for (int64_t p = 0; p < parts; ++p) {
        const Register<T> part = sums[p * apart + v * rows + q];
        for (int64_t l = 0; l < kWidth<T>; ++l) sum[l] += double(part[l]);
      }
      for (int64_t l = 0; l < std::min(kWidth<T>, D - d); ++l)
        total[(first + step * q) * D + d + l] = T(sum[l]);
    }
}

// sum[l] += sum over p - q = l - (r-1) of h[p] z[q], l = 0 .. 2r-2; around_h: h between r-1 zeros
// on either side.
template <class T>
void add_lags(Register<T>* sum, int64_t r, const Register<T>* z, const Register<T>* around_h) {
  const int64_t lags = 2 * r - 1;
  for (int64_t a = 0; a < lags; a += kTile) {  // 0 <= a + o + t - (r-1) < r, else zeros
    const int64_t tile = std::min<int64_t>(kTile, lags - a);
    const int64_t t = std::max<int64_t>(0, r - a - tile), rest = std::min(r, lags - a) - t;
    correlate<T>(Accumulate<T>{sum + a}, tile, z + t, rest, around_h + a + t);
  }
}

// add_parts of such sums, to the layout of the kernel (2r, D).
template <class T>
void add_lag_parts(const Register<T>* sums, int64_t parts, int64_t apart, int64_t r, int64_t D,
                   T* gk) {
  const int64_t lags = 2 * r - 1;
  add_parts<T>(sums, parts, apart, lags, D, gk, r + 1, 1, 0, r - 1);  // lags -(r-1) .. -1
  add_parts<T>(sums, parts, apart, lags, D, gk, 1 - r, 1, r - 1, lags);
  std::fill_n(gk + r * D, D, T(0));
}

// ---- interpolation ----

template <class T>
struct Weight {  // (W s)[i] = a s[j] + b s[j + 1], s[j] at `low`
  T a, b;
  int64_t low;
};

// Of positions first, first + 1 ..; points are `stride` apart.
template <class T>
void weigh(Weight<T>* weights, int64_t n, int64_t r, int64_t first, int64_t length,
           int64_t stride) {
  InducingPlace place(n, r, first);
  for (int64_t p = 0; p < length; ++p, place.next()) {
    const double f = place.fraction();
    weights[p] = {T(1 - f), T(f), place.j * stride};
  }
}

}  // namespace skiff::ski_cpu
