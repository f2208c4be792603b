// The parts of SKI on a CPU. Channels fill a register; sequences are gathered, a piece of positions
// at a time, into registers [register of channels][position], zeros outside 0 .. n-1 and beyond the
// last channel. On those every product here is one function:
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
#include "core/conv/ski.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "core/channel_blocks.h"
#include "core/conv/inducing_place.h"
#include "core/lanes.h"
#include "core/scratch.h"

namespace skiff::ski_cpu {
namespace {

template <class T>
using Register = lanes::Vector<T>;
using lanes::kWidth;

// A tile and its factors have to fit the registers: 32 of AVX-512, 16 otherwise.
constexpr bool kManyRegisters = lanes::kBytes == 64;
constexpr int kTile = kManyRegisters ? 12 : 8, kFactorsAtOnce = kManyRegisters ? 4 : 1;
constexpr int64_t kPiece = 128;                     // positions gathered at a time
constexpr int64_t kGathered = 512 / lanes::kBytes;  // registers of channels gathered at a time
constexpr int64_t kThreadedWork = 1 << 16;          // multiply-adds; with fewer, threads cost more

// ---- the one product ----

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

// ---- along the sequence ----

template <class T>
struct Weight {  // (W s)[i] = a s[j] + b s[j + 1], s[j] at `low`
  T a, b;
  int64_t low;
};

// Outputs that begin at W s and go to rows of memory, a register each. With each, a line of what
// the next block reads is asked for, so that memory works while the registers do.
template <class T, bool full>
struct Positions {
  const Weight<T>* weights;
  const T* points;
  T* y;                    // of the first position
  const T *next, *next_x;  // where the next block begins to read; next_x may be null
  int64_t stride, rest;

  int64_t channels() const { return full ? kWidth<T> : rest; }
  Register<T> begin(int64_t o) const {
    const T* low = points + weights[o].low;
    return weights[o].a * lanes::load_some(low, channels()) +
           weights[o].b * lanes::load_some(low + stride, channels());
  }
  void end(int64_t o, Register<T> value) const {
    lanes::store_some<T>(y + o * stride, value, channels());
    __builtin_prefetch(next + o * stride, 0, 2);
    if (next_x) __builtin_prefetch(next_x + o * stride, 0, 2);
  }
};

template <class T>
void weigh(Weight<T>* weights, int64_t n, int64_t r, int64_t first, int64_t length,
           int64_t stride) {
  InducingPlace place(n, r, first);
  for (int64_t p = 0; p < length; ++p, place.next()) {
    const double f = place.fraction();
    weights[p] = {T(1 - f), T(f), place.j * stride};
  }
}

// A piece of outputs: all its registers of channels begin at W s and add their correlation.
template <class T>
struct OutputPiece {
  const T* points;         // row 0
  T* y;                    // of the first position
  const T *next, *next_x;  // as in Positions
  int64_t stride, channels, length;

