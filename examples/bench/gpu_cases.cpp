#include "examples/bench/gpu_cases.h"

#include <cmath>
#include <sstream>

#include "autograd/ops.h"
#include "core/random.h"

namespace skiff::bench {

Tensor random32(const Shape& shape, uint64_t seed, Device device) {
  return random_normal(shape, DType::Float32, seed).to(device);
}

// T is the bytes of one activation (B, N, D), E its numbers.
std::vector<GpuCase> gpu_cases(const GpuSizes& s, Device device) {
  const auto [B, N, D, R, K, V] = s;
  const double T = s.tensor_bytes(), E = s.elements(), F = 2.0 * double(N);
  const double fft = 2.5 * 2 * E * std::log2(F);  // of real signals of length F = 2 N
  std::ostringstream text;
  text << '(' << B << ", " << N << ", " << D << ')';
  const std::string shape = text.str();
  const auto leaf = [&](Shape of, uint64_t seed) {
    return Variable::leaf(random32(of, seed, device));
  };
  const Shape x{B, N, D};
  Tensor ids({B, N}, DType::Int32);
  Random random(3);
  for (int64_t i = 0; i < ids.size(); ++i) ids.data<int32_t>()[i] = int32_t(random.below(V));
  const Tensor device_ids = ids.to(device);
  using Inputs = const std::vector<Variable>&;
  return {
      {"silu",
       shape,
       {2 * T, 10 * E},
       {3 * T, 15 * E},
       {leaf(x, 1)},
       [](Inputs v) { return silu(v[0]); }},
      {"gate, u * v",
       shape,
       {3 * T, E},
       {5 * T, 2 * E},
       {leaf(x, 1), leaf(x, 2)},
       [](Inputs v) { return v[0] * v[1]; }},
      {"simple_rms_norm",
       shape,
       {2 * T, 3 * E},
       {3 * T, 6 * E},
       {leaf(x, 1)},
       [](Inputs v) { return simple_rms_norm(v[0]); }},
      {"dropout",
       shape,
       {2 * T, 15 * E},
       {2 * T, 15 * E},
       {leaf(x, 1)},
       [](Inputs v) {
         return dropout(v[0], {0.1, 1, 2, 3});
       }},
      {"linear, D to D",
       shape,
       {2 * T, 2 * E * double(D)},
       {4 * T, 4 * E * double(D)},
       {leaf(x, 1), leaf({D, D}, 2), leaf({D}, 3)},
       [](Inputs v) { return linear(v[0], v[1], v[2]); }},
      {"embedding",
       shape,
       {T, 0},
       {T, E},
       {Variable(device_ids), leaf({V, D}, 2)},
       [](Inputs v) { return embedding(v[0].value(), v[1]); }},
      {"toeplitz, 2 N lags",
       shape,
       {17 * T, 2 * fft + 12 * E},
       {28 * T, 3 * fft + 28 * E},
       {leaf({2 * N, D}, 2), leaf(x, 1)},
       [](Inputs v) { return toeplitz(v[0], v[1], Direction::Bidirectional); }},
      {"ski, r = 64, filter 33",
       shape,
       {3.5 * T, 2 * E * double(K + 4)},
       {6 * T, 4 * E * double(K + 2)},
       {leaf(x, 1), leaf({K, D}, 2), leaf({2 * R, D}, 3)},
       [](Inputs v) { return ski(v[0], v[1], v[2]); }},
  };
}

}  // namespace skiff::bench
