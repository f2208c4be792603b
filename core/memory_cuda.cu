// Device memory and copies, all on the default stream: work queued there runs in order, so a block
// that is released while a kernel still uses it may be handed out again at once.
#include "core/memory.h"

#include <string>

#include "core/parallel.h"

namespace skiff::memory {
namespace {

struct Nothing {
  SKIFF_KERNEL void operator()(int64_t) const {}
};

// Why no device can be used; "" when one can. Every error means that: 35 (no driver, or an old
// one), 100 (no device), 34 (a stub of the driver); the count is then not written.
std::string find_device() {
  int devices = 0, driver = 0;
  cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaSuccess && devices == 0) status = cudaErrorNoDevice;
  const char* what = "no CUDA device";
  if (status == cudaSuccess) {  // is there code for it?
    cudaFuncAttributes attributes;
    status = cudaFuncGetAttributes(&attributes, cuda::for_kernel<Nothing>);
    what = "the CUDA device cannot run this build";
  } else if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    what = "no CUDA driver on this machine";
  } else if (status == cudaErrorInsufficientDriver) {
    what = "the CUDA driver is too old";
  }
  if (status == cudaSuccess) return "";
  (void)cudaGetLastError();
  return std::string(what) + " (" + cudaGetErrorString(status) + ")";
}

cudaMemcpyKind kind(Device to, Device from) {
  if (from == Device::CPU) return cudaMemcpyHostToDevice;
  return to == Device::CPU ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice;
}

}  // namespace

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

void cuda_copy(Device to, void* destination, Device from, const void* source, size_t bytes) {
  cuda::require(cudaMemcpy(destination, source, bytes, kind(to, from)), "cudaMemcpy");
}

void cuda_fill_zero(void* block, size_t bytes) {
  cuda::require(cudaMemsetAsync(block, 0, bytes), "cudaMemsetAsync");
}

}  // namespace skiff::memory
