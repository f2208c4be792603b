// Language models: published sizes, the loss before training, names, losses, files, training.
#include "layers/model_file.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/support/folder.h"
#include "tests/support/language_models.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

int64_t parameters_of(const ModelOptions& o, const LanguageOptions& l, int64_t vocab) {
  Parameters store(1);
  const LanguageModel model(store.root(), o, l, {.vocab = vocab, .max_length = 512});
  return store.trained_count();
}
// The count is linear in the layers and the vocabulary: large models need not exist to be counted.
int64_t extrapolated(ModelOptions o, const LanguageOptions& l, int64_t vocab) {
  const int64_t layers = o.layers;
  o.layers = 1;
  const int64_t one = parameters_of(o, l, 1), word = parameters_of(o, l, 2) - one;
  o.layers = 2;
  const int64_t layer = parameters_of(o, l, 1) - one;
  return one + (layers - 1) * layer + (vocab - 1) * word;
}

ModelOptions sized(const char* mixer, int64_t dim, int64_t layers, int64_t width,
                   int64_t rpe_layers) {
  ModelOptions o = language_model_options(mixer);
  o.dim = dim;
  o.layers = layers;
  o.kernel.rpe.width = width;
  o.kernel.rpe.layers = rpe_layers;
  o.start = Start::Default;
  return o;
}

}  // namespace

namespace {
struct Sizes {
  const char* name;
  int64_t vocab, dim, layers, width, rpe_layers;
  int64_t network, ski, untied;  // parameters with tno or fd, with ski; a head of its own adds
};
void check_counts(const Sizes& sizes) {
  CAPTURE(std::string(sizes.name));
  const auto count = [&](const char* mixer, bool tied) {
    return extrapolated(sized(mixer, sizes.dim, sizes.layers, sizes.width, sizes.rpe_layers),
                        {.tied = tied}, sizes.vocab);
  };
  CHECK(count("tno", true) == sizes.network);
  CHECK(count("fd", true) == sizes.network);
  CHECK(count("ski", true) == sizes.ski);
  CHECK(count("tno", false) == sizes.network + sizes.untied);
}
}  // namespace

TEST_CASE("language model: parameter counts are those of the formulas, for every small size") {
  check_counts({"demo", 65, 64, 2, 32, 1, 118784, 131904, 4160});
  check_counts({"tiny", 65, 128, 4, 32, 1, 855296, 912256, 8320});
  check_counts({"small", 65, 128, 6, 32, 1, 1278656, 1364096, 8320});
  check_counts({"small, bytes", 256, 128, 6, 32, 1, 1303104, 1388544, 32768});
  check_counts({"words, WikiText-2", 33278, 128, 4, 32, 1, 5106560, 5163520, 4259584});
  CHECK(parameters_of(sized("tno", 128, 4, 32, 1), {}, 65) == 855296);
  CHECK(parameters_of(sized("ski", 64, 2, 32, 1), {.tied = false}, 65) == 131904 + 4160);
}

TEST_CASE("slow: language model: parameter counts of large causal models, published ones too") {
  check_counts({"nanoGPT size", 65, 384, 6, 48, 1, 11018976, 11170176, 24960});
  check_counts({"published", 50264, 512, 7, 64, 6, 48666624, 48577024, 25735168});
  CHECK(extrapolated(sized("fd", 512, 7, 64, 3), {}, 50264) == 48579264);
  CHECK(extrapolated(sized("fd", 512, 7, 64, 0), {}, 50264) == 48491904);
}

TEST_CASE("slow: language model: parameter counts of masked models are those of the formulas") {
  const LanguageOptions language{.embedding_norm = NormKind::Layer};
  const auto count = [&](const char* mixer, int64_t rpe_layers) {
    ModelOptions o = sized(mixer, 768, 12, 64, rpe_layers);
    o.postnorm = true;
    o.kernel.causal = false;
    o.ski.inducing_points = 32;
    return extrapolated(o, language, 50265);
  };
  CHECK(count("tno", 6) == 126372441);
  CHECK(count("tno", 3) == 126222681);
  CHECK(count("fd", 6) == 128169561);
  CHECK(count("fd", 3) == 128019801);
  CHECK(count("ski", 3) == 126513753);
}

