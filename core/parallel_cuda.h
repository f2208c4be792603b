// The CUDA side of parallel_for and parallel_rows: two generic kernels and the loops of a row.
// Included by core/parallel.h in a CUDA build only.
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

inline constexpr int kThreads = 256;  // of a block
inline constexpr int kWarp = 32;

// All launches go through this one call (no <<<>>>).
template <class... Parameters, class... Arguments>
void launch(int64_t blocks, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(blocks));
  config.blockDim = dim3(kThreads);
  require(cudaLaunchKernelEx(&config, kernel, arguments...), "cudaLaunchKernelEx");
}

template <class Body>
__global__ void for_kernel(int64_t n, Body body) {
  const int64_t stride = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) body(i);
}

template <class Body>
void launch_for(int64_t n, const Body& body) {
  if (n <= 0) return;
  launch(std::min<int64_t>((n + kThreads - 1) / kThreads, 1 << 20), for_kernel<Body>, n, body);
}

template <class Row, class Body>
__global__ void rows_kernel(int64_t rows, Body body) {
  const int64_t warps = int64_t(gridDim.x) * (blockDim.x / kWarp);
  for (int64_t r = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp; r < rows;
       r += warps)
    body(Row{r});
}

template <class Row, class Body>
void launch_rows(int64_t rows, const Body& body) {
  if (rows <= 0) return;
  const int64_t per_block = kThreads / kWarp;
  launch(std::min<int64_t>((rows + per_block - 1) / per_block, 1 << 20), rows_kernel<Row, Body>,
         rows, body);
}

#ifdef __CUDA_ARCH__
// The 32 lanes of a warp share a row: lane l takes elements l, l + 32, ... After sum and max every
// lane holds the result; the butterfly adds in the same order each time.
template <class F>
__device__ auto warp_sum(int64_t n, F f) {
  std::decay_t<decltype(f(int64_t(0)))> s{0};
  for (int64_t j = threadIdx.x % kWarp; j < n; j += kWarp) s += f(j);
  for (int offset = kWarp / 2; offset > 0; offset /= 2) s += __shfl_xor_sync(~0u, s, offset);
  return s;
}
template <class F>
__device__ auto warp_max(int64_t n, F f) {
  auto m = f(int64_t(0));
  for (int64_t j = threadIdx.x % kWarp; j < n; j += kWarp) {
    const auto v = f(j);
    m = v > m ? v : m;
  }
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const auto v = __shfl_xor_sync(~0u, m, offset);
    m = v > m ? v : m;
  }
  return m;
}
template <class F>
__device__ void warp_for_each(int64_t n, F f) {
  for (int64_t j = threadIdx.x % kWarp; j < n; j += kWarp) f(j);
  __syncwarp();  // a later loop over the row may read what other lanes wrote
}
#endif

}  // namespace skiff::cuda
