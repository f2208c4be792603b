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
