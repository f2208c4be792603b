// The operators that bench_gpu times, with the bytes and operations that they need at least.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace skiff::bench {

// Bytes that must move through memory, and operations, with a multiply-add counted as two. The
// counts follow the kernels: core/README.md derives them.
struct Cost {
  double bytes = 0, operations = 0;
};

struct GpuCase {
  std::string name, shape;
  Cost forward, backward;
  std::vector<Variable> inputs;
  std::function<Variable(const std::vector<Variable>&)> run;
};

struct GpuSizes {
  int64_t B, N, D, R = 64, K = 33, V = 32;
  double tensor_bytes() const { return 4.0 * elements(); }
  double elements() const { return double(B * N * D); }
};

Tensor random32(const Shape& shape, uint64_t seed, Device device);
std::vector<GpuCase> gpu_cases(const GpuSizes& s, Device device);

}  // namespace skiff::bench
