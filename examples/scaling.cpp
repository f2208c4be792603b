// How much faster a step of data-parallel training would be with more processes: measures the step
// of one process here and computes the rest by a model of its cost (examples/scaling/cost.h).
// Run:     build/cpu/scaling --task listops --recipe paper --mixer ski --batch-size 64 --shards 64
//          mpirun -n 2 build/cpu-mpi/scaling ..     measures the exchange of these processes, too
//          build/cpu/scaling --virtual 100 --shards 256     tries the exchange itself
// Expect:  the measured times, then tables for 1 to 1024 processes at 1, 10 and 100 Gb/s. What is
//          computed is called so.
#include <omp.h>

#include <cstdio>

#include "core/processes.h"
#include "data/tasks.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/scaling/cost.h"
#include "examples/scaling/measure.h"
#include "examples/scaling/tables.h"
#include "layers/mixers.h"

using namespace skiff;
using namespace skiff::scaling;

namespace {

struct ScalingOptions {
  std::string task = "listops", recipe = "paper", mixer = "ski";
  int64_t batch_size = 64, shards = 64, threads = 1, repeats = 5, steps = 0, virtual_processes = 0;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "task", .help = "Task", .words = [] { return names_of(tasks()); }}, o.task);
    field({.name = "recipe", .help = "Recipe of train_lra, as its --list shows them"}, o.recipe);
    field({.name = "mixer", .help = "Mixer", .words = mixer_names}, o.mixer);
    field({.name = "batch-size", .help = "Examples per step", .low = 1, .high = 1e6}, o.batch_size);
    field({.name = "shards", .help = "Parts of a batch, as in train_lra", .low = 1, .high = 1e5},
          o.shards);
    field({.name = "threads", .help = "Threads of a process", .low = 1, .high = 4096}, o.threads);
    field({.name = "repeats", .help = "Rounds of each measurement", .low = 1, .high = 1e6},
          o.repeats);
    field({.name = "steps",
           .help = "Steps of a run whose hours are computed as well; 0: no hours",
           .low = 0,
           .high = 1e15},
          o.steps);
    field({.name = "virtual",
           .help = "Run the exchange with this many processes in memory, and nothing else",
           .low = 0,
           .high = 1024},
          o.virtual_processes);
  }
};

int try_virtually(int64_t processes, int64_t shards) {
  const int64_t numbers = (int64_t(1) << 23) / processes;  // 32 MB of float32 in all
  const VirtualRun run = run_virtually(processes, shards, numbers);
  std::printf("%lld virtual processes, %lld shards, gradients of %lld random numbers: %s\n",
              (long long)processes, (long long)shards, (long long)numbers,
              run.same_bits ? "the bits of one process" : "OTHER BITS than one process");
  std::printf("sent by all: %.2f MB; by the formula: %.2f MB\n", run.sent / 1e6, run.formula / 1e6);
  return run.same_bits ? 0 : 1;
}

Costs costs_of(const StepTimes& times) {
  const auto [small, fast] = times.shard.front();
  const auto [large, slow] = times.shard.back();
  const double each = std::max((slow - fast) / double(large - small), 1e-9);
  return {.fixed = std::max(0.0, fast - each * double(small)),
          .per_example = each,
          .update = times.update,
          .gradient_bytes = double(times.parameters) * bytes_of(DType::Float32)};
}

void print_measured(const ScalingOptions& o, const StepTimes& times, double exchange) {
  std::printf("%s, recipe %s, %s: %lld parameters, a gradient of %.2f MB\n", o.task.c_str(),
              o.recipe.c_str(), o.mixer.c_str(), (long long)times.parameters,
              double(times.parameters) * 4 / 1e6);
  std::printf("measured here, threads: %lld, median of %lld:\n", (long long)o.threads,
              (long long)o.repeats);
  for (const auto& [examples, seconds] : times.shard)
    std::printf("  forward and backward, examples: %lld    %8.1f ms\n", (long long)examples,
                seconds * 1e3);
  std::printf("  norm of the gradient and Adam         %8.1f ms\n", times.update * 1e3);
  if (exchange > 0)
    std::printf("  exchange between these %d processes    %8.2f ms\n", processes().size(),
                exchange * 1e3);
}

int run(const ScalingOptions& o) {
  if (o.virtual_processes > 0) return try_virtually(o.virtual_processes, o.shards);
  check<UsageError>(o.shards <= o.batch_size, "--shards: at most one per example, got ", o.shards,
                    " for ", o.batch_size);
  omp_set_num_threads(int(o.threads));
  const StepTimes times = measure_step(o.task, o.recipe, o.mixer, {1, 2, 4}, o.repeats);
  Processes& all = processes();
  const double exchange =
      all.size() > 1 ? measure_exchange(all, o.shards, times.parameters, 4 * o.repeats) : 0;
  if (all.rank() > 0) return 0;
  print_measured(o, times, exchange);
  const Costs costs = costs_of(times);
  print_assumptions(costs);
  print_speed_up(costs, o.shards, o.batch_size, 1);
  if (o.steps > 0) print_hours(costs, o.shards, o.batch_size, o.steps);
  if (o.shards < 1024) print_speed_up(costs, 1024, 1024, 64);
  print_smallest_batches(costs);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ScalingOptions o;
  Flags flags("Computes what more processes would bring, from what is measured here.", "scaling");
  flags.add(o);
  flags.footer("Example:\n  scaling --task image --recipe paper --mixer tno --batch-size 64");
  return run_program(argc, argv, flags, [&] { return run(o); });
}
