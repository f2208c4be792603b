// Where a tensor lives (there is one GPU), and the mark of a function that runs in both places.
#pragma once

namespace skiff {
enum class Device { CPU, CUDA };
}

// CUDA source: compiled by nvcc or, to run on the host in a test, by g++ (tests/cuda_host). Device
// code is what the device's side of it sees; g++ compiles both sides at once.
#if defined(__CUDACC__) || defined(SKIFF_CUDA_HOST)
#define SKIFF_CUDA_SOURCE
#endif
#if defined(__CUDA_ARCH__) || defined(SKIFF_CUDA_HOST)
#define SKIFF_DEVICE_CODE
#endif

#ifdef SKIFF_CUDA_SOURCE
#define SKIFF_HOST_DEVICE __host__ __device__
#else
#define SKIFF_HOST_DEVICE
#endif

// For the few functions that have to be inlined so that the loop around them is vectorised.
#if defined(__GNUC__) && !defined(__CUDACC__)
#define SKIFF_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define SKIFF_ALWAYS_INLINE inline
#endif
