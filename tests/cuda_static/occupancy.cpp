// How many threads of a multiprocessor a kernel fills, by NVIDIA's own calculation.
// Run:     occupancy 90 56 28672 256      (architecture, registers a thread, shared bytes, threads)
// Expect:  blocks on a multiprocessor and percent of its threads, "4 50"
#include <cuda_occupancy.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int arch = std::atoi(argv[1]), registers = std::atoi(argv[2]), threads = std::atoi(argv[4]);
  const size_t shared = size_t(std::atoll(argv[3]));
  const bool hopper = arch == 90;  // otherwise 80; CUDA Programming Guide, compute capabilities
  cudaOccDeviceProp device{};
  device.computeMajor = arch / 10;
  device.computeMinor = arch % 10;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = 2048;
  device.regsPerBlock = device.regsPerMultiprocessor = 65536;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 << 10;
  device.sharedMemPerMultiprocessor = size_t(hopper ? 228 : 164) << 10;
  device.sharedMemPerBlockOptin = size_t(hopper ? 227 : 163) << 10;
  device.reservedSharedMemPerBlock = 1 << 10;
  device.numSms = hopper ? 132 : 108;
  cudaOccFuncAttributes kernel{};
  kernel.maxThreadsPerBlock = 1024;
  kernel.numRegs = registers;
  kernel.partitionedGCConfig = PARTITIONED_GC_OFF;
  cudaOccDeviceState state{};
  cudaOccResult result{};
  if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, threads, shared) !=
      CUDA_OCC_SUCCESS)
    return 1;
  const int blocks = result.activeBlocksPerMultiprocessor;
  std::printf("%d %d\n", blocks, 100 * blocks * threads / 2048);
}
