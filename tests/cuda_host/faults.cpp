// Does the emulation test anything? Mistakes are planted, one at a time, and each must be caught in
// at least one schedule, in the way that is stated; the same code without it must pass in all.
// Run:     build/cuda-host/faults
// Expect:  one line a mistake, and the last line "all N planted faults caught"; exit code 6 if not.
// Itself:  faults NAME sound|planted   one case, in the schedule of $CUDA_HOST_SCHEDULE
#include <cublas_v2.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/fft/fft.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/tensor.h"

using namespace skiff;
using cuda::shared_memory;

namespace {

constexpr int kN = 256;
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// ---- kernels; `planted` plants the mistake ----

enum class Mistake { kNone, kNoBarrierBeforeRead, kNoBarrierBeforeReuse };

__device__ float warp_total(float v) {
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}
__device__ float block_total(float v, Mistake mistake) {
  float* part = shared_memory<float>();
  v = warp_total(v);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  if (mistake != Mistake::kNoBarrierBeforeRead) __syncthreads();
  float total = 0;
  for (unsigned w = 0; w < blockDim.x / 32; ++w) total += part[w];
  if (mistake != Mistake::kNoBarrierBeforeReuse) __syncthreads();
  return total;
}
__global__ void two_totals(const float* x, float* y, Mistake mistake) {
  const float first = block_total(x[threadIdx.x], mistake);
  const float second = block_total(2 * x[threadIdx.x], mistake);
  y[threadIdx.x] = first + second;
}
__global__ void barrier_in_both_branches(float* y, bool planted) {
  if (planted && threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}
__global__ void barrier_after_return(float* y, bool planted) {
  y[threadIdx.x] = 1;
  if (planted && threadIdx.x == 7) return;
  __syncthreads();
}
__global__ void shuffle_by_half(float* y, bool planted) {
  y[threadIdx.x] = planted && threadIdx.x % 32 >= 16 ? 0 : 1;
  if (y[threadIdx.x] == 1) y[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
}
__global__ void shuffle_beyond_mask(float* y, bool planted) {
  y[threadIdx.x] = 1;
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffu, 1.0f, planted ? 16 : 1);
}
__global__ void reversed_in_shared(float* y, int outside) {
  float* s = shared_memory<float>();
  s[threadIdx.x] = float(threadIdx.x);
  if (threadIdx.x == 0 && outside) s[kN] = 0;
  __syncthreads();
  y[threadIdx.x] = s[kN - 1 - threadIdx.x];
}
__global__ void sum_in_shared(float* y, bool planted) {
  float* s = shared_memory<float>();
  if (!planted) s[threadIdx.x] = 0;
  s[threadIdx.x] += 1;
  y[threadIdx.x] = s[threadIdx.x];
}
__global__ void follow(const float* const* pointer, float* y) { y[threadIdx.x] = **pointer; }
template <class T>
void shifted_copy(const Tensor& x_tensor, Tensor& y_tensor, int64_t read, int64_t write) {
  const T* x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  parallel_for(Device::CUDA, y_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { y[i + write] = x[i + read]; });
}
template <class T>
void pairs(Tensor& y_tensor, bool planted) {  // two indices write one element
  T* y = y_tensor.data<T>();
  parallel_for(Device::CUDA, kN, [=] SKIFF_KERNEL(int64_t i) { y[planted ? i / 2 : i] = T(i); });
}

// ---- what the cases share ----

Tensor on_device(float value, int64_t n = kN) {
  return full({n}, value, DType::Float32).to(Device::CUDA);
}
Tensor fresh(int64_t n = kN) { return Tensor({n}, DType::Float32, Device::CUDA); }
float* floats(Tensor& t) { return t.data<float>(); }
const cuda::Grid kBlock{1, dim3(kN), kN * sizeof(float)};

void expect(const std::vector<double>& found, double (*expected)(size_t)) {
  for (size_t i = 0; i < found.size(); ++i)
    check(std::abs(found[i] - expected(i)) < 1e-3, "a wrong result");
}
double ones(size_t) { return 1; }

// ---- the cases ----

struct Case {
  const char *name, *caught;  // what the report of the mistake says
  void (*run)(bool planted);
};

const std::vector<Case> cases = {
    {"missing barrier before a read", "a wrong result",
     [](bool planted) {
       const Tensor x = on_device(1);
       Tensor y = fresh();
       cuda::launch(kBlock, two_totals, x.data<float>(), floats(y),
                    planted ? Mistake::kNoBarrierBeforeRead : Mistake::kNone);
       expect(to_vector(y), [](size_t) { return 3.0 * kN; });
     }},
    {"missing barrier before reuse", "a wrong result",
     [](bool planted) {
       const Tensor x = on_device(1);
       Tensor y = fresh();
       cuda::launch(kBlock, two_totals, x.data<float>(), floats(y),
                    planted ? Mistake::kNoBarrierBeforeReuse : Mistake::kNone);
       expect(to_vector(y), [](size_t) { return 3.0 * kN; });
     }},
    {"divergent barrier, two places", "wait at different barriers",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, barrier_in_both_branches, floats(y), planted);
       expect(to_vector(y), ones);
     }},
    {"divergent barrier, some threads gone", "ended while others wait",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, barrier_after_return, floats(y), planted);
       expect(to_vector(y), ones);
     }},
    {"absent lanes of a shuffle", "are absent from __shfl_xor_sync",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, shuffle_by_half, floats(y), planted);
       expect(to_vector(y), ones);
     }},
    {"shuffle from a lane outside its mask", "which the mask leaves out",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, shuffle_beyond_mask, floats(y), planted);
       expect(to_vector(y), ones);
     }},
    {"read out of bounds", kSanitized ? "AddressSanitizer" : "a wrong result",
     [](bool planted) {
       const Tensor x = on_device(1);
       Tensor y = fresh();
       shifted_copy<float>(x, y, planted ? 1 : 0, 0);
       expect(to_vector(y), ones);
     }},
    {"write out of bounds", kSanitized ? "AddressSanitizer" : "a write outside of a block",
     [](bool planted) {
       const Tensor x = on_device(1, 2 * kN);
       Tensor y = zeros({kN}, DType::Float32, Device::CUDA);
       shifted_copy<float>(x, y, 0, planted ? 1 : 0);
       to_vector(y);
     }},
    {"shared memory written out of bounds",
     kSanitized ? "AddressSanitizer" : "bytes of shared memory",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, reversed_in_shared, floats(y), int(planted));
       expect(to_vector(y), [](size_t i) { return double(kN - 1 - i); });
     }},
    {"missing synchronisation before the host reads", "a wrong result",
     [](bool planted) {
       const Tensor x = on_device(1);
       Tensor host({kN}, DType::Float32);
       cuda::require(
           cudaMemcpyAsync(host.raw(), x.raw(), size_t(x.bytes()), cudaMemcpyDeviceToHost, nullptr),
           "cudaMemcpyAsync");
       if (!planted) cuda::require(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
       const std::vector<double> found = to_vector(host);
       cuda::require(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");  // host stays alive
       expect(found, ones);
     }},
    {"host memory changed under a copy that is on its way", "a wrong result",
     [](bool planted) {
       Tensor x = full({kN}, 1, DType::Float32), y = fresh();
       cuda::require(
           cudaMemcpyAsync(y.raw(), x.raw(), size_t(x.bytes()), cudaMemcpyHostToDevice, nullptr),
           "cudaMemcpyAsync");
       if (!planted) cuda::require(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
       x.data<float>()[5] = 7;
       expect(to_vector(y), ones);
     }},
    {"uninitialised device memory", "a wrong result",
     [](bool planted) {
       const Tensor x = planted ? fresh() : on_device(1);
       Tensor y = fresh();
       shifted_copy<float>(x, y, 0, 0);
       expect(to_vector(y), ones);
     }},
    {"uninitialised shared memory", "a wrong result",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch(kBlock, sum_in_shared, floats(y), planted);
       expect(to_vector(y), ones);
     }},
    {"device memory used after its release", kSanitized ? "AddressSanitizer" : "a wrong result",
     [](bool planted) {
       Tensor x = on_device(1), y = fresh();
       const float* from = x.data<float>();
       if (planted) x = Tensor();
       float* to = floats(y);
       parallel_for(Device::CUDA, kN, [=] SKIFF_KERNEL(int64_t i) { to[i] = from[i]; });
       expect(to_vector(y), ones);
     }},
    {"two threads write one element", "a wrong result",
     [](bool planted) {
       Tensor y = zeros({kN}, DType::Float32, Device::CUDA);
       pairs<float>(y, planted);
       const std::vector<double> found = to_vector(y);
       if (planted) check(found[3] == 7, "a wrong result");  // what one order happens to leave
     }},
    {"launch with too many threads", "invalid configuration argument",
     [](bool planted) {
       Tensor y = fresh(planted ? 2048 : kN);
       cuda::launch({1, dim3(unsigned(y.size())), 0}, barrier_after_return, floats(y), false);
       expect(to_vector(y), ones);
     }},
    {"launch of an empty grid", "invalid configuration argument",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch({planted ? 0 : 1, dim3(kN), 0}, barrier_after_return, floats(y), false);
       expect(to_vector(y), ones);
     }},
    {"launch with too much shared memory", "cudaErrorInvalidValue",
     [](bool planted) {
       Tensor y = fresh();
       cuda::launch({1, dim3(kN), size_t(planted ? 300 : 1) << 10}, sum_in_shared, floats(y),
                    false);
       expect(to_vector(y), ones);
     }},
    {"cuBLAS leading dimension too small", "CUBLAS_STATUS_INVALID_VALUE",
     [](bool planted) {
       const Tensor a = on_device(1, 12), b = on_device(1, 12);
       Tensor c = fresh(9);
       const float one = 1, zero = 0;
       cublasHandle_t handle;
       cublasCreate(&handle);
       const auto status = cublasSgemmStridedBatched_64(
           handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 4, &one, a.data<float>(), planted ? 2 : 3, 0,
           b.data<float>(), 4, 0, &zero, floats(c), 3, 0, 1);
       check(status == CUBLAS_STATUS_SUCCESS, cublasGetStatusName(status));
       expect(to_vector(c), [](size_t) { return 4.0; });
     }},
    {"cuBLAS leading dimension too large", "operand A of a gemm reaches",
     [](bool planted) {
       const Tensor a = on_device(1, 12), b = on_device(1, 12);
       Tensor c = fresh(9);
       const float one = 1, zero = 0;
       cublasHandle_t handle;
       cublasCreate(&handle);
       cublasSgemmStridedBatched_64(handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 4, &one,
                                    a.data<float>(), planted ? 4 : 3, 0, b.data<float>(), 4, 0,
                                    &zero, floats(c), 3, 0, 1);
       expect(to_vector(c), [](size_t) { return 4.0; });
     }},
    {"the host reads device memory", "the host touched device memory",
     [](bool planted) {
       const Tensor x = on_device(1), host = x.to(Device::CPU);
       check((planted ? x : host).data<float>()[3] == 1, "unexpected");
     }},
    {"a kernel is given host memory", "the device touched host memory",
     [](bool planted) {
       const Tensor host = full({kN}, 1, DType::Float32), x = host.to(Device::CUDA);
       Tensor y = fresh();
       shifted_copy<float>(planted ? host : x, y, 0, 0);
       expect(to_vector(y), ones);
     }},
    {"a kernel reads host memory by a stored address", "the device touched host memory",
     [](bool planted) {
       const Tensor host = full({kN}, 1, DType::Float32), x = host.to(Device::CUDA);
       Tensor y = fresh(), pointer({2}, DType::Int32), table;
       *static_cast<const float**>(pointer.raw()) = (planted ? host : x).data<float>();
       table = pointer.to(Device::CUDA);
       cuda::launch(kBlock, follow, static_cast<const float* const*>(table.raw()), floats(y));
       expect(to_vector(y), ones);
     }},
};

