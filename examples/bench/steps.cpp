// Training steps: the model of a recipe, random data, Adam.
#include "autograd/ops.h"
#include "data/tasks.h"
#include "examples/bench/cases.h"
#include "examples/train/recipes.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"

namespace skiff::bench {
namespace {

struct Training {
  Parameters parameters{/*seed=*/1};
  Model model;
  Adam optimizer;
  Tensor input, lengths, labels;
  Training(const Options& o, const InputShape& shape, int64_t batch, int64_t n)
      : model(parameters.root(), o.model, shape),
        optimizer(parameters, {.weight_decay = o.train.weight_decay}),
        input(shape.vocab > 0 ? random_integers({batch, n}, 1, shape.vocab - 1)
                              : random_input({batch, n, shape.features})),
        lengths(tensor_of(std::vector<int32_t>(size_t(batch), int32_t(n)), {batch})),
        labels(random_integers({batch}, 0, shape.classes - 1)) {}
  Variable loss() const { return cross_entropy(model(input, lengths), labels); }
};

Work training_step(const Options& o, const InputShape& shape, int64_t batch, int64_t n) {
  const auto t = std::make_shared<Training>(o, shape, batch, n);
  const Counted c = count([&] { return t->loss(); });
  Work work;
  work.gemm_flops = 3 * c.gemm_flops;
  work.copied_bytes = c.forward_bytes + c.backward_bytes;
  work.parameters = t->parameters.trained_count();
  work.run = [t, lr = o.train.lr * 1e-3, clip = o.train.clip] {
    t->parameters.zero_grad();
    {
      Tape tape;
      tape.backward(t->loss());
    }
    t->optimizer.step(lr, clip_factor(gradient_norm(t->parameters), clip));
  };
  return work;
}

}  // namespace

void add_steps(std::vector<Case>& cases, const Sizes& s) {
  for (const char* name : {"listops", "text", "image"}) {
    const TaskShape& task = task_named(name).shape;
    Options o = recipe_named(s.recipe, name).options;
    if (task.vocab > 0 && s.length > 0) o.data.max_length = s.length;
    const int64_t n = task.vocab > 0 ? o.data.max_length : task.max_length;
    const InputShape shape{task.vocab,  task.features, task.classes, n,
                           task.height, task.width,    task.pairs};
    for (const MixerEntry& mixer : mixers()) {
      o.model.mixer = mixer.name;
      cases.push_back({"step", std::string(name) + "-" + mixer.name, "train", n, s.batch,
                       o.model.dim, [=, B = s.batch] { return training_step(o, shape, B, n); }});
      const bool attention = mixer.make == nullptr;
      if (attention &&
          !scores_fit(s.batch, heads_of(o.model.attention, o.model.inner()), n, o.model.layers))
        cases.back().make = nullptr;
    }
  }
}

}  // namespace skiff::bench