TEST_CASE("language model: parameters have the names of the parts, and (B, n) gives (B, n, V)") {
  ModelOptions o = causal_mixers()[0];
  const auto ends_of = [](const Parameters& store) {  // names that are not of a block
    std::map<std::string, Shape> names;
    for (const Parameter& p : store.all())
      if (!p.name.starts_with("layers.0.")) names[p.name] = p.variable.shape();
    return names;
  };
  const Tensor tokens = tokens_below(7, {2, 5}, 1);
  Parameters tied(1), untied(1), masked(1);
  const LanguageModel model(tied.root(), o, {}, {.vocab = 7, .max_length = 5});
  CHECK(model.logits(model.features(tokens)).shape() == Shape{2, 5, 7});
  CHECK(ends_of(tied) == std::map<std::string, Shape>{{"embedding.weight", {7, 12}},
                                                      {"norm.weight", {12}},
                                                      {"norm.bias", {12}}});
  const LanguageModel other(untied.root(), o, {.tied = false}, {.vocab = 7, .max_length = 5});
  CHECK(other.logits(other.features(tokens)).shape() == Shape{2, 5, 7});
  CHECK(ends_of(untied) == std::map<std::string, Shape>{{"embedding.weight", {7, 12}},
                                                        {"norm.weight", {12}},
                                                        {"norm.bias", {12}},
                                                        {"head.weight", {7, 12}}});
  o.kernel.causal = false;
  o.postnorm = true;
  const LanguageModel both(masked.root(), o, {.embedding_norm = NormKind::Layer},
                           {.vocab = 7, .max_length = 5});
  CHECK(both.logits(both.features(tokens)).shape() == Shape{2, 5, 7});
  CHECK(ends_of(masked) == std::map<std::string, Shape>{{"embedding.weight", {7, 12}},
                                                        {"embedding_norm.weight", {12}},
                                                        {"embedding_norm.bias", {12}},
                                                        {"head.dense.weight", {12, 12}},
                                                        {"head.dense.bias", {12}},
                                                        {"head.layer_norm.weight", {12}},
                                                        {"head.layer_norm.bias", {12}},
                                                        {"head.bias", {7}}});
}

TEST_CASE("language model: the gradient of a tied matrix is the sum of both uses") {
  for (const bool scaled : {false, true}) {
    Parameters store(5, DType::Float64);
    ModelOptions o = causal_mixers()[1];
    o.start = Start::Default;
    const LanguageModel model(store.root(), o, {.scale_embedding = scaled},
                              {.vocab = 6, .max_length = 7});
    const Tensor tokens = tokens_below(6, {2, 7}, 1), targets = tokens_below(6, {2, 7}, 2);
    {
      Tape tape;
      tape.backward(model.loss(tokens, targets));
    }
    const std::vector<double> g = to_vector(model.head.grad());
    Tensor E = model.head.value();
    double* e = E.data<double>();
    for (int64_t i = 0; i < E.size(); i += 7) {
      const double before = e[i], h = 1e-6;
      e[i] = before + h;
      const double up = item(model.loss(tokens, targets));
      e[i] = before - h;
      const double down = item(model.loss(tokens, targets));
      e[i] = before;
      CHECK(std::abs((up - down) / (2 * h) - g[size_t(i)]) < 1e-7);
    }
  }
}

TEST_CASE("language model: with the final norm at 0 the loss is ln V") {
  for (const bool tied : {true, false}) {
    Parameters store(1, DType::Float64);
    const LanguageModel model(store.root(), causal_mixers()[0], {.tied = tied},
                              {.vocab = 33, .max_length = 9});
    for (const char* name : {"norm.weight", "norm.bias"}) {
      Tensor x = store.find(name)->variable.value();
      std::fill(x.data<double>(), x.data<double>() + x.size(), 0.0);
    }
    const Tensor tokens = tokens_below(33, {2, 9}, 1);
    CHECK(std::abs(item(model.loss(tokens, tokens)) - std::log(33.0)) < 1e-12);
  }
}

namespace {
// 4 layers, windows of 48 random bytes; ln 256 = 5.545. losses: published start; the same without
// the tied matrix, without the scale; recommended start.
void check_first_losses(int64_t dim, const std::array<double, 4>& losses) {
  struct Setting {
    Start start;
    LanguageOptions language;
  };
  const std::array<Setting, 4> settings = {
      {{Start::Default, {.scale_embedding = true}},
       {Start::Default, {.tied = false, .scale_embedding = true}},
       {Start::Default, {}},
       {Start::Small, {}}}};
  const Tensor tokens = tokens_below(256, {2, 49}, 1);
  for (size_t i = 0; i < 4; ++i) {
    ModelOptions o = sized("tno", dim, 4, 32, 1);
    o.start = settings[i].start;
    Parameters store(1);
    const LanguageModel model(store.root(), o, settings[i].language,
                              {.vocab = 256, .max_length = 48});
    const double loss = item(model.loss(window(tokens, 0, 48), window(tokens, 1, 49)));
    CAPTURE(i);
    CHECK(std::abs(loss - losses[i]) < 0.5);
  }
}
}  // namespace

