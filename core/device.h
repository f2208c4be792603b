// Where a tensor lives (there is one GPU), and the mark of a function that runs in both places.
#pragma once

namespace skiff {
enum class Device { CPU, CUDA };
}

#ifdef __CUDACC__
#define SKIFF_HOST_DEVICE __host__ __device__
#else
#define SKIFF_HOST_DEVICE
#endif

// For the few functions without which a loop around them does not vectorise.
#if defined(__GNUC__) && !defined(__CUDACC__)
#define SKIFF_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define SKIFF_ALWAYS_INLINE inline
#endif
