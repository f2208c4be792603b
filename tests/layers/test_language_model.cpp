// Language models: published sizes, the loss before training, causality, reach, files, overfitting.
#include "layers/language_model.h"

#include "autograd/recompute.h"
#include "core/memory.h"
#include "layers/mixers.h"
#include "layers/model_file.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

Tensor tokens_below(int64_t limit, Shape shape, uint64_t seed) {
  Random random(seed);
  Tensor tokens(shape, DType::Int32);
  for (int64_t i = 0; i < tokens.size(); ++i)
    tokens.data<int32_t>()[i] = int32_t(random.below(limit));
  return tokens;
}

Tensor positions_of(const Tensor& x, int64_t first, int64_t last) {  // of (B, n, D), n cut
  return slice(Variable(x), 1, first, last).value();
}
Tensor window(const Tensor& tokens, int64_t first, int64_t last) {  // of (B, n)
  Tensor cut({tokens.size(0), last - first}, DType::Int32);
  for (int64_t i = 0; i < cut.size(); ++i)
    cut.data<int32_t>()[i] =
        tokens.data<int32_t>()[i / cut.size(1) * tokens.size(1) + first + i % cut.size(1)];
  return cut;
}

// Options of a small causal model for each mixer, and for fd without a network.
std::vector<ModelOptions> causal_mixers() {
  std::vector<ModelOptions> all;
  for (const MixerEntry& entry : mixers()) {
    ModelOptions o = language_model_options(entry.name);
    o.layers = 1;
    o.dim = 12;
    o.expand = 2;
    o.ski.inducing_points = 8;
    o.ski.filter = 8;
    all.push_back(o);
  }
  all.push_back(all[0]);
  all.back().mixer = "fd";
  all.back().fd.points = 6;
  return all;
}
std::string name_of(const ModelOptions& o) {
  return o.mixer + (o.fd.points > 0 ? " without a network" : "");
}

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

// ---- what a position may depend on ----

namespace {

const InputShape kShape{.vocab = 9, .max_length = 16};

// Replaces the tokens behind position i, for several i: by how much, in shares of the largest
// logit, do logits up to i change?
double leak(const LanguageModel& model) {
  const Tensor tokens = tokens_below(9, {2, 16}, 1), others = tokens_below(9, {2, 16}, 2);
  const Tensor before = model.logits(model.features(tokens)).value();
  double worst = 0;
  for (const int64_t i : {0, 6, 14}) {
    Tensor changed = others.clone();
    for (int64_t b = 0; b < 2; ++b)
      std::copy_n(tokens.data<int32_t>() + 16 * b, i + 1, changed.data<int32_t>() + 16 * b);
    const Tensor after = model.logits(model.features(changed)).value();
    worst =
        std::max(worst, distance(positions_of(after, 0, i + 1), positions_of(before, 0, i + 1)));
    CHECK(distance(after, before) > 1e-6);  // the rest does
  }
  return worst;
}

// The gradient of the logits of position i with respect to later embedded tokens, in shares of the
// largest one.
double leak_of_gradient(const LanguageModel& model) {
  const Variable x = Variable::leaf(model.trunk.encoded(tokens_below(9, {2, 16}, 1)).value());
  double worst = 0;
  for (const int64_t i : {0, 6, 14}) {
    x.zero_grad();
    Tape tape;
    const Variable logits = slice(model.logits(model.trunk.features(x)), 1, i, i + 1);
    tape.backward(logits, random64(logits.shape(), 3));
    double past = 0, future = 0;
    for (const double g : to_vector(positions_of(x.grad(), 0, i + 1)))
      past = std::max(past, std::abs(g));
    for (const double g : to_vector(positions_of(x.grad(), i + 1, 16)))
      future = std::max(future, std::abs(g));
    worst = std::max(worst, future / past);
  }
  return worst;
}

}  // namespace

TEST_CASE("language model: later tokens change nothing, with every mixer, norm and depth") {
  for (ModelOptions o : causal_mixers())
    for (const NormKind norm :
         {NormKind::None, NormKind::SimpleRms, NormKind::Rms, NormKind::GatedRms, NormKind::Layer})
      for (const int64_t layers : {1, 3}) {
        o.norm = norm;
        o.layers = layers;
        CAPTURE(name_of(o));
        CAPTURE(int(norm));
        CAPTURE(layers);
        Parameters store(2, DType::Float64);
        o.start = Start::Default;
        const LanguageModel model(store.root(), o, {}, kShape);
        CHECK(leak(model) < 1e-11);
        CHECK(leak_of_gradient(model) < 1e-11);
      }
}

