// SKI on a CPU for sequences so short that one of them fits a cache with its inducing points. What
// lies between the input and the output of the op (z, s, h and u of autograd/ops/ski/ski.cpp) is
// made for one register of channels, used and forgotten. So x is read once for y, and x and gy
// once for all gradients, where the parts (ski_cpu.cpp) send z, s, h and u through memory and read
// x and gy two and three times. The backward makes z again, which costs less than keeping it.
#include <algorithm>
#include <array>
#include <vector>

#include "core/conv/correlate.h"
#include "core/conv/ski.h"

namespace skiff::ski_cpu {
namespace {

// to[step p] = (W^T x)[p], p = 0 .. r-1; x in registers.
template <class T>
void sum_to_points(const Register<T>* x, const std::vector<Weight<T>>& weights, Register<T>* to,
                   int64_t step, int64_t r) {
  for (int64_t p = 0; p < r; ++p) to[step * p] = Register<T>{};
  const int64_t n = int64_t(weights.size());
  for (int64_t i = 0; i < n;) {  // the positions between two points at a time
    const int64_t j = weights[size_t(i)].low;
    Register<T> low{}, high{};
    for (; i < n && weights[size_t(i)].low == j; ++i) {
      low += weights[size_t(i)].a * x[i];
      high += weights[size_t(i)].b * x[i];
    }
    to[step * j] += low;
    to[step * (j + 1)] += high;
  }
}

// Outputs that begin at W s, s in registers `step` apart, and go to rows of memory. With each, a
// line of what the next task reads is asked for, so that memory works while the registers do.
template <class T>
struct FromPoints {
  const Weight<T>* weights;
  const Register<T>* points;
  int64_t step;
  T* y;
  int64_t stride, channels;
  const T *next, *next_x;  // next_x may be null

  Register<T> begin(int64_t o) const {
    const Register<T>* low = points + step * weights[o].low;
    return weights[o].a * low[0] + weights[o].b * low[step];
  }
  void end(int64_t o, Register<T> value) const {
    lanes::store_some<T>(y + o * stride, value, channels);
    __builtin_prefetch(next + o * stride, 0, 3);
    if (next_x) __builtin_prefetch(next_x + o * stride, 0, 3);
  }
};

// Sizes and the constants of both passes.
template <class T>
struct Short {
  int64_t n, K, D, r, m, span, lags;
  ChannelBlocks blocks;
  int64_t registers, tasks, work;       // registers: of the first block, the widest
  Scratch<Register<T>> filter, kernel;  // [register of D][tap], [register of D][lag + r - 1]
  std::vector<Weight<T>> weights;       // low counts points

