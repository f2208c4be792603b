// parallel_for and parallel_rows: the two loops every kernel is written in. One source serves the
// CPU (OpenMP over indices or rows) and CUDA (a thread per index, a warp or a block per row).
//
//   parallel_for(device, n, [=] SKIFF_KERNEL(int64_t i) { y[i] = x[i] > 0 ? x[i] : T(0); });
//   parallel_rows(device, rows, d, [=] SKIFF_KERNEL(Row row) {
//     const T total = row.sum(d, [&](int64_t j) { return x[row.index * d + j]; });
//     row.for_each(d, [&](int64_t j) { y[row.index * d + j] = x[row.index * d + j] / total; });
//   });
//
// Rules. A body writes only its own index or row, so the order does not matter (a build with
// ORDER=reverse runs every loop backwards to find a body for which it does) and neither does the
// number of threads. A row is serial on the CPU and its inner loops are vectorised; sum() may
// reorder its terms, but always in the same way. Two rules of nvcc: a body is written in a function
// template, never inside a dispatch() lambda, and it captures by value.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/device.h"

#if defined(SKIFF_CUDA) && !defined(SKIFF_CUDA_SOURCE)
#error "a CUDA build compiles files with kernels as CUDA: use nvcc -x cu"
#endif
#define SKIFF_KERNEL SKIFF_HOST_DEVICE

#ifdef SKIFF_CUDA_SOURCE
#include "core/cuda/parallel.h"
#endif
#ifdef SKIFF_CUDA_HOST  // one function serves both sides, and asks when it runs which one it is on
#define SKIFF_IN_KERNEL(statement) \
  if (::cuda_host::in_kernel) statement
#else
#define SKIFF_IN_KERNEL(statement)
#endif

namespace skiff {

// Loops with less work than this run on one thread: starting the others would cost more. Builds
// that look for races make it small, so that small loops are divided, too.
#ifndef SKIFF_PARALLEL_GRAIN
#define SKIFF_PARALLEL_GRAIN (1 << 13)
#endif
inline constexpr int64_t kParallelGrain = SKIFF_PARALLEL_GRAIN;

// A thread takes whole pieces of a loop over indices. So an index is in the vector part of the loop
// or in its scalar rest independently of the number of threads: the two may round differently
// (fused multiply-adds).
inline constexpr int64_t kParallelPiece = kParallelGrain / 2;

// A row of work, number `index`; its loops run over [0, n).
struct Row {
  int64_t index;
  // A sum has this many partial sums on every machine: the compiler can vectorise them without
  // changing an order, and the order does not depend on the width of the registers.
  static constexpr int kPartials = 16;
#ifdef __CUDA_ARCH__
  template <class F>
  __device__ auto sum(int64_t n, F f) const {
    return cuda::row_sum(n, f);
  }
  template <class F>
  __device__ auto max(int64_t n, F f) const {
    return cuda::row_max(n, f);
  }
  template <class F>
  __device__ void for_each(int64_t n, F f) const {
    cuda::row_for_each(n, f);
  }
#else
  template <class F>
  SKIFF_HOST_DEVICE auto sum(int64_t n, F f) const {
    SKIFF_IN_KERNEL(return cuda::row_sum(n, f);)
    using T = std::decay_t<decltype(f(int64_t(0)))>;
    T partial[kPartials];
    for (int p = 0; p < kPartials; ++p) partial[p] = T(0);
    int64_t j = 0;
    for (; j + kPartials <= n; j += kPartials) {
#pragma omp simd
      for (int p = 0; p < kPartials; ++p) partial[p] += f(j + p);
    }
    T s = T(0);
    for (; j < n; ++j) s += f(j);
    for (int p = 0; p < kPartials; ++p) s += partial[p];
    return s;
  }
  template <class F>
  SKIFF_HOST_DEVICE auto max(int64_t n, F f) const {  // n >= 1
    SKIFF_IN_KERNEL(return cuda::row_max(n, f);)
    auto m = f(int64_t(0));
    decltype(m) partial[kPartials];
    for (int p = 0; p < kPartials; ++p) partial[p] = m;
    int64_t j = 0;
    for (; j + kPartials <= n; j += kPartials) {
#pragma omp simd
      for (int p = 0; p < kPartials; ++p) {
        const auto v = f(j + p);
        partial[p] = v > partial[p] ? v : partial[p];
      }
    }
    for (; j < n; ++j) {
      const auto v = f(j);
      m = v > m ? v : m;
    }
    for (int p = 0; p < kPartials; ++p) m = partial[p] > m ? partial[p] : m;
    return m;
  }
  template <class F>
  SKIFF_HOST_DEVICE void for_each(int64_t n, F f) const {
    SKIFF_IN_KERNEL(return cuda::row_for_each(n, f);)
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) f(j);
  }
#endif
};

namespace cpu {
inline int64_t in_order(int64_t i, [[maybe_unused]] int64_t n) {
#ifdef SKIFF_ORDER_REVERSE
  return n - 1 - i;
#else
  return i;
#endif
}

template <class Body>
void for_each_index(int64_t n, const Body& body) {
  if (n < kParallelGrain) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) body(in_order(i, n));
  } else {
    const int64_t pieces = (n + kParallelPiece - 1) / kParallelPiece;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pieces; ++p) {
      const int64_t first = p * kParallelPiece;
      const int64_t last = n - first < kParallelPiece ? n : first + kParallelPiece;
#pragma omp simd
      for (int64_t i = first; i < last; ++i) body(in_order(i, n));
    }
  }
}

template <class Body>
void for_each_row(int64_t rows, int64_t work_per_row, const Body& body) {
  if (rows < 2 || rows * work_per_row < kParallelGrain) {
    for (int64_t i = 0; i < rows; ++i) body(Row{in_order(i, rows)});
  } else {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; ++i) body(Row{in_order(i, rows)});
  }
}
}  // namespace cpu

// body(i) for i in [0, n).
template <class Body>
void parallel_for(Device device, int64_t n, const Body& body) {
#ifdef SKIFF_CUDA_SOURCE
  if (device == Device::CUDA) return cuda::launch_for(n, body);
#endif
  (void)device;
  cpu::for_each_index(n, body);
}

// body(Row{r}) for r in [0, rows). work_per_row: elements touched; with few,
// one thread is faster.
template <class Body>
void parallel_rows(Device device, int64_t rows, int64_t work_per_row, const Body& body) {
#ifdef SKIFF_CUDA_SOURCE
  if (device == Device::CUDA) return cuda::launch_rows<Row>(rows, work_per_row, body);
#endif
  (void)device;
  cpu::for_each_row(rows, work_per_row, body);
}

}  // namespace skiff
