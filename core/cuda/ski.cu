// The parts of SKI on CUDA. A warp takes 32 neighbours of the inner axis, a block 64 positions of
// them; what it reads more than once lies in shared memory, zeros outside of the sequence:
//
//   correlate   sum[e] += sum_t factor[t] window[t + e]      a thread keeps a few e in registers
//
//               sums        factor         window
//   y           positions   c              x, from m positions before
//   gx          positions   c reversed     gy, from m positions before
//   gc          filter      gy             x, from m positions before
//
// W s and W^T x are gathers: a position reads the two inducing points beside it, an inducing point
// the positions of the two segments beside it. No sum is shared by threads, so each adds its terms
// in a fixed order.
#include <algorithm>
#include <cstdint>

#include "core/conv/inducing_place.h"
#include "core/conv/ski.h"
#include "core/parallel.h"

namespace skiff::ski_cuda {
namespace {

constexpr int kLanes = cuda::kWarp, kRows = 8;  // threads of a block
constexpr int kPerThread = 8;                   // positions
constexpr int kTile = kRows * kPerThread;       // positions of a block
constexpr int kFilterRows = 32;                 // rows of the filter in shared memory at a time
constexpr int kFilterPerThread = kFilterRows / kRows;  // of gc
constexpr int kSpan = kTile + kFilterRows;             // rows of the window
constexpr int64_t kMostParts = 64;                     // of a sum over the batch

// One operand along the sequence: (outer, n, inner).
struct Extent {
  int64_t outer, n, inner, D;
  SKIFF_HOST_DEVICE int64_t tiles() const { return (n + kTile - 1) / kTile; }
  SKIFF_HOST_DEVICE int64_t chunks() const { return (inner + kLanes - 1) / kLanes; }
};

// Rows first .. first + rows - 1 of x at one column into shared memory, row after row.
template <class T>
__device__ void stage(T* to, const T* x, const Extent& e, int64_t o, int64_t first, int rows,
                      int64_t column) {
  for (int p = int(threadIdx.y); p < rows; p += kRows) {
    const int64_t i = first + p;
    const bool inside = i >= 0 && i < e.n && column < e.inner;
    to[p * kLanes + int(threadIdx.x)] = inside ? x[(o * e.n + i) * e.inner + column] : T(0);
  }
}

template <int kSums, class T>
__device__ void correlate(T (&sum)[kSums], const T* factor, int factors, const T* window) {
  T w[kSums];
  for (int e = 0; e + 1 < kSums; ++e) w[e] = window[e * kLanes];
#pragma unroll 4
  for (int t = 0; t < factors; ++t) {
    w[kSums - 1] = window[(t + kSums - 1) * kLanes];
    const T c = factor[t * kLanes];
#pragma unroll
    for (int e = 0; e < kSums; ++e) sum[e] += c * w[e];
#pragma unroll
    for (int e = 0; e + 1 < kSums; ++e) w[e] = w[e + 1];
  }
}

// out[i] = sum_q c[q] in[i + q - m] + (W points)[i], c reversed if asked.
template <class T>
struct Convolution {
  Extent e;
  int64_t K, r;
  bool reversed;
  double step;  // 1 / (n - 1); 0 for n = 1
  const T *in, *c, *points;
  T* out;
};

template <class T>
__global__ void __launch_bounds__(kLanes* kRows, sizeof(T) == 8 ? 3 : 4)
    convolution_kernel(Convolution<T> a, int blocks) {
  T* const window = cuda::shared_memory<T>();
  T* const factor = window + kSpan * kLanes;
  const int lane = int(threadIdx.x), row = int(threadIdx.y);
  const int64_t m = (a.K - 1) / 2;
  const int chunks = int(a.e.chunks()), tiles = int(a.e.tiles());
  for (int b = int(blockIdx.x); b < blocks; b += int(gridDim.x)) {
    const int64_t column = b % chunks * int64_t(kLanes) + lane, o = b / chunks / tiles;
    const int64_t first = b / chunks % tiles * int64_t(kTile);
    const int64_t i = first + row * kPerThread;
    InducingPlace place(a.e.n, a.r, i);  // divides, so while few registers are in use
    T sum[kPerThread] = {};
    for (int64_t q = 0; q < a.K; q += kFilterRows) {
      const int factors = int(a.K - q < kFilterRows ? a.K - q : kFilterRows);
      stage(window, a.in, a.e, o, first + q - m, kTile + factors - 1, column);
      for (int t = row; t < factors; t += kRows) {
        const int64_t at = a.reversed ? a.K - 1 - (q + t) : q + t;
        factor[t * kLanes + lane] = column < a.e.inner ? a.c[at * a.e.D + column % a.e.D] : T(0);
      }
      __syncthreads();
      correlate(sum, factor + lane, factors, window + row * kPerThread * kLanes + lane);
      __syncthreads();  // the next rows overwrite what was read
    }
    if (column >= a.e.inner || i >= a.e.n) continue;  // no barrier follows in this round
#pragma unroll
    for (int e = 0; e < kPerThread; ++e, place.next()) {
      if (i + e >= a.e.n) break;
      const T* low = a.points + (o * a.r + place.j) * a.e.inner + column;
      const double fraction = double(place.numerator) * a.step;
      const T f = T(fraction), g = T(1 - fraction);
      a.out[(o * a.e.n + i + e) * a.e.inner + column] = (g * low[0] + f * low[a.e.inner]) + sum[e];
    }
  }
}

// part[p, q, column] = sum over the tiles of part p of gy[i] x[i + q - m]
template <class T>
struct FilterSums {
  Extent e;
  int64_t K;
  int parts;
  const T *x, *gy;
  T* part;
};

template <class T>
__global__ void __launch_bounds__(kLanes* kRows) filter_sums_kernel(FilterSums<T> a, int blocks) {
  T* const window = cuda::shared_memory<T>();
  T* const factor = window + kSpan * kLanes;
  const int lane = int(threadIdx.x), row = int(threadIdx.y);
  const int64_t m = (a.K - 1) / 2;
  const int chunks = int(a.e.chunks()), tiles = int(a.e.tiles()), parts = a.parts;
  const int64_t all_tiles = a.e.outer * tiles;
  for (int b = int(blockIdx.x); b < blocks; b += int(gridDim.x)) {
    const int64_t column = b % chunks * int64_t(kLanes) + lane, part = b / chunks % parts;
    const int64_t q = b / chunks / parts * int64_t(kFilterRows);
    T sum[kFilterPerThread] = {};
    const int end = int((part + 1) * all_tiles / parts);
    for (int tile = int(part * all_tiles / parts); tile < end; ++tile) {
      const int64_t o = tile / tiles, first = tile % tiles * int64_t(kTile);
      stage(window, a.x, a.e, o, first + q - m, kTile + kFilterRows - 1, column);
      stage(factor, a.gy, a.e, o, first, kTile, column);
      __syncthreads();
      correlate(sum, factor + lane, kTile, window + row * kFilterPerThread * kLanes + lane);
      __syncthreads();  // the next tile overwrites what was read
    }
    if (column >= a.e.inner) continue;  // no barrier follows in this round
#pragma unroll
    for (int e = 0; e < kFilterPerThread; ++e) {
      const int64_t at = q + row * kFilterPerThread + e;
      if (at < a.K) a.part[(part * a.K + at) * a.e.inner + column] = sum[e];
    }
  }
}

constexpr dim3 kThreads(kLanes, kRows);

int in_int(int64_t blocks) {  // divided by in the kernels, which 32 bits do faster
  check(blocks <= INT32_MAX - cuda::kMostBlocks, "ski: ", blocks,
        " tiles are too many for one launch");
  return int(blocks);
}
template <class T>
size_t shared_bytes(int factors) {
  return size_t(kSpan + factors) * kLanes * sizeof(T);
}

template <class T>
void convolve(const Tensor& in, const Tensor& c, bool reversed, const Tensor& points, Tensor& out,
              int64_t axis) {
  const AxisView v = axis_view(in, axis);
  const Extent e{v.outer, v.n, v.inner, c.size(1)};
  const int64_t blocks = e.outer * e.tiles() * e.chunks();
  if (blocks == 0) return;
  const Convolution<T> a{e,
                         c.size(0),
                         points.size(axis),
                         reversed,
                         e.n > 1 ? 1 / double(e.n - 1) : 0,
                         in.data<T>(),
                         c.data<T>(),
                         points.data<T>(),
                         out.data<T>()};
  cuda::launch({std::min(blocks, cuda::kMostBlocks), kThreads, shared_bytes<T>(kFilterRows)},
               convolution_kernel<T>, a, in_int(blocks));
}

// total[l, d] = sum over parts and groups, in that order, of part[p, l, g D + d]
template <class T>
void add_parts(const Tensor& part_tensor, Tensor& total_tensor) {
  const T* part = part_tensor.data<T>();
  T* total = total_tensor.data<T>();
  const int64_t parts = part_tensor.size(0), inner = part_tensor.size(2);
  const int64_t lags = total_tensor.size(0), D = total_tensor.size(1), groups = inner / D;
  parallel_for(Device::CUDA, lags * D, [=] SKIFF_KERNEL(int64_t i) {
    const int64_t l = i / D, d = i % D;
    double sum = 0;
    for (int64_t p = 0; p < parts; ++p)
      for (int64_t g = 0; g < groups; ++g) sum += double(part[(p * lags + l) * inner + g * D + d]);
    total[i] = T(sum);
  });
}

template <class T>
void sum_filter(const Tensor& x, const Tensor& gy, Tensor& gc, int64_t axis) {
  const AxisView v = axis_view(x, axis);
  const Extent e{v.outer, v.n, v.inner, gc.size(1)};
  const int64_t K = gc.size(0), parts = std::clamp<int64_t>(e.outer * e.tiles(), 1, kMostParts);
  const int64_t blocks = (K + kFilterRows - 1) / kFilterRows * parts * e.chunks();
  Tensor part({parts, K, e.inner}, x.dtype(), Device::CUDA);
  const FilterSums<T> a{e, K, int(parts), x.data<T>(), gy.data<T>(), part.data<T>()};
  if (blocks > 0)
    cuda::launch({std::min(blocks, cuda::kMostBlocks), kThreads, shared_bytes<T>(kTile)},
                 filter_sums_kernel<T>, a, in_int(blocks));
  add_parts<T>(part, gc);
}

// ---- between inducing points: r is small, and neighbouring threads take neighbouring channels
// ----

template <class T>
void multiply_by_kernel(const Tensor& k_tensor, const Tensor& z_tensor, Tensor& s_tensor,
                        AxisView v, bool transposed) {
  const T *k = k_tensor.data<T>(), *z = z_tensor.data<T>();
  T* s = s_tensor.data<T>();
  const int64_t r = v.n, inner = v.inner, D = k_tensor.size(1);
  parallel_for(Device::CUDA, z_tensor.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t column = at % inner, p = at / inner % r, o = at / inner / r, d = column % D;
    T sum = 0;
    for (int64_t q = 0; q < r; ++q) {
      const int64_t lag = transposed ? q - p : p - q;
      sum += k[(lag >= 0 ? lag : 2 * r + lag) * D + d] * z[(o * r + q) * inner + column];
    }
    s[at] = sum;
  });
}

// part[p, l, column] = sum over the outer indices of part p and a - b = lag of h[a] z[b]
template <class T>
void sum_lags(const Tensor& h_tensor, const Tensor& z_tensor, Tensor& part_tensor, AxisView v) {
  const T *h = h_tensor.data<T>(), *z = z_tensor.data<T>();
  T* part = part_tensor.data<T>();
  const int64_t r = v.n, inner = v.inner, outer = v.outer, parts = part_tensor.size(0);
  parallel_for(Device::CUDA, part_tensor.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t column = at % inner, l = at / inner % (2 * r), p = at / inner / (2 * r);
    const int64_t lag = l < r ? l : l - 2 * r;  // lag -r is none: no b lies in 0 .. r-1
    const int64_t first = lag < 0 ? -lag : 0, last = lag < 0 ? r : r - lag;
    T sum = 0;
    for (int64_t o = p * outer / parts; o < (p + 1) * outer / parts; ++o)
      for (int64_t b = first; b < last; ++b)
        sum += h[(o * r + b + lag) * inner + column] * z[(o * r + b) * inner + column];
    part[at] = sum;
  });
}

