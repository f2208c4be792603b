// Generation: every way gives the logits of the training forward, alone and among other samples.
#include <omp.h>

#include <cmath>

#include "layers/generation/choose.h"
#include "layers/generation/generator.h"
#include "layers/generation/stream.h"
#include "layers/operators/fd_tno.h"
#include "layers/operators/ski_tno.h"
#include "tests/support/language_models.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct SmallModel {
  Parameters store;
  LanguageModel model;
  SmallModel(const ModelOptions& o, const LanguageOptions& l = {})
      : store(3, o.dtype), model(store.root(), o, l, kShape) {
    store.set_training(false);
    // Kernels and maps large enough that every part of the model is seen in the logits.
    for (const Parameter& p : store.all())
      if (p.trained && p.name.find(".toep.") == std::string::npos) enlarge(p.variable.value());
  }
  static void enlarge(Tensor t) {
    dispatch(t, [&]<class T> {
      for (int64_t i = 0; i < t.size(); ++i) t.data<T>()[i] *= T(4);
    });
  }
};

ModelOptions with_type(ModelOptions o, DType dtype) {
  o.dtype = dtype;
  o.layers = 2;
  return o;
}

std::vector<double> list(std::span<const double> values) { return {values.begin(), values.end()}; }

double largest(const std::vector<double>& v) {
  double value = 0;
  for (const double x : v) value = std::max(value, std::abs(x));
  return value;
}
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double value = 0;
  for (size_t i = 0; i < a.size(); ++i) value = larger(value, std::abs(a[i] - b[i]));
  return value;
}

std::vector<Method> exact_methods(const ModelOptions& o) {
  if (o.mixer == "attention") return {Method::Naive};
  std::vector<Method> methods = {Method::Naive, Method::Dense, Method::Online};
  if (o.mixer == "ski") methods.push_back(Method::Prefix);
  return methods;
}

std::vector<int32_t> some_text(int64_t n) {
  const Tensor tokens = tokens_below(kShape.vocab, {n}, 4);
  return {tokens.data<int32_t>(), tokens.data<int32_t>() + n};
}

// Logits after each token of a text, the first `prompt` of which are read together.
std::vector<std::vector<double>> written(Generator& g, const std::vector<int32_t>& text,
                                         int64_t prompt) {
  std::vector<std::vector<double>> all;
  if (prompt > 0) {
    g.read(std::span(text).subspan(0, size_t(prompt)));
    all.push_back(list(g.logits()));
  }
  for (size_t i = size_t(prompt); i < text.size(); ++i) {
    g.step(text[i]);
    all.push_back(list(g.logits()));
  }
  return all;
}

}  // namespace

TEST_CASE("generator: every way has the logits of the training forward, within the window") {
  for (const DType dtype : {DType::Float64, DType::Float32}) {
    const double tolerance = dtype == DType::Float64 ? 1e-11 : 2e-5;
    for (const ModelOptions& base : causal_mixers()) {
      const ModelOptions o = with_type(base, dtype);
      CAPTURE(name_of(o));
      SmallModel small(o);
      const std::vector<int32_t> text = some_text(kShape.max_length);
      const Tape::Pause pause;
      const Tensor all =
          small.model.logits(small.model.features(tensor_of(text, {1, int64_t(text.size())})))
              .value();
      for (const Method method : exact_methods(o)) {
        CAPTURE(word_for(method));
        Generator g(&small.model, {.method = method, .online = {.block = 2, .direct = 8}});
        CHECK(g.method() == method);
        const auto logits = written(g, text, 0);
        for (size_t i = 0; i < text.size(); ++i) {
          const std::vector<double> expected =
              to_vector(positions_of(all, int64_t(i), int64_t(i) + 1));
          // fd and attention read a shorter window with another kernel; here the kernel is fixed.
          CHECK(difference(logits[i], expected) <= tolerance * largest(expected));
        }
      }
    }
  }
}