TEST_CASE("language model: the loss before training is far above ln V for the published start") {
  check_first_losses(64, {7.55, 5.63, 6.38, 5.58});
}
TEST_CASE("language model: the small start reaches every linear map, and leaves kernels alone") {
  for (ModelOptions o : causal_mixers()) {
    CAPTURE(name_of(o));
    o.dim = 64;
    o.kernel.causal = o.mixer != "fd";
    Parameters small(1), usual(1);
    const InputShape shape{.vocab = 70, .max_length = 16};
    const LanguageModel a(small.root() / "a", o, {.tied = false}, shape);
    o.start = Start::Default;
    const LanguageModel b(usual.root() / "a", o, {.tied = false}, shape);
    for (const Parameter& p : small.all()) {
      CAPTURE(p.name);
      const std::vector<double> x = to_vector(p.variable.value());
      if (contains(p.name, ".toep.") || !p.name.ends_with("weight") || p.variable.rank() == 1) {
        if (p.name.ends_with("bias") && !contains(p.name, ".toep."))
          CHECK(x == std::vector<double>(x.size(), 0));
        else
          CHECK(x == to_vector(usual.find(p.name)->variable.value()));
        continue;
      }
      double squares = 0;
      for (const double v : x) squares += v * v;
      CHECK(std::sqrt(squares / double(x.size())) == doctest::Approx(0.02).epsilon(0.05));
    }
  }
}

TEST_CASE("slow: language model: the loss before training, in wider models") {
  check_first_losses(128, {10.13, 5.93, 6.18, 5.63});
  check_first_losses(256, {14.28, 5.61, 6.18, 5.57});
}

// ---- losses ----

TEST_CASE("language model: the losses of single positions have the loss as their mean") {
  for (const bool causal : {true, false}) {
    ModelOptions o = causal_mixers()[0];
    o.kernel.causal = causal;
    Parameters store(2, DType::Float64);
    const LanguageModel model(store.root(), o, {}, kShape);
    const Tensor tokens = tokens_below(9, {2, 16}, 1);
    Tensor targets = tokens_below(9, {2, 16}, 2);
    for (const int64_t ignored : {0, 5, 17}) targets.data<int32_t>()[ignored] = -100;
    const Tensor losses = model.losses(tokens, targets);
    CHECK(losses.shape() == Shape{2, 16});
    const Variable logits = reshape(model.logits(model.features(tokens)), {32, 9});
    double total = 0;
    for (int64_t i = 0; i < 32; ++i) {
      const int32_t target = targets.data<int32_t>()[i];
      const double loss = target < 0
                              ? 0
                              : item(cross_entropy(slice(logits, 0, i, i + 1),
                                                   tensor_of(std::vector<int32_t>{target}, {1})));
      CHECK(to_vector(losses)[size_t(i)] == doctest::Approx(loss).epsilon(1e-12));
      total += loss;
    }
    CHECK(item(model.loss(tokens, targets)) == doctest::Approx(total / 29).epsilon(1e-12));
  }
}

TEST_CASE("language model: a masked model's gradient is that of its whole logits") {
  ModelOptions o = causal_mixers()[0];
  o.kernel.causal = false;
  o.postnorm = true;
  const LanguageOptions language{.embedding_norm = NormKind::Layer};
  const Tensor tokens = tokens_below(9, {2, 16}, 1);
  Tensor targets({2, 16}, DType::Int32);
  for (int64_t i = 0; i < 32; ++i)
    targets.data<int32_t>()[i] = i % 7 == 3 ? tokens.data<int32_t>()[i] : -1;
  const auto gradients = [&](bool whole) {
    Parameters store(2, DType::Float64);
    const LanguageModel model(store.root(), o, language, kShape);
    Tape tape;
    tape.backward(whole ? cross_entropy(reshape(model.logits(model.features(tokens)), {32, 9}),
                                        targets.reshape({32}))
                        : model.loss(tokens, targets));
    std::vector<double> all;
    for (const Parameter& p : store.all())
      if (p.trained && p.variable.grad())
        for (const double g : to_vector(p.variable.grad())) all.push_back(g);
    return all;
  };
  CHECK(gradients(true).size() > 2000);
  CHECK(distance(gradients(false), gradients(true)) < 1e-12);
  Parameters store(2, DType::Float64);
  const LanguageModel model(store.root(), o, language, kShape);
  const Tensor none = tensor_of(std::vector<int32_t>(32, -1), {2, 16});
  CHECK(contains(message_of([&] { model.loss(tokens, none); }),
                 "at least one position must have a target, got none in int32 (2, 16)"));
}

TEST_CASE("language model: with lengths, the token of padded positions does not matter") {
  ModelOptions o = causal_mixers()[0];
  o.kernel.causal = false;
  Parameters store(2, DType::Float64);
  const LanguageModel model(store.root(), o, {}, kShape);
  const Tensor tokens = tokens_below(9, {2, 16}, 1),
               lengths = tensor_of(std::vector<int32_t>{16, 11}, {2});
  Tensor other = tokens.clone();
  for (int64_t i = 16 + 11; i < 32; ++i)
    other.data<int32_t>()[i] = (other.data<int32_t>()[i] + 1) % 9;
  CHECK(to_vector(model.features(tokens, lengths).value()) ==
        to_vector(model.features(other, lengths).value()));
  CHECK(distance(model.features(tokens).value(), model.features(other).value()) > 1e-6);
}

