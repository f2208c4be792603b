#include "examples/language/recipes.h"

#include <cstdio>

#include "layers/language_model.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

// What every mixer has in common, whatever the size.
LmOptions base_of(const LmOptions& chosen) {
  LmOptions o;
  static_cast<ModelOptions&>(o.model) = language_model_options(chosen.model.mixer);
  o.train.recipe = chosen.train.recipe;
  o.train.objective = chosen.train.objective;
  return o;
}

// Our own recipes: the optimizer of nanoGPT's character models, and kernels of one hidden layer.
struct OwnRecipe {
  const char* name;
  int64_t layers, dim, length, batch, steps;
  double lr, dropout = 0;
};
constexpr OwnRecipe kOwn[] = {
    {.name = "demo", .layers = 2, .dim = 64, .length = 128, .batch = 32, .steps = 1000, .lr = 2e-3},
    {.name = "tiny",
     .layers = 4,
     .dim = 128,
     .length = 128,
     .batch = 32,
     .steps = 3000,
     .lr = 2e-3,
     .dropout = 0.1},
    {.name = "small",
     .layers = 6,
     .dim = 128,
     .length = 256,
     .batch = 64,
     .steps = 2000,
     .lr = 2e-3,
     .dropout = 0.2},
};

LmOptions own(const OwnRecipe& r, LmOptions o) {
  o.model.layers = r.layers;
  o.model.dim = r.dim;
  o.model.dropout = r.dropout;
  o.model.encoder_dropout = r.dropout;
  o.windows.length = r.length;
  o.train.batch_size = r.batch;
  o.train.steps = r.steps;
  o.train.lr = r.lr;
  o.train.warmup = 100;
  o.train.lr_end = 0.1;
  o.train.weight_decay = 0.1;
  o.train.clip = 1;
  return o;
}

// Published for both objectives.
LmOptions published(LmOptions o) {
  const bool fd = o.model.mixer == "fd";
  o.model.kernel.rpe.width = 64;
  o.model.kernel.rpe.layers = fd ? 3 : 6;
  o.model.ski.inducing_points = 32;
  o.model.ski.warp = Warp::Gamma;
  o.model.ski.scaled = false;
  o.model.dropout = 0.1;
  o.model.glu_dropout = false;
  o.model.encoder_dropout = 0.1;
  o.model.checkpoint_activations = true;
  o.train.steps = 50000;
  o.train.beta2 = 0.98;
  o.train.weight_decay = 0.2;
  o.train.decaying = Decaying::All;
  o.train.clip = 1;
  o.train.seed = 1000;
  return o;
}

LmOptions published_causal(LmOptions o) {
  o.model.layers = 7;
  o.model.dim = 512;
  o.model.start = Start::Default;
  o.language.scale_embedding = true;
  o.windows.length = 512;
  o.train.batch_size = 128;
  o.train.lr = o.model.mixer == "fd" ? 1e-3 : 5e-4;
  o.train.schedule = ScheduleKind::InverseSqrt;
  o.train.warmup = 4000;
  o.train.lr_start = 1e-7 / o.train.lr;
  return o;
}

LmOptions published_masked(LmOptions o) {
  o.model.layers = 12;
  o.model.dim = 768;
  o.model.postnorm = true;
  o.language.embedding_norm = NormKind::Layer;
  o.windows.length = 512;
  o.train.batch_size = 512;
  o.train.eps = 1e-6;
  o.train.lr = 5e-4;
  o.train.schedule = ScheduleKind::Polynomial;
  o.train.warmup = 3000;
  return o;
}

}  // namespace

LmOptions recipe_of(const LmOptions& chosen) {
  mixer_named(chosen.model.mixer);  // an unknown mixer gets its own message
  const std::string& name = chosen.train.recipe;
  const LmOptions base = base_of(chosen);
  std::vector<std::string> names;
  for (const OwnRecipe& r : kOwn) {
    if (name == r.name) return own(r, base);
    names.push_back(r.name);
  }
  names.push_back("paper");
  if (name == "paper")
    return base.masked() ? published_masked(published(base)) : published_causal(published(base));
  fail<UsageError>("--recipe: must be demo, tiny, small or paper, got '", name, "'",
                   suggestion(name, names));
}

void print_lm_recipes() {
  std::printf("%-7s %-9s %6s %5s %7s %6s %7s %8s %8s %12s\n", "recipe", "objective", "layers",
              "dim", "length", "batch", "steps", "lr", "dropout", "tokens");
  for (const auto objective : {LanguageObjective::Causal, LanguageObjective::Masked}) {
    for (const char* name : {"demo", "tiny", "small", "paper"}) {
      LmOptions chosen;
      chosen.model.mixer = "tno";
      chosen.train.recipe = name;
      chosen.train.objective = objective;
      const LmOptions o = recipe_of(chosen);
      std::printf("%-7s %-9s %6lld %5lld %7lld %6lld %7lld %8g %8g %12lld\n", name,
                  word_for(objective), (long long)o.model.layers, (long long)o.model.dim,
                  (long long)o.windows.length, (long long)o.train.batch_size,
                  (long long)o.train.steps, o.train.lr, o.model.dropout,
                  (long long)(o.train.steps * o.train.batch_size * o.windows.length));
    }
  }
  std::printf("mixers:");
  for (const std::string& mixer : mixer_names()) std::printf(" %s", mixer.c_str());
  std::printf(", and fd with --fd-points 128, which has no network\n");
}

}  // namespace skiff
