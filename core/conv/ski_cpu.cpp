// The parts of SKI on a CPU, each a pass over sequences of any length by correlate.h.
#include <algorithm>
#include <array>
#include <utility>

#include "core/conv/correlate.h"
#include "core/conv/ski.h"

namespace skiff::ski_cpu {
namespace {

// ---- along the sequence ----

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
          add_lags<T>(sum + v * lags, r, in + v * r, window + v * span);
      }
    }
  }
  add_lag_parts<T>(sums + 0, parts, blocks.count * registers * lags, r, D, gk.data<T>());
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