  void write(const Weight<T>* weights, const Register<T>* filter, int64_t K,
             const Register<T>* window, int64_t span) const {
    for (int64_t v = 0, d = 0; d < channels; ++v, d += kWidth<T>, filter += K, window += span) {
      if (channels - d >= kWidth<T>)
        correlate<T>(positions<true>(weights, d), length, filter, K, window);
      else
        correlate<T>(positions<false>(weights, d), length, filter, K, window);
    }
  }
  template <bool full>
  Positions<T, full> positions(const Weight<T>* weights, int64_t d) const {
    return {weights, points + d,  y + d, next + d, next_x ? next_x + d : nullptr,
            stride,  channels - d};
  }
};

// out[i] = sum_q filter[q] in[i + q - m] + (W points)[i], filter = c or c reversed: y from x, and
// gx from gy. From the same window: gc[K-1-q] = sum over the batch and i of x[i] in[i + q - m].
struct Convolution {
  const Tensor& in;
  const Tensor& c;
  bool reversed = false;
  const Tensor* points = nullptr;
  Tensor* out = nullptr;  // nullptr: not needed
  const Tensor* x = nullptr;
  Tensor* gc = nullptr;  // nullptr: not needed
};

template <class T>
void convolve(const Convolution& job, int64_t axis) {
  const AxisView view = axis_view(job.in, axis);
  const int64_t n = view.n, K = job.c.size(0), D = job.c.size(1), m = (K - 1) / 2;
  const int64_t span = kPiece + K - 1;
  const ChannelBlocks blocks = channel_blocks<T>(view, D);
  const int64_t registers = registers_of<T>(std::min(blocks.width, D));  // of the first block
  const Scratch<Register<T>> filter(registers_of<T>(D) * K);
  gather<T>({job.c.data<T>(), K, D, D}, filter + 0, K, job.reversed ? K - 1 : 0,
            job.reversed ? -1 : 1, K);

  const int64_t pieces = (n + kPiece - 1) / kPiece, all_pieces = blocks.rows * pieces;
  const int64_t parts = std::clamp<int64_t>(all_pieces / 2, 1, 512), tasks = parts * blocks.count;
  const Scratch<Register<T>> sums(job.gc ? tasks * registers * K : 0);
  const bool parallel = tasks > 1 && job.in.size() * K >= kThreadedWork;
  PerThread<Scratch<Register<T>>> windows(parallel, registers * span);
  PerThread<Scratch<Register<T>>> pieces_of_x(parallel, job.gc ? registers * kPiece : 0);
#pragma omp parallel if (parallel)
  {
    Register<T>*const window = windows.mine() + 0, *const piece_of_x = pieces_of_x.mine() + 0;
    std::array<Weight<T>, kPiece> weights;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t block = task % blocks.count, part = task / blocks.count;
      Register<T>* const sum = sums + task * registers * K;
      if (job.gc) std::fill_n(sum, registers * K, Register<T>{});
      for (int64_t p = part * all_pieces / parts; p < (part + 1) * all_pieces / parts; ++p) {
        const int64_t row = p / pieces, first = p % pieces * kPiece;
        const int64_t length = std::min(kPiece, n - first), stride = blocks.inner;
        const Block<const T> in = blocks.block(job.in.data<T>(), row, block);
        gather(in, window, span, first - m, 1, length + K - 1);
        Block<const T> x{};
        if (job.gc) x = blocks.block(job.x->data<T>(), row, block);
        if (job.out) {
          const int64_t r = job.points->size(axis), next = (first + kPiece) * stride;
          weigh(weights.data(), n, r, first, length, stride);
          const OutputPiece<T> piece{
              blocks.block(job.points->data<T>(), r, row, block).data,
              blocks.block(job.out->data<T>(), row, block).data + first * stride,
              in.data + next + m * stride,
              job.gc ? x.data + next : nullptr,
              stride,
              in.channels,
              length};
          piece.write(weights.data(), filter + block * kGathered * K, K, window, span);
        }
        if (job.gc) {
          gather(x, piece_of_x, kPiece, first, 1, length);
          for (int64_t v = 0; v < registers_of<T>(in.channels); ++v)
            correlate<T>(Accumulate<T>{sum + v * K}, K, piece_of_x + v * kPiece, length,
                         window + v * span);
        }
      }
    }
  }
  if (job.gc)
    add_parts<T>(sums + 0, parts, blocks.count * registers * K, K, D, job.gc->data<T>(), K - 1, -1,
                 0, K);
}

// ---- between inducing points ----

template <class T>
void multiply_by_kernel(const Tensor& k, const Tensor& z, Tensor& s, int64_t axis,
                        bool transposed) {
  const AxisView view = axis_view(z, axis);
  const int64_t r = view.n, last = r - 1, lags = 2 * r - 1, D = k.size(1);
  const ChannelBlocks blocks = channel_blocks<T>(view, D);
  const int64_t registers = registers_of<T>(std::min(blocks.width, D));
  // k at lags -(r-1) .. r-1: [register of D][lag]
  const Block<const T> rows{k.data<T>(), 2 * r, D, D};
  const Scratch<Register<T>> window(registers_of<T>(D) * lags);
  gather(rows, window + 0, lags, r + 1, 1, r - 1);
  gather(rows, window + (r - 1), lags, 0, 1, r);
  const int64_t tasks = blocks.rows * blocks.count;
  const bool parallel = tasks > 1 && z.size() * r >= kThreadedWork;
  PerThread<Scratch<Register<T>>> ins(parallel, registers * r), outs(parallel, registers * r);
#pragma omp parallel if (parallel)
  {
    Register<T>*const in = ins.mine() + 0, *const out = outs.mine() + 0;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t block = task % blocks.count, row = task / blocks.count;
      const Block<const T> from = blocks.block(z.data<T>(), row, block);
      gather(from, in, r, transposed ? 0 : last, transposed ? 1 : -1, r);
      std::fill_n(out, registers * r, Register<T>{});
      for (int64_t v = 0; v < registers_of<T>(from.channels); ++v)
        correlate<T>(Accumulate<T>{out + v * r}, r, in + v * r, r,
                     window + (block * kGathered + v) * lags);
      scatter(blocks.block(s.data<T>(), row, block), out, r, transposed ? last : 0,
              transposed ? -1 : 1, r);
    }
  }
}

