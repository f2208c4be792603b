// Training steps: the model of a recipe, random data, Adam.
#include "autograd/ops.h"
#include "examples/bench/cases.h"
#include "examples/train/settings.h"
#include "layers/tnn.h"
#include "optim/adam.h"
#include "optim/clip.h"

namespace skiff::bench {
namespace {

Work training_step(const Recipe& recipe, const TaskShape& task, const ModelChoices& choices,
                   int64_t batch, int64_t n) {
  struct Training {
    Parameters parameters{/*seed=*/1};
    TnnClassifier model;
    Adam optimizer;
    Tensor input, lengths, labels;
    Training(const TnnConfig& config, const Recipe& r)
        : model(parameters.root(), config),
          optimizer(parameters, {.weight_decay = r.weight_decay}) {}
    Variable loss() const { return cross_entropy(model(input, lengths), labels); }
  };
  const auto t = std::make_shared<Training>(model_config(recipe, task, choices), recipe);
  t->input =
      task.vocab > 0 ? random_integers({batch, n}, 1, task.vocab - 1) : random_input({batch, n, 1});
  t->lengths = tensor_of(std::vector<int32_t>(size_t(batch), int32_t(n)), {batch});
  t->labels = random_integers({batch}, 0, task.classes - 1);

  const Counted c = count([&] { return t->loss(); });
  Work work;
  work.gemm_flops = 3 * c.gemm_flops;
  work.copied_bytes = c.forward_bytes + c.backward_bytes;
  work.parameters = t->parameters.trained_count();
  work.run = [t, lr = recipe.lr * 1e-3, clip = recipe.clip] {
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
    Recipe recipe = recipe_named(s.recipe, name);
    const TaskShape task = task_shape(name);
    if (task.vocab > 0 && s.length > 0) recipe.max_length = s.length;
    const int64_t n = task.vocab > 0 ? recipe.max_length : task.max_length;
    for (const auto& [mixer, kind] : {std::pair{"tno", MixerKind::Tno},
                                      {"ski", MixerKind::Ski},
                                      {"fd", MixerKind::Fd},
                                      {"attention", MixerKind::Attention}}) {
      const ModelChoices choices{.mixer = kind};
      cases.push_back({"step",
                       std::string(name) + "-" + mixer,
                       "train",
                       n,
                       s.batch,
                       recipe.dim,
                       [=, B = s.batch] { return training_step(recipe, task, choices, B, n); },
                       {}});
      const auto attention = model_config(recipe, task, choices).attention;
      if (attention && !scores_fit(s.batch, attention->heads, n, recipe.layers))
        cases.back().make = nullptr;
    }
  }
}

}  // namespace skiff::bench
