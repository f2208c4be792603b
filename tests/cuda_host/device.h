// The device side of CUDA C++ for g++. Forced (-include) in front of every file of the CUDA half:
// what NVIDIA's headers leave to nvcc, the indices of a thread, barriers, shuffles, launches.
//
// A kernel is an ordinary function here: __global__ and __device__ are empty without nvcc, as is
// __shared__, because the only shared memory of the project is the array behind
// skiff::cuda::shared_memory(), which grid.cpp defines. Every barrier and shuffle carries the line
// it stands on, so that threads which meet at different ones are told apart.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

namespace cuda_host {

struct Site {
  const char *what, *file;
  int line;
};

inline bool in_kernel = false;  // a kernel's thread is running; kernels run on one host thread
void block_barrier(Site site);
void warp_barrier(unsigned mask, Site site);
uint64_t exchange(unsigned mask, uint64_t bits, int from_lane, Site site);
int lane();

// Runs body once for every thread of the grid, when the stream comes to it.
cudaError_t submit_grid(const cudaLaunchConfig_t& config, std::function<void()> body);

template <class... Parameters, class... Arguments>
cudaError_t launch(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                   Arguments&&... arguments) {
  return [&](Parameters... p) {  // the arguments are converted and copied, as at a real launch
    return submit_grid(*config, [=] { kernel(p...); });
  }(std::forward<Arguments>(arguments)...);
}

template <class T>
T shuffle(unsigned mask, T value, int from_lane, Site site) {
  static_assert(sizeof(T) <= sizeof(uint64_t) && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, from_lane, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace cuda_host

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

#define cudaLaunchKernelEx ::cuda_host::launch
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif

template <class Kernel>  // a template of NVIDIA's that only nvcc sees
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel* kernel) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  cuda_host::block_barrier({"__syncthreads", file, line});
}
inline void __syncwarp(unsigned mask = ~0u, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  cuda_host::warp_barrier(mask, {"__syncwarp", file, line});
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from_lane, const char* file = __builtin_FILE(),
              int line = __builtin_LINE()) {
  return cuda_host::shuffle(mask, value, from_lane & 31, {"__shfl_sync", file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  return cuda_host::shuffle(mask, value, cuda_host::lane() ^ bits, {"__shfl_xor_sync", file, line});
}
