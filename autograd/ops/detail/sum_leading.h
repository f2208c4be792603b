// Sums over leading axes: the gradients of biases, of repeated operands and of norm weights.
//
// A sum does not depend on the number of threads: rows are cut into blocks by their number alone,
// a block is added row after row, vectorised across columns, and the blocks are added in order.
// A matrix of fewer than 64 columns is read several rows at a time, each with sums of its own,
// which are added at the end. On a GPU a column is dealt out to lanes instead, a thread each, as
// that has far more threads than columns; their number depends on the shape alone. All sums are
// taken in double.
#pragma once

#include <algorithm>

#include "core/parallel.h"
#include "core/tensor.h"

namespace skiff {

// x (.., suffix) -> suffix, or x -> a single number of shape `suffix`. Real or complex.
Tensor sum_leading(const Tensor& x, const Shape& suffix);
// The same of the products a b, which have one shape. Real.
Tensor sum_leading_product(const Tensor& a, const Tensor& b, const Shape& suffix);

template <int K>
struct Terms {
  double value[K];
};

// The elements themselves, as an f of column_sums.
template <class T>
struct Value {
  const T* x;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t) const {
    return {{double(x[i])}};
  }
};

// sums[k, d] = sum_r f(i, r, d).value[k],  r < rows, d < D, i = r D + d -> float64 (K, D).
// f is a struct with `SKIFF_HOST_DEVICE Terms<K> operator()(int64_t i, int64_t r, int64_t d)
// const`.
template <int K, class F>
Tensor column_sums(Device device, int64_t rows, int64_t D, F f);

// Row k of sums as a tensor of this shape and type; a complex one takes pairs.
Tensor sums_row(const Tensor& sums, int64_t k, const Shape& shape, DType dtype);

// Every row, as a count of sum_middle.
struct WholeAxis {
  int64_t n;
  SKIFF_HOST_DEVICE int64_t operator()(int64_t) const { return n; }
};

// total[o, c] = sum_{i < count(o)} x[o, i, c],  x seen as v -> float64 (outer, inner).
template <class T, class Count>
Tensor sum_middle(const Tensor& x, AxisView v, Count count);

// ---- definitions ----

namespace detail {
constexpr int64_t kNarrow = 64;         // a narrower matrix is read with several rows side by side
constexpr int64_t kVectorised = 16;     // a row of so many columns fills registers by itself
constexpr int64_t kStepsPerBlock = 32;  // at least
constexpr int64_t kMostBlocks = 128;
constexpr int64_t kColumnsPerTask = 256;
// On a GPU: rows of a lane, at least, and threads, at most: 2^17 fill half of an H100, which holds
// 2^18.
constexpr int64_t kRowsPerLane = 32;
constexpr int64_t kMostThreads = 1 << 17;

// sums[k, o, c] = sum_{r < count(o)} f(i, r, c).value[k],  i = (o n + r) inner + c -> float64
// (K, outer inner). Lane l of L adds rows l, l + L, .., so that neighbouring threads read
// neighbouring elements, also of narrow matrices. Then a row of threads adds the lanes of a sum.
template <int K, class Count, class F>
Tensor sums_by_lanes(Device device, AxisView v, Count count, F f) {
  const int64_t sums_each = v.outer * v.inner;
  if (sums_each == 0) return Tensor({K, 0}, DType::Float64, device);
  const int64_t most = std::max<int64_t>(1, kMostThreads / sums_each);
  const int64_t lanes = std::clamp<int64_t>(v.n / kRowsPerLane, 1, most);
  Tensor partial({K, v.outer, lanes, v.inner}, DType::Float64, device);
  double* all = partial.data<double>();
  const int64_t threads = sums_each * lanes;
  parallel_for(device, threads, [=] SKIFF_KERNEL(int64_t i) {
    const int64_t c = i % v.inner, lane = i / v.inner % lanes, o = i / v.inner / lanes;
    double s[K] = {};
    const int64_t n = count(o);
    for (int64_t r = lane; r < n; r += lanes) {
      const Terms<K> terms = f((o * v.n + r) * v.inner + c, r, c);
      for (int k = 0; k < K; ++k) s[k] += terms.value[k];
    }
    for (int k = 0; k < K; ++k) all[k * threads + i] = s[k];
  });
  if (lanes == 1) return partial.reshape({K, sums_each});
  Tensor sums({K, sums_each}, DType::Float64, device);
  double* out = sums.data<double>();
  parallel_rows(device, K * sums_each, lanes, [=] SKIFF_KERNEL(Row row) {
    const int64_t c = row.index % v.inner, ko = row.index / v.inner;
    const double* from = all + ko * lanes * v.inner + c;
    out[row.index] = row.sum(lanes, [&](int64_t lane) { return from[lane * v.inner]; });
  });
  return sums;
}
}  // namespace detail

