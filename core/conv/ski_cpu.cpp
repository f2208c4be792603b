// The parts of SKI on a CPU. Channels fill a register; sequences are gathered, a block of positions
// at a time, into buffers of registers [channel register][position], zeros outside 0 .. n-1 and
// beyond the last channel. On those every product here is one function:
//
//   correlate   out[o] += sum_t tap[t] window[o + t]
//
//               out               tap              window
//   y           positions         c                x, m positions more on either side
//   gx          positions         c reversed       gy, m positions more on either side
//   gc          taps reversed     x                gy, m positions more on either side
//   s = A z     knots p           z reversed       k at lags -(r-1) .. r-1
//   u = A^T h   knots q reversed  h                k at lags -(r-1) .. r-1
//   gk          lags from -(r-1)  z                h between r-1 zeros on either side
//
// A tile of outputs stays in registers over all taps. With AVX-512 a register of the window serves
// four taps once loaded: one load for more than two fused multiply-adds. Each out[o] adds its terms
// in the order of t, whatever the tile. The pieces of work follow from sizes alone.
#include "core/conv/ski.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/conv/knot_place.h"
#include "core/lanes.h"
#include "core/per_thread.h"

namespace skiff::ski_cpu {
namespace {

template <class T>
using Register = lanes::Vector<T>;
template <class T>
constexpr int64_t kLanes = lanes::kWidth<T>;
constexpr int kRegisterBytes = lanes::kBytes;

// A tile and its taps have to fit the registers: 32 of AVX-512, 16 otherwise.
constexpr bool kManyRegisters = kRegisterBytes == 64;
constexpr int kTile = kManyRegisters ? 12 : 8, kTapsAtOnce = kManyRegisters ? 4 : 1;
constexpr int64_t kBlock = 128;                   // positions gathered at a time
constexpr int64_t kChunk = 512 / kRegisterBytes;  // registers of channels gathered at a time
constexpr int64_t kThreadedWork = 1 << 16;        // multiply-adds; below, threads cost more

// ---- the one product ----

// Out says where outputs begin and where they go: begin(o), end(o, value).
template <class T, class Out, int outs>
void tile(const Out& out, int64_t first, const Register<T>* tap, int64_t taps,
          const Register<T>* window) {
  Register<T> sum[outs];
#pragma GCC unroll 16
  for (int o = 0; o < outs; ++o) sum[o] = out.begin(first + o);
  int64_t t = 0;
  for (; t + kTapsAtOnce <= taps; t += kTapsAtOnce) {
    Register<T> c[kTapsAtOnce];
#pragma GCC unroll 4
    for (int g = 0; g < kTapsAtOnce; ++g) c[g] = tap[t + g];
#pragma GCC unroll 20
    for (int j = 0; j < outs + kTapsAtOnce - 1; ++j) {
      const Register<T> w = window[t + j];
#pragma GCC unroll 4
      for (int g = 0; g < kTapsAtOnce; ++g)
        if (j >= g && j - g < outs) sum[j - g] += c[g] * w;
    }
  }
  for (; t < taps; ++t) {
    const Register<T> c = tap[t];
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
void correlate(const Out& out, int64_t outs, const Register<T>* tap, int64_t taps,
               const Register<T>* window) {
  static constexpr auto tiles = tiles_of<T, Out>(std::make_index_sequence<kTile>());
  const int64_t count = (outs + kTile - 1) / kTile;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = i * outs / count, size = (i + 1) * outs / count - first;
    tiles[size_t(size - 1)](out, first, tap, taps, window + first);
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
class Buffer {  // aligned registers
 public:
  explicit Buffer(int64_t registers)
      : memory_({registers * kLanes<T>}, DTypeOf<T>::value),
        registers_(reinterpret_cast<Register<T>*>(memory_.template data<T>())) {}
  Register<T>* at(int64_t i) const { return registers_ + i; }

 private:
  Tensor memory_;
  Register<T>* registers_;
};

// The first `lanes` lanes; any number from one register on means all.
template <class T>
Register<T> load(const T* x, int64_t lanes) {
  Register<T> v{};
  if (lanes >= kLanes<T>)
    std::memcpy(&v, x, sizeof v);
  else
    for (int64_t l = 0; l < lanes; ++l) v[l] = x[l];
  return v;
}
template <class T>
void store(T* y, Register<T> v, int64_t lanes) {
  if (lanes >= kLanes<T>)
    std::memcpy(y, &v, sizeof v);
  else
    for (int64_t l = 0; l < lanes; ++l) y[l] = v[l];
}

// A sequence of n positions, `stride` apart, of neighbouring channels; Element is T or const T.
template <class Element>
struct Sequence {
  using T = std::remove_const_t<Element>;
  Element* x;
  int64_t n, stride, channels;

  int64_t registers() const { return (channels + kLanes<T> - 1) / kLanes<T>; }

  // to[v * spacing + p] = register v of position first + step p, zeros outside; p = 0 .. rows-1
  void gather(Register<T>* to, int64_t spacing, int64_t first, int64_t step, int64_t rows) const {
    for (int64_t p = 0; p < rows; ++p) {
      const int64_t i = first + step * p;
      if (i < 0 || i >= n) {
        for (int64_t v = 0; v < registers(); ++v) to[v * spacing + p] = Register<T>{};
        continue;
      }
      for (int64_t v = 0; v < channels / kLanes<T>; ++v)
        to[v * spacing + p] = load(x + i * stride + v * kLanes<T>, kLanes<T>);
      if (const int64_t rest = channels % kLanes<T>)
        to[channels / kLanes<T> * spacing + p] = load(x + i * stride + channels - rest, rest);
    }
  }
  // position first + step p = from[v * spacing + p]
  void scatter(const Register<T>* from, int64_t spacing, int64_t first, int64_t step,
               int64_t rows) const {
    for (int64_t p = 0; p < rows; ++p)
      for (int64_t v = 0, d = 0; d < channels; ++v, d += kLanes<T>)
        store(x + (first + step * p) * stride + d, from[v * spacing + p], channels - d);
  }
};

// (outer, n, groups, D) as rows (outer, group) times chunks of channels.
template <class T>
struct Pieces {
  int64_t inner, D, groups, rows, chunks, registers;  // registers of a whole chunk

  Pieces(AxisView v, int64_t D)
      : inner(v.inner),
        D(D),
        groups(v.inner / D),
        rows(v.outer * groups),
        chunks((D + kChunk * kLanes<T> - 1) / (kChunk * kLanes<T>)),
        registers(std::min(kChunk, (D + kLanes<T> - 1) / kLanes<T>)) {}

  template <class Element>
  Sequence<Element> sequence(Element* x, int64_t n, int64_t row, int64_t chunk) const {
    const int64_t d = chunk * kChunk * kLanes<T>;
    return {x + row / groups * n * inner + row % groups * D + d, n, inner,
            std::min(kChunk * kLanes<T>, D - d)};
  }
};

// Sums over the batch are cut into `parts` [part][chunk][v][row], added in their order in float64:
// row first + step q of the total, for q = begin .. end-1.
template <class T>
void add_parts(const Buffer<T>& sums, int64_t parts, const Pieces<T>& pieces, int64_t rows,
               T* total, int64_t first, int64_t step, int64_t begin, int64_t end) {
  const int64_t apart = pieces.chunks * pieces.registers * rows;
  for (int64_t d = 0, v = 0; d < pieces.D; ++v, d += kLanes<T>)  // every chunk but the last is full
    for (int64_t q = begin; q < end; ++q) {
      double sum[kLanes<T>] = {};
      for (int64_t p = 0; p < parts; ++p) {
        const Register<T> part = *sums.at(p * apart + v * rows + q);
        for (int64_t l = 0; l < kLanes<T>; ++l) sum[l] += double(part[l]);
      }
      for (int64_t l = 0; l < std::min(kLanes<T>, pieces.D - d); ++l)
        total[(first + step * q) * pieces.D + d + l] = T(sum[l]);
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
  const T* knots;
  T* y;                    // of the first position
  const T *next, *next_x;  // where the next block begins to read; next_x may be null
  int64_t stride, rest;

  int64_t lanes() const { return full ? kLanes<T> : rest; }
  Register<T> begin(int64_t o) const {
    const T* low = knots + weights[o].low;
    return weights[o].a * load(low, lanes()) + weights[o].b * load(low + stride, lanes());
  }
  void end(int64_t o, Register<T> value) const {
    store(y + o * stride, value, lanes());
    __builtin_prefetch(next + o * stride, 0, 2);
    if (next_x) __builtin_prefetch(next_x + o * stride, 0, 2);
  }
};

template <class T>
void weigh(Weight<T>* weights, int64_t n, int64_t r, int64_t first, int64_t length,
           int64_t stride) {
  KnotPlace place(n, r, first);
  for (int64_t p = 0; p < length; ++p, place.next()) {
    const double f = place.fraction();
    weights[p] = {T(1 - f), T(f), place.j * stride};
  }
}

// A block of outputs: all its registers of channels begin at the knots and add their correlation.
template <class T>
struct OutputBlock {
  const T* knots;          // row 0
  T* y;                    // of the first position
  const T *next, *next_x;  // as in Positions
  int64_t stride, channels, length;

  void write(const Weight<T>* weights, const Register<T>* tap, int64_t taps,
             const Register<T>* window, int64_t span) const {
    for (int64_t v = 0, d = 0; d < channels; ++v, d += kLanes<T>, tap += taps, window += span) {
      if (channels - d >= kLanes<T>)
        correlate<T>(positions<true>(weights, d), length, tap, taps, window);
      else
        correlate<T>(positions<false>(weights, d), length, tap, taps, window);
    }
  }
  template <bool full>
  Positions<T, full> positions(const Weight<T>* weights, int64_t d) const {
    return {weights, knots + d,   y + d, next + d, next_x ? next_x + d : nullptr,
            stride,  channels - d};
  }
};

// out[i] = sum_q tap[q] in[i + q - m] + (W knots)[i], tap = c or c reversed: y from x, and gx from
// gy. With gc, from the same window: gc[K-1-q] = sum over the batch and i of x[i] in[i + q - m].
// Either of out and gc may be empty.
template <class T>
void convolve(const Tensor& in, const Tensor& c, bool reversed, const Tensor& knots, Tensor& out,
              const Tensor& x, Tensor& gc, int64_t axis) {
  const AxisView view = axis_view(in, axis);
  const int64_t n = view.n, K = c.size(0), D = c.size(1), m = (K - 1) / 2, span = kBlock + K - 1;
  const Pieces<T> pieces(view, D);
  const int64_t registers = pieces.registers;
  const Sequence<const T> rows_of_c{c.data<T>(), K, D, D};
  const Buffer<T> taps(rows_of_c.registers() * K);
  rows_of_c.gather(taps.at(0), K, reversed ? K - 1 : 0, reversed ? -1 : 1, K);

  const int64_t blocks = (n + kBlock - 1) / kBlock, all_blocks = pieces.rows * blocks;
  const int64_t parts = std::clamp<int64_t>(all_blocks / 2, 1, 512);
  const int64_t tasks = parts * pieces.chunks;
  const Buffer<T> sums(gc ? tasks * registers * K : 0);
  const bool parallel = tasks > 1 && in.size() * K >= kThreadedWork;
  PerThread<Buffer<T>> windows(parallel, registers * span);
  PerThread<Buffer<T>> blocks_of_x(parallel, gc ? registers * kBlock : 0);
#pragma omp parallel if (parallel)
  {
    const Buffer<T>&window = windows.mine(), &block_of_x = blocks_of_x.mine();
    std::array<Weight<T>, kBlock> weights;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t chunk = task % pieces.chunks, part = task / pieces.chunks;
      Register<T>* const sum = sums.at(task * registers * K);
      if (gc) std::fill_n(sum, registers * K, Register<T>{});
      for (int64_t b = part * all_blocks / parts; b < (part + 1) * all_blocks / parts; ++b) {
        const int64_t row = b / blocks, first = b % blocks * kBlock;
        const int64_t length = std::min(kBlock, n - first), stride = pieces.inner;
        const Sequence from = pieces.sequence(in.data<T>(), n, row, chunk);
        from.gather(window.at(0), span, first - m, 1, length + K - 1);
        Sequence<const T> factor{};
        if (gc) factor = pieces.sequence(x.data<T>(), n, row, chunk);
        if (out) {
          const int64_t r = knots.size(axis), at = (first + kBlock) * stride;
          weigh(weights.data(), n, r, first, length, stride);
          const OutputBlock<T> block{
              pieces.sequence(knots.data<T>(), r, row, chunk).x,
              pieces.sequence(out.data<T>(), n, row, chunk).x + first * stride,
              from.x + at + m * stride,
              gc ? factor.x + at : nullptr,
              stride,
              from.channels,
              length};
          block.write(weights.data(), taps.at(chunk * kChunk * K), K, window.at(0), span);
        }
        if (gc) {
          factor.gather(block_of_x.at(0), kBlock, first, 1, length);
          for (int64_t v = 0; v < from.registers(); ++v)
            correlate<T>(Accumulate<T>{sum + v * K}, K, block_of_x.at(v * kBlock), length,
                         window.at(v * span));
        }
      }
    }
  }
  if (gc) add_parts<T>(sums, parts, pieces, K, gc.data<T>(), K - 1, -1, 0, K);
}

// ---- between knots ----

// k at lags -(r-1) .. r-1: [register of D][lag]
template <class T>
Buffer<T> pack_lags(const Tensor& k) {
  const int64_t r = k.size(0) / 2, D = k.size(1), lags = 2 * r - 1;
  const Sequence<const T> rows{k.data<T>(), 2 * r, D, D};
  Buffer<T> packed(rows.registers() * lags);
  rows.gather(packed.at(0), lags, r + 1, 1, r - 1);
  rows.gather(packed.at(r - 1), lags, 0, 1, r);
  return packed;
}

template <class T>
void multiply_knots(const Tensor& k, const Tensor& z, Tensor& s, int64_t axis, bool transposed) {
  const AxisView view = axis_view(z, axis);
  const int64_t r = view.n, last = r - 1, lags = 2 * r - 1;
  const Pieces<T> pieces(view, k.size(1));
  const Buffer<T> window = pack_lags<T>(k);
  const int64_t tasks = pieces.rows * pieces.chunks;
  const bool parallel = tasks > 1 && z.size() * r >= kThreadedWork;
  PerThread<Buffer<T>> ins(parallel, pieces.registers * r), outs(parallel, pieces.registers * r);
#pragma omp parallel if (parallel)
  {
    const Buffer<T>&in = ins.mine(), &out = outs.mine();
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t chunk = task % pieces.chunks, row = task / pieces.chunks;
      const Sequence from = pieces.sequence(z.data<T>(), r, row, chunk);
      from.gather(in.at(0), r, transposed ? 0 : last, transposed ? 1 : -1, r);
      std::fill_n(out.at(0), pieces.registers * r, Register<T>{});
      for (int64_t v = 0; v < from.registers(); ++v)
        correlate<T>(Accumulate<T>{out.at(v * r)}, r, in.at(v * r), r,
                     window.at((chunk * kChunk + v) * lags));
      pieces.sequence(s.data<T>(), r, row, chunk)
          .scatter(out.at(0), r, transposed ? last : 0, transposed ? -1 : 1, r);
    }
  }
}

template <class T>
void correlate_knots(const Tensor& h, const Tensor& z, Tensor& gk, int64_t axis) {
  const AxisView view = axis_view(z, axis);
  const int64_t r = view.n, D = gk.size(1), lags = 2 * r - 1, span = 3 * r - 2;
  const Pieces<T> pieces(view, D);
  const int64_t parts = std::clamp<int64_t>(pieces.rows / 2, 1, 64);
  const int64_t tasks = parts * pieces.chunks, registers = pieces.registers;
  const Buffer<T> sums(tasks * registers * lags);
  const bool parallel = tasks > 1 && z.size() * r >= kThreadedWork;
  PerThread<Buffer<T>> windows(parallel, registers * span), ins(parallel, registers * r);
#pragma omp parallel if (parallel)
  {
    const Buffer<T>&window = windows.mine(), &in = ins.mine();
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t chunk = task % pieces.chunks, part = task / pieces.chunks;
      Register<T>* const sum = sums.at(task * registers * lags);
      std::fill_n(sum, registers * lags, Register<T>{});
      const int64_t end = (part + 1) * pieces.rows / parts;
      for (int64_t row = part * pieces.rows / parts; row < end; ++row) {
        const Sequence from = pieces.sequence(z.data<T>(), r, row, chunk);
        from.gather(in.at(0), r, 0, 1, r);
        pieces.sequence(h.data<T>(), r, row, chunk).gather(window.at(0), span, 1 - r, 1, span);
        for (int64_t v = 0; v < from.registers(); ++v)
          for (int64_t a = 0; a < lags; a += kTile) {  // 0 <= a + o + t - (r-1) < r, else zeros
            const int64_t tile = std::min<int64_t>(kTile, lags - a);
            const int64_t t = std::max<int64_t>(0, r - a - tile), rest = std::min(r, lags - a) - t;
            correlate<T>(Accumulate<T>{sum + v * lags + a}, tile, in.at(v * r + t), rest,
                         window.at(v * span + a + t));
          }
      }
    }
  }
  T* out = gk.data<T>();
  add_parts<T>(sums, parts, pieces, lags, out, r + 1, 1, 0, r - 1);  // lags -(r-1) .. -1
  add_parts<T>(sums, parts, pieces, lags, out, 1 - r, 1, r - 1, lags);
  std::fill_n(out + r * D, D, T(0));
}

}  // namespace

Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis) {
  Tensor y = empty_like(x), no_gc;
  dispatch(x, [&]<class T> { convolve<T>(x, c, /*reversed=*/false, s, y, {}, no_gc, axis); });
  return y;
}

std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c) {
  Tensor gx = need_x ? empty_like(x) : Tensor(), gc = need_c ? empty_like(c) : Tensor();
  if (need_x || need_c)
    dispatch(gy, [&]<class T> { convolve<T>(gy, c, /*reversed=*/true, u, gx, x, gc, axis); });
  return {gx, gc};
}

Tensor knot_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed) {
  Tensor s = empty_like(z);
  dispatch(z, [&]<class T> { multiply_knots<T>(k, z, s, axis, transposed); });
  return s;
}

Tensor knot_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis) {
  Tensor gk({2 * z.size(axis), D}, z.dtype(), z.device());
  dispatch(z, [&]<class T> { correlate_knots<T>(h, z, gk, axis); });
  return gk;
}

}  // namespace skiff::ski_cpu