// ---- running them ----

int run_one(const std::string& name, bool planted) {
  for (const Case& c : cases) {
    if (name != c.name) continue;
    try {
      c.run(planted);
    } catch (const Error& e) {
      std::fprintf(stderr, "error: %s\n", e.what());
      return 1;
    }
    return 0;
  }
  return 2;
}

struct Outcome {
  int status;
  std::string output;
};
Outcome run_process(const std::string& self, const std::string& schedule, const std::string& name,
                    const char* how) {
  const std::string command = "CUDA_HOST_SCHEDULE=" + schedule + " OPENBLAS_NUM_THREADS=1 '" +
                              self + "' '" + name + "' " + how + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return {-1, ""};
  Outcome outcome{0, ""};
  for (int c; (c = std::fgetc(pipe)) != EOF;) outcome.output += char(c);
  outcome.status = pclose(pipe);
  return outcome;
}

int run_all(const std::string& self) {
  const std::vector<std::string> schedules = {"forward", "reverse", "1", "2", "3"};
  size_t caught = 0;
  for (const Case& c : cases) {
    std::string in, trouble;
    for (const std::string& schedule : schedules) {
      const Outcome sound = run_process(self, schedule, c.name, "sound");
      if (sound.status != 0)
        trouble = "without it, schedule " + schedule + " fails: " + sound.output;
      const Outcome planted = run_process(self, schedule, c.name, "planted");
      if (planted.status != 0 && planted.output.find(c.caught) != std::string::npos)
        in += " " + schedule;
      else if (planted.status != 0)
        trouble = "schedule " + schedule + " says something else: " + planted.output;
    }
    const bool good = !in.empty() && trouble.empty();
    std::printf("%-8s %-52s %s;%s %s\n", good ? "caught" : "MISSED", c.name, c.caught, in.c_str(),
                trouble.c_str());
    std::fflush(stdout);
    caught += good;
  }
  if (caught == cases.size()) {
    std::printf("all %zu planted faults caught\n", caught);
    return 0;
  }
  std::printf("%zu of %zu planted faults caught\n", caught, cases.size());
  return 6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return run_one(argv[1], std::string(argv[2]) == "planted");
  return run_all(argv[0]);
}