template <class T>
void sum_lags(const Tensor& h, const Tensor& z, Tensor& gk, int64_t axis) {
  const AxisView view = axis_view(z, axis);
  const int64_t r = view.n, D = gk.size(1), lags = 2 * r - 1, span = 3 * r - 2;
  const ChannelBlocks blocks = channel_blocks<T>(view, D);
  const int64_t registers = registers_of<T>(std::min(blocks.width, D));
  const int64_t parts = std::clamp<int64_t>(blocks.rows / 2, 1, 64), tasks = parts * blocks.count;
  const Scratch<Register<T>> sums(tasks * registers * lags);
  const bool parallel = tasks > 1 && z.size() * r >= kThreadedWork;
  PerThread<Scratch<Register<T>>> windows(parallel, registers * span), ins(parallel, registers * r);
#pragma omp parallel if (parallel)
  {
    Register<T>*const window = windows.mine() + 0, *const in = ins.mine() + 0;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t block = task % blocks.count, part = task / blocks.count;
      Register<T>* const sum = sums + task * registers * lags;
      std::fill_n(sum, registers * lags, Register<T>{});
      const int64_t end = (part + 1) * blocks.rows / parts;
      for (int64_t row = part * blocks.rows / parts; row < end; ++row) {
        const Block<const T> from = blocks.block(z.data<T>(), row, block);
        gather(from, in, r, 0, 1, r);
        gather(blocks.block(h.data<T>(), row, block), window, span, 1 - r, 1, span);
        for (int64_t v = 0; v < registers_of<T>(from.channels); ++v)
          for (int64_t a = 0; a < lags; a += kTile) {  // 0 <= a + o + t - (r-1) < r, else zeros
            const int64_t tile = std::min<int64_t>(kTile, lags - a);
            const int64_t t = std::max<int64_t>(0, r - a - tile), rest = std::min(r, lags - a) - t;
            correlate<T>(Accumulate<T>{sum + v * lags + a}, tile, in + v * r + t, rest,
                         window + v * span + a + t);
          }
      }
    }
  }
  const int64_t apart = blocks.count * registers * lags;
  T* out = gk.data<T>();
  add_parts<T>(sums + 0, parts, apart, lags, D, out, r + 1, 1, 0, r - 1);  // lags -(r-1) .. -1
  add_parts<T>(sums + 0, parts, apart, lags, D, out, 1 - r, 1, r - 1, lags);
  std::fill_n(out + r * D, D, T(0));
}

}  // namespace

Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> { convolve<T>({.in = x, .c = c, .points = &s, .out = &y}, axis); });
  return y;
}

std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c) {
  Tensor gx = need_x ? empty_like(x) : Tensor(), gc = need_c ? empty_like(c) : Tensor();
  const Convolution job{.in = gy,
                        .c = c,
                        .reversed = true,
                        .points = &u,
                        .out = need_x ? &gx : nullptr,
                        .x = &x,
                        .gc = need_c ? &gc : nullptr};
  if (need_x || need_c) dispatch(gy, [&]<class T> { convolve<T>(job, axis); });
  return {gx, gc};
}

Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed) {
  Tensor s = empty_like(z);
  dispatch(z, [&]<class T> { multiply_by_kernel<T>(k, z, s, axis, transposed); });
  return s;
}

Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis) {
  Tensor gk({2 * z.size(axis), D}, z.dtype(), z.device());
  dispatch(z, [&]<class T> { sum_lags<T>(h, z, gk, axis); });
  return gk;
}

}  // namespace skiff::ski_cpu