template <class T>
void gather_to_points(const Tensor& x_tensor, Tensor& z_tensor, AxisView v, int64_t r) {
  const T* x = x_tensor.data<T>();
  T* z = z_tensor.data<T>();
  const int64_t n = v.n, inner = v.inner;
  parallel_for(Device::CUDA, z_tensor.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t column = at % inner, point = at / inner % r, o = at / inner / r;
    const int64_t end = InducingPlace::first_position(n, r, point + 1);
    T sum = 0;
    int64_t i = InducingPlace::first_position(n, r, point - 1);
    for (InducingPlace place(n, r, i); i < end; ++i, place.next()) {
      const double f = place.fraction();
      sum += T(place.j == point ? 1 - f : f) * x[(o * n + i) * inner + column];
    }
    z[at] = sum;
  });
}

}  // namespace

Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> { convolve<T>(x, c, /*reversed=*/false, s, y, axis); });
  return y;
}

std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c) {
  Tensor gx = need_x ? empty_like(x) : Tensor(), gc = need_c ? empty_like(c) : Tensor();
  dispatch(gy, [&]<class T> {
    if (need_x) convolve<T>(gy, c, /*reversed=*/true, u, gx, axis);
    if (need_c) sum_filter<T>(x, gy, gc, axis);
  });
  return {gx, gc};
}

Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed) {
  Tensor s = empty_like(z);
  dispatch(z, [&]<class T> { multiply_by_kernel<T>(k, z, s, axis_view(z, axis), transposed); });
  return s;
}

Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis) {
  const AxisView v = axis_view(z, axis);
  const int64_t parts = std::clamp<int64_t>(v.outer, 1, kMostParts);
  Tensor part({parts, 2 * v.n, v.inner}, z.dtype(), z.device()),
      gk({2 * v.n, D}, z.dtype(), z.device());
  dispatch(z, [&]<class T> {
    sum_lags<T>(h, z, part, v);
    add_parts<T>(part, gk);
  });
  return gk;
}

Tensor sum_to_points(const Tensor& x, int64_t r, int64_t axis) {
  Tensor z(x.shape().with(axis, r), x.dtype(), x.device());
  dispatch(x, [&]<class T> { gather_to_points<T>(x, z, axis_view(x, axis), r); });
  return z;
}

}  // namespace skiff::ski_cuda