  Short(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis, bool reversed)
      : n(x.size(axis)),
        K(c.size(0)),
        D(c.size(1)),
        r(k.size(0) / 2),
        m((K - 1) / 2),
        span(n + K - 1),
        lags(2 * r - 1),
        blocks(channel_blocks<T>(axis_view(x, axis), D)),
        registers(registers_of<T>(std::min(blocks.width, D))),
        tasks(blocks.rows * blocks.count),
        work(blocks.rows * D * (n * K + r * r)),
        filter(registers_of<T>(D) * K),
        kernel(registers_of<T>(D) * lags),
        weights(size_t(n)) {
    gather<T>({c.data<T>(), K, D, D}, filter + 0, K, reversed ? K - 1 : 0, reversed ? -1 : 1, K);
    const Block<const T> rows{k.data<T>(), 2 * r, D, D};
    gather(rows, kernel + 0, lags, r + 1, 1, r - 1);
    gather(rows, kernel + (r - 1), lags, 0, 1, r);
    weigh(weights.data(), n, r, 0, n, 1);
  }
  bool parallel(int64_t of) const { return of > 1 && work >= kThreadedWork; }
  const Register<T>* filter_of(int64_t block, int64_t v) const {
    return filter + (block * kGathered + v) * K;
  }
  const Register<T>* kernel_of(int64_t block, int64_t v) const {
    return kernel + (block * kGathered + v) * lags;
  }
};

template <class T>
void forward(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis, Tensor& y) {
  const Short<T> s(x, c, k, axis, /*reversed=*/false);
  const bool parallel = s.parallel(s.tasks);
  PerThread<Scratch<Register<T>>> scratch(parallel, s.registers * s.span + 2 * s.r);
#pragma omp parallel if (parallel)
  {
    Register<T>*const window = scratch.mine() + 0, *const z = window + s.registers * s.span;
    Register<T>* const values = z + s.r;  // A z
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s.tasks; ++task) {
      const int64_t block = task % s.blocks.count, row = task / s.blocks.count;
      const int64_t after = std::min(task + 1, s.tasks - 1);
      const Block<const T> in = s.blocks.block(x.data<T>(), row, block);
      const Block<T> out = s.blocks.block(y.data<T>(), row, block);
      const T* next =
          s.blocks.block(x.data<T>(), after / s.blocks.count, after % s.blocks.count).data;
      gather(in, window, s.span, -s.m, 1, s.span);
      for (int64_t v = 0, d = 0; d < in.channels; ++v, d += kWidth<T>) {
        const Register<T>* at = window + v * s.span;
        sum_to_points(at + s.m, s.weights, z + (s.r - 1), -1, s.r);
        std::fill_n(values, s.r, Register<T>{});
        correlate<T>(Accumulate<T>{values}, s.r, z, s.r, s.kernel_of(block, v));
        correlate<T>(FromPoints<T>{s.weights.data(), values, 1, out.data + d, in.stride,
                                   std::min(kWidth<T>, in.channels - d), next + d, nullptr},
                     s.n, s.filter_of(block, v), s.K, at);
      }
    }
  }
}

// A gradient that is not needed is an empty tensor.
template <class T>
void backward(const Tensor& x, const Tensor& c, const Tensor& k, const Tensor& gy, int64_t axis,
              Tensor& gx, Tensor& gc, Tensor& gk) {
  const Short<T> s(x, c, k, axis, /*reversed=*/true);
  const int64_t n = s.n, K = s.K, r = s.r, lags = s.lags;
  // Sums over few positions at a time, as they are taken in T; 128 parts keep the threads busy.
  const int64_t parts = std::clamp<int64_t>(s.blocks.rows * n / 512, 1, 128);
  const int64_t tasks = parts * s.blocks.count;
  const Scratch<Register<T>> sums_c(gc ? tasks * s.registers * K : 0);
  const Scratch<Register<T>> sums_k(gk ? tasks * s.registers * lags : 0);
  const bool parallel = s.parallel(tasks), with_x = gc || gk;
  PerThread<Scratch<Register<T>>> scratch(parallel, s.registers * (s.span + n) + 5 * r);
#pragma omp parallel if (parallel)
  {
    Register<T>*const window = scratch.mine() + 0, *const of_x = window + s.registers * s.span;
    Register<T>*const z = of_x + s.registers * n, *const u = z + r;     // u reversed
    Register<T>*const around_h = u + r, *const h = around_h + (r - 1);  // between r-1 zeros
    std::fill_n(around_h, 3 * r - 2, Register<T>{});
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t block = task % s.blocks.count, part = task / s.blocks.count;
      Register<T>* const sum_c = sums_c + task * s.registers * K;
      Register<T>* const sum_k = sums_k + task * s.registers * lags;
      if (gc) std::fill_n(sum_c, s.registers * K, Register<T>{});
      if (gk) std::fill_n(sum_k, s.registers * lags, Register<T>{});
      const int64_t end = (part + 1) * s.blocks.rows / parts;
      for (int64_t row = part * s.blocks.rows / parts; row < end; ++row) {
        const int64_t after = std::min(row + 1, s.blocks.rows - 1);
        const Block<const T> in = s.blocks.block(gy.data<T>(), row, block);
        const Block<const T> from = s.blocks.block(x.data<T>(), row, block);
        const T *next = s.blocks.block(gy.data<T>(), after, block).data,
                *next_x = with_x ? s.blocks.block(x.data<T>(), after, block).data : nullptr;
        gather(in, window, s.span, -s.m, 1, s.span);
        if (with_x) gather(from, of_x, n, 0, 1, n);
        for (int64_t v = 0, d = 0; d < in.channels; ++v, d += kWidth<T>) {
          const Register<T>*at = window + v * s.span, *x_at = of_x + v * n;
          if (gx || gk) sum_to_points(at + s.m, s.weights, h, 1, r);
          if (gx) {
            std::fill_n(u, r, Register<T>{});
            correlate<T>(Accumulate<T>{u}, r, h, r, s.kernel_of(block, v));
            T* to = s.blocks.block(gx.data<T>(), row, block).data + d;
            correlate<T>(FromPoints<T>{s.weights.data(), u + (r - 1), -1, to, in.stride,
                                       std::min(kWidth<T>, in.channels - d), next + d,
                                       next_x ? next_x + d : nullptr},
                         n, s.filter_of(block, v), K, at);
          }
          if (gc) correlate<T>(Accumulate<T>{sum_c + v * K}, K, x_at, n, at);
          if (gk) {
            sum_to_points(x_at, s.weights, z, 1, r);
            add_lags<T>(sum_k + v * lags, r, z, around_h);
          }
        }
      }
    }
  }
  const int64_t apart = s.blocks.count * s.registers;  // registers of a part
  if (gc) add_parts<T>(sums_c + 0, parts, apart * K, K, s.D, gc.data<T>(), K - 1, -1, 0, K);
  if (gk) add_lag_parts<T>(sums_k + 0, parts, apart * lags, r, s.D, gk.data<T>());
}

}  // namespace

Tensor short_forward(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> { forward<T>(x, c, k, axis, y); });
  return y;
}

std::array<Tensor, 3> short_backward(const Tensor& x, const Tensor& c, const Tensor& k,
                                     const Tensor& gy, int64_t axis, bool need_x, bool need_c,
                                     bool need_k) {
  Tensor gx = need_x ? empty_like(x) : Tensor(), gc = need_c ? empty_like(c) : Tensor(),
         gk = need_k ? empty_like(k) : Tensor();
  dispatch(gy, [&]<class T> { backward<T>(x, c, k, gy, axis, gx, gc, gk); });
  return {gx, gc, gk};
}

}  // namespace skiff::ski_cpu