TEST_CASE("generator: beyond the window all ways agree, for prompts of any length") {
  for (const ModelOptions& base : causal_mixers()) {
    if (base.mixer == "attention") continue;
    const ModelOptions o = with_type(base, DType::Float64);
    CAPTURE(name_of(o));
    SmallModel small(o);
    constexpr int64_t kLags = 20;
    const std::vector<int32_t> text = some_text(3 * kLags);
    Generator naive(&small.model, {.method = Method::Naive, .lags = kLags});
    const auto expected = written(naive, text, 1);
    for (const Method method : exact_methods(o)) {
      CAPTURE(word_for(method));
      Generator g(&small.model,
                  {.method = method, .lags = kLags, .online = {.block = 1, .direct = 8}});
      for (const int64_t prompt : {int64_t(1), kLags - 1, kLags, kLags + 1, 2 * kLags + 3}) {
        CAPTURE(prompt);
        g.reset();
        const auto logits = written(g, text, prompt);
        for (size_t i = 0; i < logits.size(); ++i) {
          const std::vector<double>& other = expected[size_t(prompt) - 1 + i];
          CHECK(difference(logits[i], other) <= 1e-11 * largest(other));
        }
        CHECK(g.position() == int64_t(text.size()));
      }
    }
  }
}

TEST_CASE(
    "generator: ten windows long, the state does not grow and what is out of reach is forgotten") {
  for (const ModelOptions& base : causal_mixers()) {
    if (base.mixer == "attention") continue;
    const ModelOptions o = with_type(base, DType::Float64);
    CAPTURE(name_of(o));
    SmallModel small(o);
    constexpr int64_t kLags = 8;
    const std::vector<int32_t> text = some_text(10 * kLags);
    // A layer reaches kLags - 1 positions back.
    const size_t reach = size_t(o.layers * (kLags - 1) + 1);
    Generator fresh(&small.model, {.method = Method::Naive, .lags = kLags});
    const std::vector<double> expected =
        written(fresh, {text.end() - int64_t(reach), text.end()}, 1).back();
    for (const Method method : exact_methods(o)) {
      CAPTURE(word_for(method));
      Generator g(&small.model,
                  {.method = method, .lags = kLags, .online = {.block = 1, .direct = 4}});
      int64_t bytes = 0;
      for (size_t i = 0; i < text.size(); ++i) {
        g.step(text[i]);
        if (i + 1 == 4 * size_t(kLags)) bytes = g.state_bytes();
      }
      if (method != Method::Naive) CHECK(g.state_bytes() == bytes);  // that keeps the text
      CHECK(difference(list(g.logits()), expected) <= 1e-10 * largest(expected));
    }
  }
}

TEST_CASE("generator: every norm, placement and end of the model is that of training") {
  const auto check = [](const ModelOptions& base, const LanguageOptions& l) {
    SmallModel small(with_type(base, DType::Float64), l);
    const std::vector<int32_t> text = some_text(12);
    Generator naive(&small.model, {.method = Method::Naive});
    Generator dense(&small.model, {.method = Method::Dense});
    const auto expected = written(naive, text, 1), logits = written(dense, text, 3);
    for (size_t i = 0; i < logits.size(); ++i)
      CHECK(difference(logits[i], expected[i + 2]) <= 1e-11 * largest(expected[i + 2]));
  };
  ModelOptions o = causal_mixers()[1];
  for (const NormKind norm :
       {NormKind::None, NormKind::SimpleRms, NormKind::Rms, NormKind::GatedRms, NormKind::Layer}) {
    CAPTURE(word_for(norm));
    o.norm = norm;
    check(o, {.scale_embedding = true, .embedding_norm = norm, .final_norm = norm});
    o.postnorm = true;
    check(o, {.tied = false});
    o.postnorm = false;
  }
}

TEST_CASE("generator: samples of one text are what they are alone, and threads change no bit") {
  for (const Method method : {Method::Dense, Method::Online, Method::Prefix, Method::States}) {
    CAPTURE(word_for(method));
    ModelOptions o = causal_mixers()[0];
    o.mixer = method == Method::Prefix ? "ski" : "tno";
    o.dim = 60;  // no multiple of a vector
    o.expand = 3.05;
    SmallModel small(with_type(o, DType::Float32));
    const GeneratorOptions options{
        .method = method, .lags = 40, .online = {.block = 1, .direct = 8, .near = 16}};
    const std::vector<int32_t> prompt = some_text(7), a = some_text(50);
    std::vector<int32_t> b = a;
    std::reverse(b.begin(), b.end());
    const int threads = omp_get_max_threads();
    std::vector<std::vector<double>> first;
    for (const int number : {1, 2, 3}) {
      omp_set_num_threads(number);
      Generator both(&small.model, options), alone(&small.model, options);
      both.read(prompt);
      both.split(2);
      CHECK(list(both.logits(0)) == list(both.logits(1)));
      alone.read(prompt);
      std::vector<std::vector<double>> seen;
      for (size_t i = 0; i < a.size(); ++i) {
        both.step(std::vector<int32_t>{a[i], b[i]});
        alone.step(b[i]);
        CHECK(list(both.logits(1)) == list(alone.logits()));
        seen.push_back(list(both.logits(0)));
      }
      if (first.empty()) first = seen;
      CHECK(seen == first);
      CHECK(both.samples() == 2);
      CHECK(both.state_bytes() == 2 * alone.state_bytes());
    }
    omp_set_num_threads(threads);
  }
}