template <int K, class F>
Tensor column_sums(Device device, int64_t rows, int64_t D, F f) {
  if (D == 0) return Tensor({K, 0}, DType::Float64, device);
  if (device == Device::CUDA)
    return detail::sums_by_lanes<K>(device, AxisView{1, rows, D}, WholeAxis{rows}, f);
  const int64_t fold = D < detail::kNarrow ? (detail::kNarrow + D - 1) / D : 1;
  const int64_t width = fold * D, size = rows * D;
  const int64_t steps = (rows + fold - 1) / fold;
  int64_t blocks = steps / detail::kStepsPerBlock;
  blocks = blocks < 1 ? 1 : blocks > detail::kMostBlocks ? detail::kMostBlocks : blocks;
  const int64_t chunk = detail::kColumnsPerTask, chunks = (width + chunk - 1) / chunk;

  Tensor partial({blocks, K, width}, DType::Float64);
  double* all = partial.data<double>();
  const int64_t work = (steps / blocks + 1) * (width < chunk ? width : chunk);
  parallel_rows(Device::CPU, blocks * chunks, work, [=] SKIFF_KERNEL(Row row) {
    const int64_t block = row.index / chunks, first = row.index % chunks * chunk;
    const int64_t count = width - first < chunk ? width - first : chunk;
    double* s = all + block * K * width + first;
    for (int k = 0; k < K; ++k) row.for_each(count, [&](int64_t j) { s[k * width + j] = 0; });
    for (int64_t step = block * steps / blocks; step < (block + 1) * steps / blocks; ++step) {
      const int64_t start = step * width + first;
      if (fold == 1) {
        row.for_each(count, [&](int64_t j) {
          const Terms<K> terms = f(start + j, step, first + j);
          for (int k = 0; k < K; ++k) s[k * width + j] += terms.value[k];
        });
      } else {  // one chunk; the last step may be short
        const int64_t left = size - start, filled = left < count ? left : count;
        const auto add = [&](int64_t j, int64_t q, int64_t d) {
          const Terms<K> terms = f(start + j, step * fold + q, d);
          for (int k = 0; k < K; ++k) s[k * width + j] += terms.value[k];
        };
        if (D >= detail::kVectorised)
          for (int64_t q = 0; q * D < filled; ++q)
            row.for_each(D, [&](int64_t d) { add(q * D + d, q, d); });
        else
          row.for_each(filled, [&](int64_t j) { add(j, j / D, j % D); });
      }
    }
  });
  if (blocks > 1) {
    parallel_rows(Device::CPU, K * chunks, blocks * chunk, [=] SKIFF_KERNEL(Row row) {
      const int64_t k = row.index / chunks, first = row.index % chunks * chunk;
      const int64_t count = width - first < chunk ? width - first : chunk;
      double* s = all + k * width + first;
      for (int64_t block = 1; block < blocks; ++block) {
        const double* next = s + block * K * width;
        row.for_each(count, [&](int64_t j) { s[j] += next[j]; });
      }
    });
  }
  if (blocks == 1 && fold == 1) return partial.reshape({K, D});
  Tensor sums({K, D}, DType::Float64);
  double* out = sums.data<double>();
  parallel_for(Device::CPU, K * D, [=] SKIFF_KERNEL(int64_t i) {
    const int64_t k = i / D, d = i % D;
    double total = 0;
    for (int64_t q = 0; q < fold; ++q) total += all[k * width + q * D + d];
    out[i] = total;
  });
  return sums;
}

template <class T, class Count>
Tensor sum_middle(const Tensor& x, AxisView v, Count count) {
  if (x.device() == Device::CUDA)
    return detail::sums_by_lanes<1>(x.device(), v, count, Value<T>{x.data<T>()})
        .reshape({v.outer, v.inner});
  const int64_t chunk = detail::kColumnsPerTask, chunks = (v.inner + chunk - 1) / chunk;
  Tensor sums({v.outer, v.inner}, DType::Float64);
  const T* in = x.data<T>();
  double* total = sums.data<double>();
  const int64_t work = v.n * (v.inner < chunk ? v.inner : chunk);
  parallel_rows(Device::CPU, v.outer * chunks, work, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index / chunks, first = row.index % chunks * chunk;
    const int64_t width = v.inner - first < chunk ? v.inner - first : chunk;
    double* s = total + o * v.inner + first;
    const T* from = in + o * v.n * v.inner + first;
    row.for_each(width, [&](int64_t j) { s[j] = 0; });
    const int64_t n = count(o);
    for (int64_t i = 0; i < n; ++i)
      row.for_each(width, [&](int64_t j) { s[j] += double(from[i * v.inner + j]); });
  });
  return sums;
}

}  // namespace skiff