TEST_CASE("language model: a mixer that sees both sides, and batch statistics, would be noticed") {
  for (ModelOptions o : causal_mixers()) {
    CAPTURE(name_of(o));
    o.start = Start::Default;
    Parameters store(2, DType::Float64);
    LanguageModel model(store.root(), o, {}, kShape);
    o.kernel.causal = false;
    model.trunk.blocks[0].unit = make_sequence_unit(store.root() / "planted", o, kShape);
    CHECK(leak(model) > 1e-8);
    CHECK(leak_of_gradient(model) > 1e-8);
  }
  Parameters store(2, DType::Float64);
  LanguageModel model(store.root(), causal_mixers()[0], {}, kShape);
  model.trunk.blocks[0].unit_norm = make_norm(store.root() / "planted", NormKind::Batch, 12);
  CHECK(leak(model) > 1e-8);
}

TEST_CASE("language model: batch norm of a causal model is refused wherever it is asked for") {
  Parameters store(1);
  ModelOptions o = causal_mixers()[0];
  const auto refused = [&](const ModelOptions& o, const LanguageOptions& l) {
    try {
      LanguageModel(store.root(), o, l, kShape);
    } catch (const UsageError& e) {
      return contains(e.what(), "language model: a causal model cannot have the norm 'batch'");
    }
    return false;
  };
  CHECK(refused(o, {.final_norm = NormKind::Batch}));
  CHECK(refused(o, {.embedding_norm = NormKind::Batch}));
  o.norm = NormKind::Batch;
  CHECK(refused(o, {}));
  CHECK(store.all().empty());
  CHECK(contains(message_of([&] { LanguageModel(store.root(), o, {}, {.max_length = 4}); }),
                 "a vocabulary is needed, got 0 tokens"));
}

TEST_CASE("language model: with M lags and L layers a token reaches L (M - 1) positions, no more") {
  const int64_t M = 3, L = 3, reach = L * (M - 1), n = 16, at = 4;
  ModelOptions o = causal_mixers()[1];
  REQUIRE(o.mixer == "tno");
  o.layers = L;
  o.tno.max_lag = M - 1;
  o.start = Start::Default;
  Parameters store(2, DType::Float64);
  const LanguageModel model(store.root(), o, {}, kShape);
  Tensor tokens = tokens_below(9, {1, n}, 1);
  const Tensor before = model.logits(model.features(tokens)).value();
  tokens.data<int32_t>()[at] = (tokens.data<int32_t>()[at] + 1) % 9;
  const Tensor after = model.logits(model.features(tokens)).value();
  const auto change = [&](int64_t i) {
    return distance(positions_of(after, i, i + 1), positions_of(before, i, i + 1));
  };
  CHECK(change(at + reach) > 1e-9);
  for (int64_t i = at + reach + 1; i < n; ++i) CHECK(change(i) < 1e-12);
  for (int64_t i = 0; i < at; ++i) CHECK(change(i) < 1e-12);
}

TEST_CASE("language model: the golden causal products, of given taps and of ski's kernel") {
  const Tensor t = values({1.5, -0.5, 0.25, 3}, {4, 1}), x = values({1, -2, 0.5, 4}, {1, 4, 1});
  CHECK(distance(toeplitz(t, x, Direction::Causal).value(), {1.5, -3.5, 2, 8.25}) < 1e-14);
  // n = 5, r = 3: kappa = (2, 1, -1) at lags 0, 2, 4. The warp reads the table (alphas, last entry
  // lag 0) at 3 base^lag with base = 3^(-1/4): at 3, sqrt 3 and 1.
  Parameters store(1, DType::Float64);
  const SkiTno ski(store.root(), {.channels = 1, .train_length = 5}, {.causal = true},
                   {.inducing_points = 3, .filter = 3});
  const auto set = [](const Variable& v, const std::vector<double>& numbers) {
    Tensor own = v.value();
    std::copy(numbers.begin(), numbers.end(), own.data<double>());
  };
  set(ski.alphas, {-1, std::sqrt(3.0), 2});
  set(ski.conv_kernel, {0.1, -0.2});
  const Tensor unit = values({1, 0, 0, 0, 0}, {1, 5, 1});
  CHECK(distance(ski(unit).value(), {2.1, 1.3, 1, 0, -1}) < 1e-14);
  CHECK(distance(ski(values({1, -1, 2, 0, 0.5}, {1, 5, 1})).value(), {2.1, -0.8, 3.9, 1.6, 2.05}) <
        1e-14);
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
