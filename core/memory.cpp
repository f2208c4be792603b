// The block cache. One mutex guards it; kernels never allocate.
#include "core/memory.h"

#include <malloc.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "core/check.h"

namespace skiff::memory {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(SKIFF_CUDA_HOST)
constexpr bool kCacheBlocks = false;
#else
constexpr bool kCacheBlocks = true;
#endif

struct Pool {
  std::mutex mutex;
  std::multimap<size_t, void*> free_blocks;  // by rounded size
  Stats stats{0, 0, 0};
};

// Where sizes vary from batch to batch the cache frees blocks and asks for others. By default the C
// library returns a large block to the system at once, and the next one costs a page fault per
// page, which fills it with zeros. So freed memory stays with the process until trim().
void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);         // no block is a mapping of its own
  ::mallopt(M_TRIM_THRESHOLD, -1);  // nothing returns to the system by itself
  ::mallopt(M_ARENA_MAX, 1);        // and what one thread has freed serves the others
}

// Never destroyed: tensors of static storage duration may outlive any order of destructors.
Pool& pool(Device device) {
  static Pool* pools = [] {
    keep_freed_memory();
    return new Pool[2];
  }();
  return pools[device == Device::CUDA ? 1 : 0];
}

size_t rounded(Device device, size_t bytes) {
  if (!kCacheBlocks && device == Device::CUDA) return bytes == 0 ? 1 : bytes;
  if (bytes <= 1024) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

void* system_allocate(Device device, size_t bytes) {
  if (device == Device::CUDA) return cuda_allocate(bytes);
  return std::aligned_alloc(64, bytes);
}

void system_release(Device device, void* block) noexcept {
  if (device == Device::CUDA) {
    cuda_release(block);
  } else {
    std::free(block);
  }
}

void trim_locked(Pool& p, Device device) noexcept {
  for (auto& [size, block] : p.free_blocks) system_release(device, block);
  p.free_blocks.clear();
  p.stats.cached = 0;
}

}  // namespace

void* allocate(Device device, size_t bytes) {
  const size_t size = rounded(device, bytes);
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  void* block = nullptr;
  const auto found = p.free_blocks.find(size);
  if (found != p.free_blocks.end()) {
    block = found->second;
    p.free_blocks.erase(found);
    p.stats.cached -= int64_t(size);
  } else {
    // Sizes that vary from batch to batch would let the cache grow without end: all memory together
    // stays below the peak of live memory, a quarter of it and 64 MiB.
    const int64_t slack = p.stats.peak / 4 + (int64_t(64) << 20);
    if (p.stats.live + p.stats.cached + int64_t(size) > p.stats.peak + slack)
      trim_locked(p, device);
    block = system_allocate(device, size);
    if (!block) {
      trim_locked(p, device);
      if (device == Device::CUDA) cuda_trim();
      block = system_allocate(device, size);
    }
    check(block != nullptr, "memory: out of ", device == Device::CPU ? "main" : "device",
          " memory, asked for ", bytes, " bytes with ", p.stats.live, " in use");
    if (!kCacheBlocks && device == Device::CPU) std::memset(block, 0xff, size);
  }
  p.stats.live += int64_t(size);
  if (p.stats.live > p.stats.peak) p.stats.peak = p.stats.live;
  return block;
}

void release(Device device, void* block, size_t bytes) noexcept {
  const size_t size = rounded(device, bytes);
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  p.stats.live -= int64_t(size);
  if (kCacheBlocks) {
    try {
      p.free_blocks.emplace(size, block);
      p.stats.cached += int64_t(size);
      return;
    } catch (const std::bad_alloc&) {
      // there is no memory for the entry: free the block instead
    }
  }
  system_release(device, block);
}

Stats stats(Device device) {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  return p.stats;
}

void reset_peak(Device device) {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  p.stats.peak = p.stats.live;
}

void trim(Device device) noexcept {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  trim_locked(p, device);
  if (device == Device::CPU)
    ::malloc_trim(0);
  else
    cuda_trim();
}

void copy(Device to, void* destination, Device from, const void* source, size_t bytes) {
  if (bytes == 0) return;
  if (to == Device::CPU && from == Device::CPU) {
    std::memcpy(destination, source, bytes);
  } else {
    cuda_copy(to, destination, from, source, bytes);
  }
}

void fill_zero(Device device, void* block, size_t bytes) {
  if (bytes == 0) return;
  if (device == Device::CPU) {
    std::memset(block, 0, bytes);
  } else {
    cuda_fill_zero(block, bytes);
  }
}

}  // namespace skiff::memory
