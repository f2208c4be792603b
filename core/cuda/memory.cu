// Device memory and copies, all on the default stream: work queued there runs in order, so a block
// that is released while a kernel still uses it may be handed out again at once.
//
// A copy to the device does not wait: the bytes are put into pinned memory, from which the stream
// copies them in its turn. With 4 MB on their way it waits for room. A copy back waits for the
// stream.
#include "core/memory.h"

#include <cstring>
#include <deque>
#include <mutex>
#include <string>

#include "core/parallel.h"

namespace skiff::memory {
namespace {

struct Nothing {
  SKIFF_KERNEL void operator()(int64_t) const {}
};

int chosen = 0;
bool in_use = false;

// Why no device can be used; "" when one can. Every error means that: 35 (no driver, or an old
// one), 100 (no device), 34 (a stub of the driver); the count is then not written.
std::string find_device() {
  int devices = 0, driver = 0;
  cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaSuccess && devices == 0) status = cudaErrorNoDevice;
  const char* what = "no CUDA device";
  if (status == cudaSuccess) status = cudaSetDevice(chosen %= devices);
  if (status == cudaSuccess) {  // is there code for it?
    cudaFuncAttributes attributes;
    status = cudaFuncGetAttributes(&attributes, cuda::for_kernel<Nothing>);
    what = "the CUDA device cannot run this build";
  } else if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    what = "no CUDA driver on this machine";
  } else if (status == cudaErrorInsufficientDriver) {
    what = "the CUDA driver is too old";
  }
  // Sizes that vary from batch to batch make the block cache give blocks back and ask for others.
  // What it gives back stays with the process until trim(), or until memory is out; by default each
  // wait for the stream would return it to the system.
  cudaMemPool_t pool;
  uint64_t threshold = UINT64_MAX;
  if (status == cudaSuccess) {
    what = "the CUDA device has no memory pool";
    status = cudaDeviceGetDefaultMemPool(&pool, chosen);
  }
  if (status == cudaSuccess)
    status = cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
  in_use = status == cudaSuccess;
  if (in_use) return "";
  (void)cudaGetLastError();
  return std::string(what) + " (" + cudaGetErrorString(status) + ")";
}

// Pinned blocks on their way to the device, oldest first. A block is free when the stream has
// passed the event behind its copy.
class Staging {
 public:
  void copy_to_device(void* destination, const void* source, size_t bytes) {
    const std::lock_guard lock(mutex_);
    const char* from = static_cast<const char*>(source);
    char* to = static_cast<char*>(destination);
    for (size_t done = 0; done < bytes; done += kBlock) {
      const size_t part = bytes - done < kBlock ? bytes - done : kBlock;
      Block block = next();
      std::memcpy(block.pinned, from + done, part);
      cuda::require(cudaMemcpyAsync(to + done, block.pinned, part, cudaMemcpyHostToDevice, nullptr),
                    "cudaMemcpyAsync");
      cuda::require(cudaEventRecord(block.passed, nullptr), "cudaEventRecord");
      blocks_.push_back(block);
    }
  }

 private:
  struct Block {
    void* pinned;
    cudaEvent_t passed;
  };
  static constexpr size_t kBlock = 64 << 10, kMost = 64;

  Block next() {
    if (!blocks_.empty()) {
      const Block oldest = blocks_.front();
      const cudaError_t status = cudaEventQuery(oldest.passed);
      if (status == cudaSuccess || blocks_.size() >= kMost) {
        cuda::require(cudaEventSynchronize(oldest.passed), "cudaEventSynchronize");
        blocks_.pop_front();
        return oldest;
      }
      if (status != cudaErrorNotReady) cuda::require(status, "cudaEventQuery");
    }
    Block made{};
    cuda::require(cudaMallocHost(&made.pinned, kBlock), "cudaMallocHost");
    cuda::require(cudaEventCreateWithFlags(&made.passed, cudaEventDisableTiming),
                  "cudaEventCreateWithFlags");
    return made;
  }

  std::mutex mutex_;
  std::deque<Block> blocks_;
};
Staging& staging() {  // never destroyed: the driver may be gone before static objects are
  static Staging* made = new Staging;
  return *made;
}

}  // namespace

void choose_cuda_device(int number) { chosen = number; }
void use_chosen_cuda_device() {
  if (in_use) cuda::require(cudaSetDevice(chosen), "cudaSetDevice");
}

const char* cuda_unavailable_reason() {
  static const std::string* reason = new std::string(find_device());
  return reason->c_str();
}
bool cuda_available() { return *cuda_unavailable_reason() == '\0'; }

void* cuda_allocate(size_t bytes) {
  check(cuda_available(), "cuda: ", cuda_unavailable_reason());
  void* block = nullptr;
  const cudaError_t status = cudaMallocAsync(&block, bytes, cudaStream_t(nullptr));
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // or the next call would report it again
    return nullptr;
  }
  cuda::require(status, "cudaMallocAsync");
  return block;
}

void cuda_release(void* block) noexcept { (void)cudaFreeAsync(block, nullptr); }

void cuda_trim() noexcept {
  cudaMemPool_t pool;
  if (in_use && cudaDeviceSynchronize() == cudaSuccess &&
      cudaDeviceGetDefaultMemPool(&pool, chosen) == cudaSuccess)
    (void)cudaMemPoolTrimTo(pool, 0);
}

void cuda_copy(Device to, void* destination, Device from, const void* source, size_t bytes) {
  if (from == Device::CPU) return staging().copy_to_device(destination, source, bytes);
  if (to == Device::CPU)
    cuda::require(cudaMemcpy(destination, source, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
  else
    cuda::require(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToDevice, nullptr),
                  "cudaMemcpyAsync");
}

void cuda_fill_zero(void* block, size_t bytes) {
  cuda::require(cudaMemsetAsync(block, 0, bytes), "cudaMemsetAsync");
}

}  // namespace skiff::memory
