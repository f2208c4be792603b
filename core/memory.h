// Memory of tensors: a cache of blocks per device, and a counter of live bytes.
//
// A training step asks for the same sizes again and again. Released blocks are kept and reused, and
// what the cache frees stays with the process until trim(), so that a step after the first few
// touches no new pages. Sizes are rounded up to one of eight steps per power of two.
// Sanitizer builds keep nothing and fill fresh blocks with NaN patterns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace skiff::memory {

struct Stats {
  int64_t live;    // bytes of tensors alive
  int64_t peak;    // largest `live` since the start or the last reset_peak()
  int64_t cached;  // bytes released and kept for reuse
};

void* allocate(Device device, size_t bytes);  // 64-byte aligned; throws Error when memory is out
void release(Device device, void* block, size_t bytes) noexcept;
Stats stats(Device device);
void reset_peak(Device device);
void trim(Device device) noexcept;  // gives cached blocks back to the system

void copy(Device to, void* destination, Device from, const void* source, size_t bytes);
void fill_zero(Device device, void* block, size_t bytes);

// The CUDA half (cuda/memory.cu, or cuda/none.cpp in a build without CUDA).
bool cuda_available();
const char* cuda_unavailable_reason();  // "" when it is available
// Which GPU this process uses, for a machine with several: number modulo how many there are. Has an
// effect before anything else asks for CUDA.
void choose_cuda_device(int number);
void use_chosen_cuda_device();      // on this thread: a new one begins with the first GPU
void* cuda_allocate(size_t bytes);  // nullptr when device memory is out
void cuda_release(void* block) noexcept;
void cuda_trim() noexcept;  // waits for the device
void cuda_copy(Device to, void* destination, Device from, const void* source, size_t bytes);
void cuda_fill_zero(void* block, size_t bytes);

}  // namespace skiff::memory
