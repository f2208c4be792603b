#include "examples/scaling/tables.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

namespace skiff::scaling {

void print_assumptions(const Costs& c) {
  std::printf(
      "\ncomputed, not measured: everything below. A process takes %.1f + %.1f b ms for b "
      "examples,\nprocesses do not slow each other down, and a network has per message / "
      "per second:\n",
      c.fixed * 1e3, c.per_example * 1e3);
  for (const Network& n : networks())
    std::printf("  %-9s %4.0f us / %.2f GB\n", n.name, n.latency * 1e6, n.bandwidth / 1e9);
}

namespace {

// A row per number of processes, a cell per network.
void print_table(int64_t first, int64_t last,
                 const std::function<std::string(int64_t, const Network&)>& cell) {
  std::printf("processes");
  for (const Network& n : networks()) std::printf(" %16s", n.name);
  for (int64_t P = first; P <= last; P *= 2) {
    std::printf("\n%9lld", (long long)P);
    for (const Network& n : networks()) std::printf(" %16s", cell(P, n).c_str());
  }
  std::printf("\n");
}

}  // namespace

void print_speed_up(const Costs& c, int64_t shards, int64_t batch, int64_t first) {
  std::printf(
      "\nbatch %lld in %lld shards: times the speed of one process (share of the exchange)\n",
      (long long)batch, (long long)shards);
  print_table(first, std::min<int64_t>(1024, shards), [&](int64_t P, const Network& n) {
    const double step = step_seconds(c, n, P, shards, batch);
    char text[40];
    std::snprintf(text, sizeof text, "%.1f (%2.0f %%)", step_seconds(c, n, 1, shards, batch) / step,
                  100 * exchange_seconds(n, P, shards, c.gradient_bytes) / step);
    return std::string(text);
  });
}

void print_hours(const Costs& c, int64_t shards, int64_t batch, int64_t steps) {
  std::printf("\nhours of %lld steps, validations and tests left out\n", (long long)steps);
  print_table(1, std::min<int64_t>(1024, shards), [&](int64_t P, const Network& n) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f",
                  double(steps) * step_seconds(c, n, P, shards, batch) / 3600);
    return std::string(text);
  });
}

void print_smallest_batches(const Costs& c) {
  std::printf("\nthe smallest batch with which P processes are P / 2 times as fast\n");
  print_table(2, 1024, [&](int64_t P, const Network& n) {
    return std::to_string(batch_of_half_speed(c, n, P));
  });
}

}  // namespace skiff::scaling
