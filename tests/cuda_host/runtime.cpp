// Stand-ins for the calls of libcudart that the project makes; the linker takes them in its place.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <numeric>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/host.h"

namespace cuda_host {
namespace {

int faults = 0;
cudaError_t last = cudaSuccess;

struct Job {
  Reach reach;
  std::function<void()> run;
};
std::deque<Job>& stream() {
  static auto* jobs = new std::deque<Job>;
  return *jobs;
}

const char* environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

// What this machine is said to be: 0, or the error of a machine without a usable GPU (34, 35, 100).
cudaError_t machine() {
  static const int error = std::atoi(environment("CUDA_HOST_ERROR", "0"));
  return cudaError_t(error);
}

// The program may end well in spite of a fault, when nothing asked for the error.
const bool watched = std::atexit([] {
                       drain();
                       if (faults == 0) return;
                       std::fprintf(stderr, "cuda_host: %d faults\n", faults);
                       std::fflush(nullptr);
                       std::_Exit(87);
                     }) == 0;

}  // namespace

void fault(const std::string& what) {
  std::fprintf(stderr, "cuda_host: fault: %s\n", what.c_str());
  ++faults;
  last = cudaErrorLaunchFailure;
}

cudaError_t remember(cudaError_t error) {
  if (last == cudaSuccess) last = error;
  return error;
}

// ---- the schedule ----

int64_t Schedule::below(int64_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return int64_t((state >> 33) % uint64_t(n));
}

int64_t Schedule::at(int64_t i, int64_t n, int64_t turn) const {
  if (kind == Kind::kForward) return i;
  if (kind == Kind::kReverse) return n - 1 - i;
  const uint64_t mixed = (seed + uint64_t(turn)) * 0x9E3779B97F4A7C15u;
  int64_t step = 1 + int64_t((mixed >> 32) % uint64_t(n));
  while (std::gcd(step, n) != 1) ++step;
  return (int64_t(mixed % uint64_t(n)) + i % n * (step % n)) % n;
}

Schedule& schedule() {
  static Schedule made = [] {
    const std::string name = environment("CUDA_HOST_SCHEDULE", "forward");
    if (name == "forward") return Schedule{Schedule::Kind::kForward, 0};
    if (name == "reverse") return Schedule{Schedule::Kind::kReverse, 0};
    if (const uint64_t seed = uint64_t(std::atoll(name.c_str())))
      return Schedule{Schedule::Kind::kSeeded, seed};
    std::fprintf(stderr, "error: CUDA_HOST_SCHEDULE must be forward, reverse or a seed, got '%s'\n",
                 name.c_str());
    std::_Exit(2);
  }();
  return made;
}

// ---- the stream ----

void drain() {
  if (stream().empty()) return;
  device_memory().open(true);
  host_memory().open(false);
  while (!stream().empty()) {
    const Job job = std::move(stream().front());
    stream().pop_front();
    if (job.reach == Reach::kBoth) host_memory().open(true);
    if (last != cudaErrorLaunchFailure) job.run();  // after a fault nothing more runs
    if (job.reach == Reach::kBoth) host_memory().open(false);
  }
  host_memory().open(true);
  device_memory().check_zones();
  device_memory().open(false);
}

void enqueue(Reach reach, std::function<void()> job) {
  stream().push_back({reach, std::move(job)});
  if (schedule().kind == Schedule::Kind::kSeeded && schedule().below(16) == 0) drain();
}

namespace {

bool is_host(cudaMemcpyKind kind, bool source) {
  return kind == cudaMemcpyHostToHost ||
         kind == (source ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost);
}
void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  for (const auto& [at, host] : {std::pair<const void*, bool>(to, is_host(kind, false)),
                                 std::pair<const void*, bool>(from, is_host(kind, true))}) {
    if (!host && !require_device(at, bytes, "a copy")) return;
    if (host && device_memory().owns(at))
      return fault("a copy takes an address of the device for one of the host");
  }
  std::memcpy(to, from, bytes);
}

cudaError_t usable() { return machine() != cudaSuccess ? machine() : last; }

}  // namespace
}  // namespace cuda_host

using namespace cuda_host;

struct CUevent_st {
  bool reached = true;
  int asked = 0;  // in vain
};

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  if (machine() != cudaSuccess) return remember(machine());  // *count is left as it was
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? usable() : remember(cudaErrorInvalidDevice);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine() == cudaErrorStubLibrary ? 0
             : machine() == cudaErrorInsufficientDriver
                 ? std::atoi(environment("CUDA_HOST_DRIVER", "0"))
                 : CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  return usable();
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last;
  if (last != cudaErrorLaunchFailure) last = cudaSuccess;  // that one stays
  return error;
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorStubLibrary:
      return "cudaErrorStubLibrary";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "another error";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorStubLibrary:
      return "CUDA driver is a stub library";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return cudaGetErrorName(error);
  }
}

// Memory of the device, in the order of the stream: an address is good from its allocation on, the
// block is NaN patterns when the stream comes to it and is gone after its release.
cudaError_t cudaMallocAsync(void** block, size_t bytes, cudaStream_t) {
  if (usable() != cudaSuccess) return usable();
  static const size_t limit = size_t(std::atoll(environment("CUDA_HOST_MEMORY", "8589934592")));
  *block = bytes <= limit ? device_memory().allocate(bytes) : nullptr;
  return *block ? cudaSuccess : remember(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeAsync(void* block, cudaStream_t) {
  enqueue(Reach::kDevice, [=] {
    if (!device_memory().release(block)) fault("a block of device memory freed twice");
  });
  return usable();
}
// The pool behind them. The arena never returns pages to the system; that the program says so is
// checked: without a threshold, a GPU would return them at each wait.
static char the_pool;
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  *pool = reinterpret_cast<cudaMemPool_t>(&the_pool);
  return usable();
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  uint64_t threshold;
  std::memcpy(&threshold, value, sizeof threshold);
  if (pool != reinterpret_cast<cudaMemPool_t>(&the_pool) ||
      attribute != cudaMemPoolAttrReleaseThreshold || threshold != UINT64_MAX)
    return remember(cudaErrorInvalidValue);
  return usable();
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  if (pool != reinterpret_cast<cudaMemPool_t>(&the_pool)) return remember(cudaErrorInvalidValue);
  return usable();
}
cudaError_t cudaMallocHost(void** block, size_t bytes) {
  if (usable() != cudaSuccess) return usable();
  *block = host_memory().allocate(bytes);
  return *block ? cudaSuccess : remember(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* block) {
  drain();
  if (!host_memory().release(block)) fault("a block of pinned memory freed twice");
  return usable();
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  enqueue(Reach::kDevice, [=] {
    if (require_device(to, bytes, "a fill")) std::memset(to, value, bytes);
  });
  return usable();
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t) {
  enqueue(Reach::kBoth, [=] { copy(to, from, bytes, kind); });
  return usable();
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  drain();
  return usable();
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  drain();
  return usable();
}
cudaError_t cudaDeviceSynchronize() {
  drain();
  return usable();
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return usable();
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->reached = false;
  event->asked = 0;
  enqueue(Reach::kDevice, [=] { event->reached = true; });
  return usable();
}
// A device works on by itself: who asks again and again sees the event pass.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!event->reached && ++event->asked > 100) drain();
  return usable() != cudaSuccess ? usable() : event->reached ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  drain();
  return usable();
}

}  // extern "C"
