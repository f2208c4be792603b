// The block cache. One mutex guards it; kernels never allocate.
#include "core/memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

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
  std::multimap<size_t, void*> free_blocks;  // by size
  std::unordered_map<void*, size_t> sizes;   // of all blocks, those in use too
  int64_t held = 0;                          // bytes of all blocks
  int64_t most = 0;                          // largest stats.live since the start
  Stats stats{0, 0, 0, 0};
};

// Never destroyed: tensors of static storage duration may outlive any order of destructors.
Pool& pool(Device device) {
  static Pool* pools = new Pool[2];
  return pools[device == Device::CUDA ? 1 : 0];
}

size_t rounded(Device device, size_t bytes) {
  if (!kCacheBlocks && device == Device::CUDA) return bytes == 0 ? 1 : bytes;
  if (bytes <= 1024) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

// nullptr when memory is out
void* system_allocate(Pool& p, Device device, size_t size) {
  const auto entry = p.sizes.emplace(nullptr, size).first;  // before the block: it may throw
  void* block = device == Device::CUDA ? cuda_allocate(size) : std::aligned_alloc(64, size);
  auto node = p.sizes.extract(entry);
  if (!block) return nullptr;
  node.key() = block;
  p.sizes.insert(std::move(node));
  p.held += int64_t(size);
  ++p.stats.taken;
  return block;
}

void system_release(Pool& p, Device device, void* block) noexcept {
  const auto entry = p.sizes.find(block);
  p.held -= int64_t(entry->second);
  p.sizes.erase(entry);
  if (device == Device::CUDA) {
    cuda_release(block);
  } else {
    std::free(block);
  }
}

// Gives blocks back, the largest first, until at most `bytes` are held or all are in use.
void trim_locked(Pool& p, Device device, int64_t bytes) noexcept {
  while (p.held > bytes && !p.free_blocks.empty()) {
    const auto largest = std::prev(p.free_blocks.end());
    p.stats.cached -= int64_t(largest->first);
    system_release(p, device, largest->second);
    p.free_blocks.erase(largest);
  }
}

}  // namespace

void* allocate(Device device, size_t bytes) {
  const size_t size = rounded(device, bytes);
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  void* block = nullptr;
  const auto found = p.free_blocks.lower_bound(size);
  if (found != p.free_blocks.end() && found->first <= size + size / 4) {
    block = found->second;
    p.stats.cached -= int64_t(found->first);
    p.free_blocks.erase(found);
  } else {
    // Sizes that vary a lot would let the cache grow: it stays near the largest need so far.
    const int64_t most = std::max(p.most, p.stats.live + int64_t(size));
    trim_locked(p, device, most + most / 16 + (int64_t(64) << 20) - int64_t(size));
    block = system_allocate(p, device, size);
    if (!block) {
      trim_locked(p, device, 0);
      block = system_allocate(p, device, size);
    }
    check(block != nullptr, "memory: out of ", device == Device::CPU ? "main" : "device",
          " memory, asked for ", bytes, " bytes with ", p.stats.live, " in use");
    if (!kCacheBlocks && device == Device::CPU) std::memset(block, 0xff, size);
  }
  p.stats.live += int64_t(size);
  p.stats.peak = std::max(p.stats.peak, p.stats.live);
  p.most = std::max(p.most, p.stats.live);
  return block;
}

void release(Device device, void* block, size_t bytes) noexcept {
  const size_t size = rounded(device, bytes);
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  p.stats.live -= int64_t(size);
  if (kCacheBlocks) {
    try {
      const size_t own = p.sizes.find(block)->second;
      p.free_blocks.emplace(own, block);
      p.stats.cached += int64_t(own);
      return;
    } catch (const std::bad_alloc&) {
      // no memory for the entry: give the block back instead
    }
  }
  system_release(p, device, block);
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
  trim_locked(p, device, 0);
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
