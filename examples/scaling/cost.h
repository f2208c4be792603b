// examples/scaling: what the program scaling measures (measure.h) and computes from it (here).
//
// The time of a training step of P processes, each of which computes some of the K shards of a
// batch of B examples:
//
//   T(P) = ceil(K / P) t(B / K) + u + x(P)
//   x(P) = 2 (P - 1) latency + (nu + 1) (P - 1) / P (bytes of the gradient) / bandwidth
//
// t(b): forward and backward of b examples; u: norm of the gradient and optimizer; nu: the most
// nodes of the tree that one process holds (optim/exchange.h).
#pragma once

#include <cstdint>
#include <span>

namespace skiff::scaling {

struct Network {
  const char* name;
  double latency;    // seconds per message
  double bandwidth;  // bytes per second
};
// Ethernet of 1 and 10 Gb/s, and 100 Gb/s with remote direct memory access.
std::span<const Network> networks();

struct Costs {
  double fixed = 0, per_example = 0;  // t(b) = fixed + per_example b, in seconds
  double update = 0;                  // u
  double gradient_bytes = 0;
  double shard(double examples) const { return fixed + per_example * examples; }
};

double exchange_seconds(const Network& network, int64_t processes, int64_t shards,
                        double gradient_bytes);
double step_seconds(const Costs& costs, const Network& network, int64_t processes, int64_t shards,
                    int64_t batch);
// The smallest batch of P shards with which P processes reach P / 2 times the speed of one.
int64_t batch_of_half_speed(const Costs& costs, const Network& network, int64_t processes);

}  // namespace skiff::scaling
