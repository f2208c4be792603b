#include "examples/bench/epoch.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "autograd/ops.h"
#include "core/check.h"
#include "core/io/safetensors.h"
#include "core/memory.h"
#include "data/batch.h"
#include "data/split.h"
#include "data/tasks.h"
#include "examples/bench/measure.h"
#include "examples/bench/options.h"
#include "examples/train/open_run.h"
#include "examples/train/recipes.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"

namespace skiff::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Epoch {
  Order order;
  int64_t batches = 0, tokens = 0, positions = 0;
  std::vector<Batch> measured;  // by length
};

int64_t length_of(const Batch& batch) { return batch.input.size(1); }

int64_t tokens_of(const Batch& batch) {
  const int32_t* lengths = batch.lengths.data<int32_t>();
  return std::accumulate(lengths, lengths + batch.lengths.size(), int64_t{0});
}

Epoch epoch_of(const TaskData& data, Order order, int64_t batch_size, int64_t measured) {
  Batches batches(data, &data.train, batch_size, /*seed=*/1,
                  {.bucket_by_length = order == Order::Bucketed});
  Epoch epoch{.order = order, .batches = batches.batches_per_epoch()};
  std::vector<std::pair<int64_t, int64_t>> by_length;  // length and number of a batch
  for (int64_t i = 0; i < epoch.batches; ++i) {
    const Batch batch = batches.next();
    epoch.tokens += tokens_of(batch);
    epoch.positions += batch.input.size(0) * length_of(batch);
    by_length.emplace_back(length_of(batch), i);
  }
  std::sort(by_length.begin(), by_length.end());
  const int64_t groups = measured > 0 ? std::min(measured, epoch.batches) : epoch.batches;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t middle = (2 * g + 1) * epoch.batches / (2 * groups);
    batches.set_position(by_length[size_t(middle)].second);
    epoch.measured.push_back(batches.next());
  }
  return epoch;
}

// A model and its optimiser, trained by one batch at a time.
class Trainee {
 public:
  Trainee(const Options& options, const InputShape& shape)
      : model_(parameters_.root(), options.model, shape),
        optimizer_(parameters_, {.weight_decay = options.train.weight_decay}),
        lr_(1e-3 * options.train.lr),  // the weights stay near their first values
        clip_(options.train.clip) {}

  void step(const Batch& batch) {
    parameters_.zero_grad();
    {
      Tape tape;
      tape.backward(cross_entropy(model_(batch.input, batch.lengths), batch.labels));
    }
    optimizer_.step(lr_, clip_factor(gradient_norm(parameters_), clip_));
  }
  int64_t parameters() const { return parameters_.trained_count(); }

 private:
  Parameters parameters_{/*seed=*/1};
  Model model_;
  Adam optimizer_;
  double lr_, clip_;
};

// Seconds of the epoch, from the batches that stand for their groups.
double measure(Trainee& trainee, const Epoch& epoch) {
  trainee.step(epoch.measured.front());
  const Clock::time_point start = Clock::now();
  for (const Batch& batch : epoch.measured) trainee.step(batch);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return seconds * double(epoch.batches) / double(epoch.measured.size());
}

void save_batches(const std::string& path, const Epoch& epoch) {
  std::vector<safetensors::Entry> entries;
  for (size_t i = 0; i < epoch.measured.size(); ++i) {
    const std::string number = std::to_string(i);
    const Batch& batch = epoch.measured[i];
    entries.push_back({number + ".tokens", batch.input});
    entries.push_back({number + ".lengths", batch.lengths});
    entries.push_back({number + ".labels", batch.labels});
  }
  safetensors::write(path, entries,
                     {{"batches", std::to_string(epoch.batches)},
                      {"measured", std::to_string(epoch.measured.size())},
                      {"tokens", std::to_string(epoch.tokens)},
                      {"positions", std::to_string(epoch.positions)}});
}

}  // namespace

const char* word_for(Order order) { return order == Order::Shuffled ? "shuffled" : "bucketed"; }

double EpochCost::median() const { return quantile(seconds, 0.5); }