TEST_CASE("generator: states say how wrong they can be, and more states are closer") {
  ModelOptions o = with_type(causal_mixers()[1], DType::Float64);
  o.mixer = "tno";
  SmallModel small(o);
  const std::vector<int32_t> text = some_text(40);
  Generator exact(&small.model, {.method = Method::Dense, .lags = 64});
  const auto expected = written(exact, text, 1);
  double off_before = INFINITY, error_before = INFINITY;
  for (const int64_t states : {0, 2, 8}) {
    Generator g(&small.model,
                {.method = Method::States, .lags = 64, .states = states, .exact_lags = 2});
    const auto logits = written(g, text, 1);
    double off = 0;
    for (size_t i = 0; i < logits.size(); ++i)
      off = larger(off, difference(logits[i], expected[i]));
    CHECK(off < off_before);
    CHECK(g.states_error().absolute < error_before);
    CHECK(g.states_error().relative > 0);
    off_before = off;
    error_before = g.states_error().absolute;
  }
}

TEST_CASE("generator: auto takes the ring for short kernels, then tiles; prefixes for few pieces") {
  const auto chosen = [](const char* mixer, int64_t lags, int64_t points = 8) {
    ModelOptions o = causal_mixers()[0];
    o.mixer = mixer;
    o.ski.inducing_points = points;
    Parameters store(1);
    LanguageModel model(store.root(), o, {}, {.vocab = 9, .max_length = 4096});
    return Generator(&model, {.lags = lags}).method();
  };
  CHECK(chosen("tno", 32) == Method::Dense);
  CHECK(chosen("fd", 1024) == Method::Online);
  CHECK(chosen("ski", 64, 8) == Method::Prefix);       // straight lines of 585 lags
  CHECK(chosen("ski", 1024, 2048) == Method::Online);  // of 2
  CHECK(chosen("ski", 16384, 16) == Method::Prefix);   // of 273: far levels cost more
  CHECK(chosen("attention", 16) == Method::Naive);
}

TEST_CASE("generator: what cannot be is refused") {
  ModelOptions o = causal_mixers()[0];
  o.mixer = "attention";
  SmallModel attention(o);
  CHECK_THROWS_WITH_AS(Generator(&attention.model, {.method = Method::Online}),
                       doctest::Contains("can only read its window again"), UsageError);
  o.mixer = "tno";
  SmallModel tno(language_model_options("tno"));
  CHECK_THROWS_WITH_AS(Generator(&tno.model, {.method = Method::Prefix}),
                       doctest::Contains("straight lines of ski"), UsageError);
  Generator g(&tno.model);
  CHECK_THROWS_WITH(g.logits(), doctest::Contains("no logits"));
  CHECK_THROWS_WITH(g.split(2), doctest::Contains("0 tokens"));
  CHECK_THROWS_WITH(g.step(9), doctest::Contains("outside of the vocabulary"));
  CHECK_THROWS_WITH(g.read({}), doctest::Contains("at least one token"));
  ModelOptions both = causal_mixers()[0];
  both.mixer = "tno";
  both.kernel.causal = false;
  SmallModel masked(both);
  CHECK_THROWS_WITH_AS(Generator(&masked.model), doctest::Contains("causal"), UsageError);
}

