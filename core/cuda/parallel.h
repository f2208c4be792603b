// core/cuda: what exists for a GPU alone (core/README.md).
//
// The CUDA side of parallel_for and parallel_rows: two generic kernels and the loops of a row, and
// what every kernel written by hand uses: one launch, one shared memory. Included by
// core/parallel.h in a CUDA build only.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/check.h"

namespace skiff::cuda {

// Every failed call of the CUDA runtime goes through here.
inline void require(cudaError_t status, const char* call) {
  check(status == cudaSuccess, "cuda: ", call, " failed: ", cudaGetErrorName(status), ", ",
        cudaGetErrorString(status));
}

inline constexpr int kWarp = 32;
inline constexpr int kThreads = 256;  // of a block
// The most blocks of a grid; threads stride over the rest. The tensors of the emulation are small.
#ifdef SKIFF_CUDA_HOST
inline constexpr int64_t kMostBlocks = 7;
#else
inline constexpr int64_t kMostBlocks = 1 << 20;
#endif
// A row with this much work is shared by a whole block, if there are so few rows that a warp each
// would leave a large GPU idle: the 132 multiprocessors of an H100 hold 64 warps each.
inline constexpr int64_t kBlockRow = 1024;
#ifdef SKIFF_CUDA_HOST
inline constexpr int64_t kFewRows = 100;
#else
inline constexpr int64_t kFewRows = 132 * 64;
#endif

// All launches go through this one call (no <<<>>>), into the default stream.
struct Grid {
  int64_t blocks;
  dim3 threads = dim3(kThreads);
  size_t shared_bytes = 0;
};
template <class... Parameters, class... Arguments>
void launch(const Grid& grid, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(grid.blocks));
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  require(cudaLaunchKernelEx(&config, kernel, arguments...), "cudaLaunchKernelEx");
}

// The shared memory a kernel was launched with: the only one there is.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char shared_bytes[];
  return reinterpret_cast<T*>(shared_bytes);
}

// 16 bytes, the most a thread loads at once. Blocks of device memory begin at multiples of 256.
template <class T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T v[kSize];
};
template <class T>
__device__ Pack<T>* packs(T* first) {
  return reinterpret_cast<Pack<T>*>(first);
}
template <class T>
__device__ const Pack<T>* packs(const T* first) {
  return reinterpret_cast<const Pack<T>*>(first);
}

template <class Body>
__global__ void for_kernel(int64_t n, Body body) {
  const int64_t stride = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) body(i);
}

template <class Body>
void launch_for(int64_t n, const Body& body) {
  if (n <= 0) return;
  launch({std::min((n + kThreads - 1) / kThreads, kMostBlocks)}, for_kernel<Body>, n, body);
}

// A row is shared by the blockDim.x threads that differ in threadIdx.x: a warp, or the whole block.
template <class Row, class Body>
__global__ void rows_kernel(int64_t rows, Body body) {
  const int64_t stride = int64_t(gridDim.x) * blockDim.y;
  for (int64_t r = int64_t(blockIdx.x) * blockDim.y + threadIdx.y; r < rows; r += stride)
    body(Row{r});
}

template <class Row, class Body>
void launch_rows(int64_t rows, int64_t work_per_row, const Body& body) {
  if (rows <= 0) return;
  const bool whole = work_per_row >= kBlockRow && rows < kFewRows;
  const int64_t at_once = whole ? 1 : kThreads / kWarp;
  const dim3 threads = whole ? dim3(kThreads) : dim3(kWarp, kThreads / kWarp);
  launch({std::min((rows + at_once - 1) / at_once, kMostBlocks), threads,
          whole ? kThreads / kWarp * sizeof(double) : 0},
         rows_kernel<Row, Body>, rows, body);
}

#ifdef SKIFF_DEVICE_CODE
struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return b > a || b != b ? b : a;  // with a NaN every thread gets the NaN
  }
};

// Every thread of a row gives a value and gets the result: a butterfly in each warp, then the warps
// in their order. Nothing here depends on which thread comes first.
template <class T, class Operation>
__device__ T combine(T value, Operation operation) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    value = operation(value, __shfl_xor_sync(~0u, value, offset));
  const int warps = int(blockDim.x) / kWarp;
  if (warps == 1) return value;
  T* of_warp = shared_memory<T>();
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  T result = of_warp[0];
  for (int w = 1; w < warps; ++w) result = operation(result, of_warp[w]);
  __syncthreads();  // the next combine() writes there
  return result;
}

// Thread t of a row takes elements t, t + blockDim.x, ...
template <class F>
__device__ auto row_sum(int64_t n, F f) {
  std::decay_t<decltype(f(int64_t(0)))> s{0};
  for (int64_t j = threadIdx.x; j < n; j += blockDim.x) s += f(j);
  return combine(s, Add());
}
template <class F>
__device__ auto row_max(int64_t n, F f) {
  auto m = f(int64_t(0));
  for (int64_t j = threadIdx.x; j < n; j += blockDim.x) m = Larger()(m, f(j));
  return combine(m, Larger());
}
template <class F>
__device__ void row_for_each(int64_t n, F f) {
  for (int64_t j = threadIdx.x; j < n; j += blockDim.x) f(j);
  if (blockDim.x == kWarp)  // a later loop over the row may read what other threads wrote
    __syncwarp();
  else
    __syncthreads();
}
#endif

}  // namespace skiff::cuda
