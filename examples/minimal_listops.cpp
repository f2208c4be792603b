// Trains a small SKI-TNN to evaluate ListOps expressions (Long Range Arena, Tay et al. 2021). This
// page is meant to be read; train_lra.cpp is the tool with every option.
// Run:     build/cpu/lra_data generate listops --out /tmp/listops --train 20000 --val 1000
//              --test 1000 --min-length 4 --max-length 50
//          build/cpu/minimal_listops /tmp/listops
// Expect:  a validation accuracy of about 55 % (the majority class has 15 %) after some 15 seconds
#include <algorithm>
#include <cstdio>

#include "data/batch.h"
#include "data/tasks/listops.h"
#include "layers/model_file.h"
#include "optim/adam.h"
#include "optim/schedule.h"

using namespace skiff;

static double accuracy(const Model& model, const TaskData& data) {
  const EvaluationBatches batches(data, &data.val, /*batch_size=*/64);
  int64_t correct = 0;
  for (int64_t i = 0; i < batches.count(); ++i) {
    const Batch batch = batches[i];
    const std::vector<double> logits = to_vector(model(batch.input, batch.lengths).value());
    for (int64_t b = 0; b < batch.size(); ++b) {
      const auto row = logits.begin() + b * listops::kClasses;
      const auto best = std::max_element(row, row + listops::kClasses) - row;
      correct += best == batch.labels.data<int32_t>()[b];
    }
  }
  return double(correct) / double(data.val.size());
}

int main(int argc, char** argv) try {
  check<UsageError>(argc == 2, "usage: minimal_listops FOLDER");
  const int steps = 1000, batch_size = 32, max_length = 64;

  const TaskData data = listops::load(argv[1], {.max_length = max_length});
  const ModelOptions options{.mixer = "ski",
                             .layers = 2,
                             .dim = 64,
                             .glu_expand = 1,
                             .norm = NormKind::Layer,
                             .ski = {.inducing_points = 16, .filter = 16, .scaled = true}};
  const InputShape shape{.vocab = data.vocab, .classes = data.classes, .max_length = max_length};

  Parameters params(/*seed=*/1);
  // An embedding, 2 x (gated Toeplitz unit, gated linear unit), the mean, a linear layer.
  const Model model(params.root(), options, shape);
  Adam optimizer(params, {.weight_decay = 0.01});
  Batches batches(data, &data.train, batch_size, /*seed=*/1);
  const Schedule schedule{ScheduleKind::Cosine, /*warmup=*/100, /*horizon=*/steps};

  for (int step = 0; step < steps; ++step) {
    const Batch batch = batches.next();
    params.set_step(uint64_t(step));
    params.zero_grad();
    Tape tape;  // records until the end of this scope
    const Variable loss = cross_entropy(model(batch.input, batch.lengths), batch.labels);
    tape.backward(loss);  // consumes the tape
    optimizer.step(2e-3 * schedule(step));
    if ((step + 1) % 100 == 0) std::printf("step %5d | training loss %.4f\n", step + 1, item(loss));
  }
  params.set_training(false);  // no dropout; and no tape: nothing is recorded
  std::printf("validation accuracy %.1f %%, majority class %.1f %%\n", 100 * accuracy(model, data),
              100 * majority_rate(data.val));
  // With its options and vocabulary, so that open_model() needs nothing else.
  save_model("minimal_listops.safetensors", params, {options, shape, "listops", data.vocabulary});
} catch (const skiff::Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return e.exit_code();
}