// ---- files ----

TEST_CASE("language model: a saved model is opened from its file alone, and as what it is") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  const Tensor tokens = tokens_below(9, {2, 16}, 1);
  for (const bool causal : {true, false}) {
    ModelCard card{.options = causal_mixers()[0],
                   .shape = kShape,
                   .task = "text file",
                   .vocabulary = {"a", "b", "\n"},
                   .language = LanguageOptions{.tied = causal, .scale_embedding = true}};
    card.options.kernel.causal = causal;
    Parameters store(3);
    const LanguageModel model(store.root(), card.options, *card.language, card.shape);
    save_model(path, store, card);
    const OpenedLanguageModel opened = open_language_model(path);
    CHECK(opened.card.task == "text file");
    CHECK(opened.card.vocabulary == card.vocabulary);
    CHECK(to_texts(*opened.card.language) == to_texts(*card.language));
    store.set_training(false);
    CHECK(to_vector(opened.model->losses(tokens, tokens)) ==
          to_vector(model.losses(tokens, tokens)));
    CHECK_THROWS_WITH_AS(open_model(path),
                         doctest::Contains("a model with classes is needed, got a language model"),
                         DataError);
  }
  const ModelCard classes{.options = {}, .shape = {.vocab = 5, .classes = 3, .max_length = 8}};
  Parameters store(3);
  const Model model(store.root(), classes.options, classes.shape);
  save_model(path, store, classes);
  CHECK_THROWS_WITH_AS(open_language_model(path),
                       doctest::Contains("a language model is needed, got a model with 3 classes"),
                       DataError);
}

// ---- training ----

namespace {

// The last loss of training on batch(step) = (tokens, targets).
template <class Batch>
double trained_loss(const ModelOptions& o, int64_t vocab, int64_t n, int steps, double lr,
                    const Batch& batch) {
  Parameters store(4);
  const LanguageModel model(store.root(), o, {}, {.vocab = vocab, .max_length = n});
  Adam adam(store, {.beta2 = 0.99});
  double loss = 0;
  for (int step = 0; step < steps; ++step) {
    store.zero_grad();
    Tape tape;
    const auto [tokens, targets] = batch(step);
    const Variable l = model.loss(tokens, targets);
    loss = item(l);
    tape.backward(l);
    adam.step(lr * (1 - double(step) / steps), clip_factor(gradient_norm(store), 1));
  }
  return loss;
}

ModelOptions learner(ModelOptions o) {
  o.dim = 32;
  o.layers = 2;
  return o;
}

}  // namespace

TEST_CASE("language model: two windows are learnt by heart, and abcabc") {
  const Tensor windows = tokens_below(11, {2, 33}, 1);
  const auto by_heart = [&](int) {
    return std::pair(window(windows, 0, 32), window(windows, 1, 33));
  };
  Tensor abc({1, 33}, DType::Int32);
  for (int64_t i = 0; i < 33; ++i) abc.data<int32_t>()[i] = int32_t(i % 3);
  const auto cycle = [&](int) { return std::pair(window(abc, 0, 32), window(abc, 1, 33)); };
  const ModelOptions o = learner(causal_mixers()[1]);
  CHECK(trained_loss(o, 11, 32, 100, 1e-2, by_heart) < 0.02);
  CHECK(trained_loss(o, 3, 32, 40, 1e-2, cycle) < 0.01);
}

TEST_CASE("slow: language model: every mixer learns windows by heart, and to delay by five") {
  const Tensor windows = tokens_below(11, {2, 33}, 1);
  const auto by_heart = [&](int) {
    return std::pair(window(windows, 0, 32), window(windows, 1, 33));
  };
  const auto delayed = [&](int step) {
    const Tensor tokens = tokens_below(8, {8, 32}, uint64_t(100 + step));
    Tensor targets({8, 32}, DType::Int32);
    for (int64_t i = 0; i < targets.size(); ++i)
      targets.data<int32_t>()[i] = i % 32 < 5 ? -1 : tokens.data<int32_t>()[i - 5];
    return std::pair(tokens, targets);
  };
  for (const ModelOptions& options : causal_mixers()) {
    const ModelOptions o = learner(options);
    CAPTURE(name_of(o));
    CHECK(trained_loss(o, 11, 32, 150, 1e-2, by_heart) < 0.02);
    CHECK(trained_loss(o, 8, 32, 400, 1e-2, delayed) < 0.05);
  }
}
