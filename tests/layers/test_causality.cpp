// What a position of a causal language model may depend on: itself and earlier ones, within reach.
#include "tests/support/language_models.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

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
    worst = larger(worst, distance(positions_of(after, 0, i + 1), positions_of(before, 0, i + 1)));
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
      past = larger(past, std::abs(g));
    for (const double g : to_vector(positions_of(x.grad(), i + 1, 16)))
      future = larger(future, std::abs(g));
    worst = larger(worst, future / past);
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
