#include "examples/scaling/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>

#include "autograd/ops.h"
#include "core/processes_virtual.h"
#include "core/random.h"
#include "data/tasks.h"
#include "examples/bench/cases.h"
#include "examples/bench/measure.h"
#include "examples/train/recipes.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/exchange.h"

namespace skiff::scaling {

namespace {

double seconds_of(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Batch {
  Tensor input, lengths, labels;
};

Batch random_batch(const InputShape& shape, int64_t examples) {
  const int64_t n = shape.max_length, rows = shape.pairs ? 2 * examples : examples;
  return {shape.vocab > 0 ? bench::random_integers({rows, n}, 1, shape.vocab - 1)
                          : bench::random_input({rows, n, shape.features}),
          tensor_of(std::vector<int32_t>(size_t(rows), int32_t(n)), {rows}),
          bench::random_integers({examples}, 0, shape.classes - 1)};
}

Tensor gradient(int64_t shard, int64_t numbers) {
  return random_normal({numbers}, DType::Float32, uint64_t(shard + 1));
}

void add_gradients(TreeSum& sum, Range shards, int64_t numbers) {
  for (int64_t s = shards.first; s < shards.end; ++s) sum.add(s, gradient(s, numbers));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), size_t(a.bytes())) == 0;
}

}  // namespace

StepTimes measure_step(const std::string& task, const std::string& recipe, const std::string& mixer,
                       const std::vector<int64_t>& examples, int64_t repeats) {
  Options o = recipe_named(recipe, task).options;
  o.model.mixer = mixer;
  const TaskShape& fixed = task_named(task).shape;
  const int64_t n = fixed.vocab > 0 ? o.data.max_length : fixed.max_length;
  const InputShape shape{fixed.vocab,  fixed.features, fixed.classes, n,
                         fixed.height, fixed.width,    fixed.pairs};
  Parameters parameters(/*seed=*/1);
  const Model model(parameters.root(), o.model, shape);
  Adam adam(parameters, {});
  std::vector<Batch> batches;
  for (const int64_t b : examples) batches.push_back(random_batch(shape, b));
  std::vector<std::vector<double>> shard(examples.size());
  std::vector<double> update;
  for (int64_t round = -1; round < repeats; ++round)  // the first one warms the memory up
    for (size_t i = 0; i < examples.size(); ++i) {
      const double gradients = seconds_of([&] {
        parameters.zero_grad();
        Tape tape;
        tape.backward(
            cross_entropy(model(batches[i].input, batches[i].lengths), batches[i].labels));
      });
      // At a rate of almost 0: the weights shall not move while they are measured.
      const double step = seconds_of(
          [&] { adam.step(1e-12, clip_factor(gradient_norm(parameters), /*limit=*/1)); });
      if (round < 0) continue;
      shard[i].push_back(gradients);
      update.push_back(step);
    }
  StepTimes times{.parameters = parameters.trained_count(),
                  .shard = {},
                  .update = bench::quantile(update, 0.5)};
  for (size_t i = 0; i < examples.size(); ++i)
    times.shard.emplace_back(examples[i], bench::quantile(shard[i], 0.5));
  return times;
}

double measure_exchange(Processes& processes, int64_t shards, int64_t numbers, int64_t repeats) {
  TreeSum sum(shards);
  add_gradients(sum, shards_of(processes.rank(), processes.size(), shards), numbers);
  Exchange exchange(processes, shards);
  std::vector<double> seconds;
  for (int64_t round = -1; round < repeats; ++round) {
    gather(processes, "");  // all begin together
    const double time = seconds_of([&] { exchange(sum); });
    if (round >= 0) seconds.push_back(time);
  }
  return bench::quantile(seconds, 0.5);
}

VirtualRun run_virtually(int64_t processes, int64_t shards, int64_t numbers) {
  VirtualProcesses all{int(processes)};
  std::deque<Exchange> exchanges;
  for (int p = 0; p < all.size(); ++p) {
    TreeSum sum(shards);
    add_gradients(sum, shards_of(p, processes, shards), numbers);
    exchanges.emplace_back(all[p], shards).send_nodes(sum);
  }
  for (Exchange& e : exchanges) e.add_segments();
  TreeSum one(shards);
  add_gradients(one, {0, shards}, numbers);
  VirtualRun run;
  for (int p = 0; p < all.size(); ++p) {
    run.same_bits = same_bits(exchanges[size_t(p)].total(), one.total()) && run.same_bits;
    run.sent += double(all[p].bytes_sent());
    run.formula +=
        exchanged_bytes(p, all.size(), shards, double(numbers) * bytes_of(DType::Float32));
  }
  return run;
}

}  // namespace skiff::scaling
