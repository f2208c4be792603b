#include "examples/scaling/cost.h"

#include <algorithm>
#include <cmath>

#include "optim/exchange.h"

namespace skiff::scaling {

std::span<const Network> networks() {
  static constexpr Network kNetworks[] = {
      {"1 Gb/s", 35e-6, 118e6}, {"10 Gb/s", 20e-6, 1.18e9}, {"100 Gb/s", 2e-6, 11.8e9}};
  return kNetworks;
}

double exchange_seconds(const Network& network, int64_t processes, int64_t shards,
                        double gradient_bytes) {
  double most = 0;  // bytes that one process sends
  for (int64_t p = 0; p < processes; ++p)
    most = std::max(most, exchanged_bytes(int(p), int(processes), shards, gradient_bytes));
  return 2 * double(processes - 1) * network.latency + most / network.bandwidth;
}

double step_seconds(const Costs& costs, const Network& network, int64_t processes, int64_t shards,
                    int64_t batch) {
  const auto rounds = double((shards + processes - 1) / processes);
  return rounds * costs.shard(double(batch) / double(shards)) + costs.update +
         exchange_seconds(network, processes, shards, costs.gradient_bytes);
}

// With a shard per process, one process takes P t(b) + u. That is P / 2 times as long as T(P) if
//   P t + u >= P / 2 (t + u + x),  so  t >= u (1 - 2 / P) + x.
int64_t batch_of_half_speed(const Costs& costs, const Network& network, int64_t processes) {
  const auto P = double(processes);
  const double t = costs.update * (1 - 2 / P) +
                   exchange_seconds(network, processes, processes, costs.gradient_bytes);
  const double examples = std::ceil((t - costs.fixed) / costs.per_example);
  return processes * std::max<int64_t>(1, int64_t(examples));
}

}  // namespace skiff::scaling
