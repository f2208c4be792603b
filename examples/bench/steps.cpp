// Training steps: the model of a recipe, random data, Adam.
#include <optional>

#include "autograd/ops.h"
#include "data/tasks.h"
#include "examples/bench/cases.h"
#include "examples/language/recipes.h"
#include "examples/train/recipes.h"
#include "layers/language_model.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"

namespace skiff::bench {
namespace {

// At the rate of the recipe the weights would move while they are measured.
constexpr double kShareOfRate = 1e-3;

struct Training {
  Parameters parameters{/*seed=*/1};
  std::function<Variable()> loss;  // of one batch; owns the model
  std::optional<Adam> optimizer;
  double lr = 0, clip = 0;
  void update_by(const TrainOptions& o, AdamOptions adam) {
    adam.weight_decay = o.weight_decay;
    optimizer.emplace(parameters, adam);
    lr = kShareOfRate * o.lr;
    clip = o.clip;
  }
};
using SharedTraining = std::shared_ptr<Training>;

SharedTraining classifier(const Options& o, const InputShape& shape, int64_t batch, int64_t n) {
  const auto t = std::make_shared<Training>();
  const auto model = std::make_shared<Model>(t->parameters.root(), o.model, shape);
  const Tensor input = shape.vocab > 0 ? random_integers({batch, n}, 1, shape.vocab - 1)
                                       : random_input({batch, n, shape.features});
  const Tensor lengths = tensor_of(std::vector<int32_t>(size_t(batch), int32_t(n)), {batch});
  const Tensor labels = random_integers({batch}, 0, shape.classes - 1);
  t->loss = [=] { return cross_entropy((*model)(input, lengths), labels); };
  t->update_by(o.train, {});
  return t;
}

SharedTraining language_model(const LmOptions& o, int64_t vocab, int64_t batch, int64_t n) {
  const auto t = std::make_shared<Training>();
  const auto model =
      std::make_shared<LanguageModel>(t->parameters.root(), o.model_options(), o.language,
                                      InputShape{.vocab = vocab, .max_length = n});
  const Tensor tokens = random_integers({batch, n}, 0, vocab - 1);
  const Tensor targets = random_integers({batch, n}, 0, vocab - 1);
  t->loss = [=] { return model->loss(tokens, targets); };
  t->update_by(o.train, {.beta1 = o.train.beta1, .beta2 = o.train.beta2, .eps = o.train.eps});
  return t;
}

Work training_step(const SharedTraining& t) {
  const Counted c = count(t->loss);
  Work work;
  work.gemm_flops = 3 * c.gemm_flops;
  work.copied_bytes = c.forward_bytes + c.backward_bytes;
  work.parameters = t->parameters.trained_count();
  work.run = [t] {
    t->parameters.zero_grad();
    {
      Tape tape;
      tape.backward(t->loss());
    }
    t->optimizer->step(t->lr, clip_factor(gradient_norm(t->parameters), t->clip));
  };
  return work;
}

void add_step(std::vector<Case>& cases, const std::string& name, const std::string& recipe,
              int64_t n, int64_t batch, const ModelOptions& model,
              const std::function<SharedTraining()>& make) {
  Case c{"step", name, "train", n, batch, model.dim, [=] { return training_step(make()); }};
  c.recipe = recipe;
  const bool attention = mixer_named(model.mixer).make == nullptr;
  if (attention &&
      !attention_ends_soon(batch, heads_of(model.attention, model.inner()), n, model.layers))
    c.make = nullptr;
  cases.push_back(c);
}

// The options of a causal language model, per mixer; fd also without a network.
std::vector<LmOptions> language_mixers(const std::string& recipe) {
  std::vector<LmOptions> all;
  for (const MixerEntry& mixer : mixers()) {
    LmOptions chosen;
    chosen.model.mixer = mixer.name;
    chosen.train.recipe = recipe;
    all.push_back(recipe_of(chosen));
    if (all.back().model.mixer != "fd") continue;
    all.push_back(all.back());
    all.back().model.fd.points = 64;
  }
  return all;
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
      add_step(cases, std::string(name) + "-" + mixer.name, s.recipe, n, s.batch, o.model,
               [=, B = s.batch] { return classifier(o, shape, B, n); });
    }
  }
}

// As many tokens per step in 16 times longer windows show what the length alone costs.
void add_language_steps(std::vector<Case>& cases, const LanguageSizes& s) {
  constexpr int64_t kLonger = 16, kCharacters = 65;  // of tinyshakespeare
  for (const int64_t longer : {int64_t(1), kLonger})
    for (const LmOptions& o : language_mixers(s.recipe)) {
      const int64_t n = s.length * longer, batch = s.batch / longer;
      add_step(cases, (longer > 1 ? "lm-long-" : "lm-") + o.mixer_name(), s.recipe, n, batch,
               o.model, [=] { return language_model(o, kCharacters, batch, n); });
    }
}

}  // namespace skiff::bench