std::vector<EpochCost> measure_epoch(const EpochSizes& sizes, int64_t rounds,
                                     const std::string& save,
                                     const std::function<void(const std::string&)>& say) {
  check_word("epoch", sizes.task, names_of(tasks()));
  Options options = recipe_named(sizes.recipe, sizes.task).options;
  options.data.folder = data_folder(sizes.folder);
  if (sizes.max_length > 0) options.data.max_length = sizes.max_length;
  if (sizes.batch > 0) options.train.batch_size = sizes.batch;
  const std::vector<std::string> names = words_of(sizes.mixers, "mixers");
  for (const std::string& name : names) check_word("mixers", name, mixer_words());
  say("reading " + sizes.task + " from '" + options.data.folder + "'");
  TaskData data = task_named(sizes.task).load(options.data);
  check<UsageError>(!data.images() && !data.pairs, "--epoch: '", sizes.task,
                    "' has examples of one length or pairs of them; it takes texts and "
                    "expressions, such as listops");
  if (sizes.examples > 0) data.train = balanced_subset(data.train, sizes.examples, /*seed=*/1);
  check<UsageError>(int64_t(data.train.size()) >= options.train.batch_size,
                    "--epoch: ", data.train.size(), " examples make no batch of ",
                    options.train.batch_size);
  std::vector<Epoch> epochs;
  for (const Order order : {Order::Shuffled, Order::Bucketed})
    epochs.push_back(epoch_of(data, order, options.train.batch_size, sizes.batches));
  if (!save.empty()) save_batches(save, epochs.front());

  std::vector<EpochCost> costs;
  for (const std::string& mixer : names)
    for (const Epoch& epoch : epochs)
      costs.push_back({sizes.task, sizes.recipe, mixer, epoch.order, int64_t(data.train.size()),
                       epoch.batches, int64_t(epoch.measured.size()), epoch.tokens,
                       epoch.positions});
  const InputShape shape = input_shape(data, options.data.max_length);
  for (int64_t round = 0; round < rounds; ++round)
    for (size_t i = 0; i < costs.size(); ++i) {
      EpochCost& cost = costs[i];
      say("round " + std::to_string(round + 1) + " of " + std::to_string(rounds) + ": " +
          cost.mixer + ", " + word_for(cost.order));
      options.model.mixer = cost.mixer;
      Trainee trainee(options, shape);
      memory::reset_peak(Device::CPU);
      const int64_t before = memory::stats(Device::CPU).live;
      cost.seconds.push_back(measure(trainee, epochs[i % epochs.size()]));
      cost.peak_bytes = memory::stats(Device::CPU).peak - before;
      cost.parameters = trainee.parameters();
    }
  return costs;
}

std::string table_of(const std::vector<EpochCost>& costs) {
  const EpochCost& first = costs.front();
  char line[200];
  std::snprintf(line, sizeof line,
                "an epoch of %lld examples of %s, recipe %s, %zu rounds, %lld of %lld batches "
                "measured\n",
                (long long)first.examples, first.task.c_str(), first.recipe.c_str(),
                first.seconds.size(), (long long)first.measured, (long long)first.batches);
  std::string table = line;
  std::snprintf(line, sizeof line, "%-10s %-9s %9s %17s %12s %9s %9s\n", "mixer", "batches",
                "seconds", "min .. max", "tokens/s", "padding", "peak MB");
  table += line;
  for (const EpochCost& c : costs) {
    char spread[40];
    std::snprintf(spread, sizeof spread, "%.1f .. %.1f", quantile(c.seconds, 0),
                  quantile(c.seconds, 1));
    std::snprintf(line, sizeof line, "%-10s %-9s %9.1f %17s %12.0f %7.0f %% %9.0f\n",
                  c.mixer.c_str(), word_for(c.order), c.median(), spread,
                  double(c.tokens) / c.median(), 100 * c.padding(), double(c.peak_bytes) / 1e6);
    table += line;
  }
  return table + "tokens: without padding\n";
}

std::string json_line(const EpochCost& c) {
  return nlohmann::ordered_json{{"kind", "epoch"},
                                {"name", c.task + "-" + c.mixer},
                                {"recipe", c.recipe},
                                {"batches", word_for(c.order)},
                                {"threads", omp_get_max_threads()},
                                {"examples", c.examples},
                                {"steps", c.batches},
                                {"measured", c.measured},
                                {"tokens", c.tokens},
                                {"positions", c.positions},
                                {"parameters", c.parameters},
                                {"median_s", c.median()},
                                {"min_s", quantile(c.seconds, 0)},
                                {"max_s", quantile(c.seconds, 1)},
                                {"peak_tensor_bytes", c.peak_bytes}}
      .dump();
}

}  // namespace skiff::bench