TEST_CASE(
    "causal taps: prefixes, the identity of FD at twice the length, and the published rescaling") {
  Parameters store(5, DType::Float64);
  const KernelOptions causal{.causal = true, .rpe = {.width = 8, .layers = 2}};
  const Tno tno(store.root() / "tno", {.channels = 3}, causal, {.network = TnoNetwork::Tnn});
  const FdTno fd(store.root() / "fd", {.channels = 3}, causal);
  const SkiTno ski(store.root() / "ski", {.channels = 3, .train_length = 16}, causal,
                   {.inducing_points = 6, .filter = 5, .scaled = true});
  const auto taps = [](const Mixer& m, int64_t lags, Beyond beyond = Beyond::Extend) {
    return to_vector(m.causal_taps(lags, beyond));
  };
  const auto begins_with = [](const std::vector<double>& longer,
                              const std::vector<double>& shorter) {
    return std::equal(shorter.begin(), shorter.end(), longer.begin());
  };
  std::vector<double> first_nine = taps(tno, 40);
  first_nine.resize(9 * 3);
  CHECK(difference(first_nine, taps(tno, 9)) < 1e-14);
  for (const int64_t lags : {1, 9, 16, 17, 31}) CHECK(begins_with(taps(ski, 40), taps(ski, lags)));
  // At its own length, and rescaled at any other, ski is what the operator computes.
  for (const auto& [lags, beyond] : {std::pair{int64_t(16), Beyond::Extend},
                                     {int64_t(16), Beyond::Rescale},
                                     {int64_t(40), Beyond::Rescale},
                                     {int64_t(7), Beyond::Rescale}}) {
    Tensor impulse = zeros({1, lags, 3}, DType::Float64);
    std::fill_n(impulse.data<double>(), 3, 1.0);
    CHECK(difference(taps(ski, lags, beyond), to_vector(ski(Variable(impulse)).value())) < 1e-13);
  }
  // Sampling the response at half as many bins folds its samples in time: with e the even part,
  // e_F(l) = e_2F(l) + e_2F(F - l), and the causal kernel is twice e but at lags 0 and F/2.
  const int64_t M = 16, F = 2 * M;
  const std::vector<double> once = taps(fd, M), twice = taps(fd, 2 * M);
  for (int64_t l = 1; l < M; ++l)
    for (int64_t c = 0; c < 3; ++c)
      CHECK(std::abs(once[size_t(l * 3 + c)] - twice[size_t(l * 3 + c)] -
                     twice[size_t((F - l) * 3 + c)]) < 1e-14);
  CHECK_THROWS_WITH_AS(FdTno(store.root() / "both", {.channels = 3}, {}).causal_taps(4),
                       doctest::Contains("causal"), UsageError);
}

TEST_CASE("choice: the probabilities of the specification") {
  const std::vector<double> logits = {2, 1, 0.5, 0, -1};
  const auto near = [&](const ChoiceOptions& o, const std::vector<double>& expected) {
    CHECK(difference(choice_probabilities(logits, o), expected) < 1e-6);
  };
  near({.temperature = 1}, {0.563021, 0.207124, 0.125627, 0.076197, 0.028031});
  near({.temperature = 0.5}, {0.829245, 0.112226, 0.041286, 0.015188, 0.002055});
  near({.temperature = 1, .top_k = 2}, {0.731059, 0.268941, 0, 0, 0});
  near({.temperature = 1, .top_p = 0.8}, {0.628532, 0.231224, 0.140244, 0, 0});
  near({.temperature = 1, .top_k = 9, .top_p = 0},
       {0.563021, 0.207124, 0.125627, 0.076197, 0.028031});
  near({.temperature = 1, .top_p = 1e-9}, {1, 0, 0, 0, 0});
  near({.temperature = 0}, {1, 0, 0, 0, 0});
  // Of equals the smaller ids stay.
  const std::vector<double> equal = {1, 3, 3, 3};
  CHECK(choice_probabilities(equal, {.temperature = 1, .top_k = 2}) ==
        std::vector<double>{0, 0.5, 0.5, 0});
  CHECK(choice_probabilities(equal, {.temperature = 0}) == std::vector<double>{0, 1, 0, 0});
  // The first id, ascending, at which the sum exceeds u; not one of probability 0.
  CHECK(chosen_token(equal, {.temperature = 1, .top_k = 2}, 0) == 1);
  CHECK(chosen_token(equal, {.temperature = 1, .top_k = 2}, 0.5) == 2);
  CHECK(chosen_token(equal, {.temperature = 1, .top_k = 2}, 1 - 1e-16) == 2);
  CHECK_THROWS_WITH_AS(chosen_token(std::vector<double>{1, NAN}, {}, 0.5),
                       doctest::Contains("not finite"), NumericalError);
}

TEST_CASE("choice: random numbers belong to their place") {
  const double u = choice_uniform(1, 2, 3);
  CHECK(u == choice_uniform(1, 2, 3));
  CHECK(u >= 0);
  CHECK(u < 1);
  for (const double other : {choice_uniform(2, 2, 3), choice_uniform(1, 3, 3),
                             choice_uniform(1, 2, 4), choice_uniform(1, 3, 2)})
    CHECK(u != other);
}
