// Streams, rules of evaluation and the text that a model writes, on models that were not trained.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "examples/language/evaluation.h"
#include "examples/language/extrapolation.h"
#include "examples/language/result.h"
#include "examples/language/sample.h"
#include "layers/blocks/gtu.h"
#include "layers/generation/choose.h"
#include "layers/generation/stream.h"
#include "layers/language_model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

constexpr int64_t kVocab = 11, kTrained = 16;

struct Causal {
  explicit Causal(const std::string& mixer, int64_t layers = 2)
      : store(3, DType::Float64), model(store.root(), options_of(mixer, layers), {}, shape()) {
    store.set_training(false);
  }
  static InputShape shape() { return {.vocab = kVocab, .max_length = kTrained}; }
  static ModelOptions options_of(const std::string& mixer, int64_t layers) {
    ModelOptions o = language_model_options(mixer == "free" ? "fd" : mixer);
    if (mixer == "free") o.fd.points = 6;
    o.layers = layers;
    o.dim = 8;
    o.start = Start::Default;  // large enough for the mixers to matter
    o.dtype = DType::Float64;
    o.ski.inducing_points = 6;
    o.ski.filter = 5;
    return o;
  }
  Parameters store;
  LanguageModel model;
};

std::vector<int32_t> random_ids(int64_t count, uint64_t seed = 7) {
  Random random(seed);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(int32_t(random.below(kVocab)));
  return ids;
}
Tensor row_of(const std::vector<int32_t>& ids, int64_t begin, int64_t end) {
  return tensor_of(std::vector<int32_t>(ids.begin() + begin, ids.begin() + end), {1, end - begin});
}
ScoredText text_of(const std::vector<int32_t>& ids) {
  const auto tokens = std::make_shared<TokenArray>();
  tokens->append(ids);
  return {{{tokens, 0, int64_t(ids.size())}, 0}, -1, {}};
}
bool go_on(int64_t) { return true; }

LanguageEvaluation evaluated(LanguageModel* model, const std::vector<int32_t>& ids, int64_t length,
                             EvaluationRule rule, int64_t batch_tokens = 64, int64_t stride = 0) {
  return *evaluate(model, text_of(ids), length, {rule, stride}, batch_tokens, Device::CPU, go_on);
}

const char* const kKernels[] = {"tno", "ski", "fd", "free"};

}  // namespace

TEST_CASE("stream: pieces of any size are one whole pass, for every mixer") {
  const std::vector<int32_t> ids = random_ids(61);
  for (const char* mixer : kKernels) {
    CAPTURE(mixer);
    Causal c(mixer);
    for (const int64_t lags : {1, 2, 16, 80}) {
      CAPTURE(lags);
      const Tensor whole = Stream(&c.model, lags).features(row_of(ids, 0, 61)).value();
      Stream stream(&c.model, lags);
      std::vector<Variable> parts;
      const int64_t pieces[] = {1, 1, 7, 20, 1, 31};
      int64_t begin = 0;
      for (const int64_t n : pieces) {
        parts.push_back(stream.features(row_of(ids, begin, begin + n)));
        begin += n;
      }
      REQUIRE(begin == 61);
      CHECK(distance(concat(parts, 1).value(), whole) < 1e-11);
    }
  }
}

TEST_CASE("stream: with as many lags as tokens it is the model itself, which it leaves as it was") {
  const std::vector<int32_t> ids = random_ids(kTrained);
  const Tensor tokens = row_of(ids, 0, kTrained);
  for (const char* mixer : kKernels) {
    CAPTURE(mixer);
    Causal c(mixer);
    const Tensor before = c.model.features(tokens).value();
    CHECK(distance(Stream(&c.model, kTrained).features(tokens).value(), before) < 1e-11);
    CHECK(distance(Stream(&c.model, 5).features(tokens).value(), before) > 1e-4);
    CHECK(distance(c.model.features(tokens).value(), before) == 0);
  }
}

TEST_CASE("stream: kernels of tno and ski for more lags go on where those of training end") {
  for (const char* mixer : {"tno", "ski"}) {
    CAPTURE(mixer);
    Causal c(mixer, 1);
    const Gtu& gtu = dynamic_cast<Gtu&>(*c.model.trunk.blocks[0].unit);
    const Tensor trained = gtu.mixer->causal_taps(kTrained);
    for (const int64_t lags : {17, 31, 32, 100}) {
      CAPTURE(lags);
      const Tensor longer = gtu.mixer->causal_taps(lags);
      CHECK(longer.size(0) == lags);
      CHECK(distance(slice(Variable(longer), 0, 0, kTrained).value(), trained) < 1e-12);
      const Tensor rest = slice(Variable(longer), 0, kTrained, lags).value();
      CHECK(distance(rest, zeros_like(rest)) > 1e-6);
    }
  }
}

TEST_CASE("stream: a token reaches L (M-1) positions and no further") {
  Causal c("tno", /*layers=*/2);
  std::vector<int32_t> ids = random_ids(30);
  const int64_t lags = 5, reach = 2 * (lags - 1);
  const Tensor before = Stream(&c.model, lags).features(row_of(ids, 0, 30)).value();
  ids[10] = (ids[10] + 1) % int32_t(kVocab);
  const Tensor after = Stream(&c.model, lags).features(row_of(ids, 0, 30)).value();
  const auto moved = [&](int64_t i) {
    return distance(slice(Variable(before), 1, i, i + 1).value(),
                    slice(Variable(after), 1, i, i + 1).value());
  };
  CHECK(moved(9) < 1e-12);
  CHECK(moved(10) > 1e-3);
  CHECK(moved(10 + reach) > 1e-12);
  CHECK(moved(10 + reach + 1) < 1e-12);
}

TEST_CASE("stream: what has no kernel is refused") {
  for (const char* what : {"attention", "sinusoids", "normalize"}) {
    CAPTURE(what);
    ModelOptions o = Causal::options_of(what == std::string("attention") ? what : "tno", 1);
    if (what == std::string("sinusoids")) o.sinusoids = true;
    if (what == std::string("normalize")) o.tno.normalize = true;
    Parameters store(1, DType::Float64);
    LanguageModel model(store.root(), o, {}, Causal::shape());
    CHECK_FALSE(has_kernels(o));
    CHECK(contains(message_of([&] { Stream(&model, 4); }), "stream: a causal model"));
  }
}

TEST_CASE("evaluation: every rule scores each target once, whatever the batches") {
  Causal c("tno");
  const std::vector<int32_t> ids = random_ids(103);
  for (const EvaluationRule rule :
       {EvaluationRule::Blocks, EvaluationRule::Sliding, EvaluationRule::Stream}) {
    CAPTURE(word_for(rule));
    const LanguageEvaluation e = evaluated(&c.model, ids, 16, rule);
    CHECK(e.score.targets == 102);
    CHECK(e.score.loss() > 1);
    CHECK(evaluated(&c.model, ids, 16, rule, 1).score.nats == doctest::Approx(e.score.nats));
    CHECK(std::accumulate(e.targets.begin(), e.targets.end(), int64_t(0)) ==
          (rule == EvaluationRule::Stream ? 0 : 102));
  }
  const double blocks = evaluated(&c.model, ids, 16, EvaluationRule::Blocks).score.nats;
  CHECK(evaluated(&c.model, ids, 16, EvaluationRule::Sliding, 64, 16).score.nats ==
        doctest::Approx(blocks).epsilon(1e-12));
  // One block that holds everything, and a stream whose kernels do.
  CHECK(evaluated(&c.model, ids, 102, EvaluationRule::Stream).score.nats ==
        doctest::Approx(evaluated(&c.model, ids, 102, EvaluationRule::Blocks).score.nats)
            .epsilon(1e-11));
}

TEST_CASE("evaluation: a stream of several pieces is one of one piece") {
  Causal c("fd", 1);
  const std::vector<int32_t> ids = random_ids(9000);  // pieces have about 4000 tokens
  const LanguageEvaluation e = evaluated(&c.model, ids, 16, EvaluationRule::Stream);
  const Tensor target = row_of(ids, 1, 9000);
  Stream stream(&c.model, 16);
  const Variable x = stream.features(row_of(ids, 0, 8999));
  const std::vector<double> whole =
      to_vector(linear_cross_entropy_rows(x.value(), c.model.head.value(), {}, target));
  CHECK(e.score.targets == 8999);
  CHECK(e.score.nats ==
        doctest::Approx(std::accumulate(whole.begin(), whole.end(), 0.0)).epsilon(1e-11));
}

TEST_CASE("evaluation: losses by position are means over the windows") {
  LanguageEvaluation e;
  e.add(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
        std::vector<double>{1, 1, 1, 1, 1, 0, 1, 1, 1, 1}, 5);
  CHECK(e.score.targets == 9);
  CHECK(e.score.nats == 49);
  CHECK((e.by_position() == std::vector<double>{1, 4.5, 6, 7.5}));
  CHECK(position_name(0) == "0");
  CHECK(position_name(1) == "1");
  CHECK(position_name(2) == "2-3");
  CHECK(position_name(4) == "8-15");
}

TEST_CASE("evaluation: of a cut split the bytes are counted") {
  const auto tokens = std::make_shared<TokenArray>();
  const Vocabulary vocabulary = Vocabulary::characters({U'\n', U'a', U'\u00e9'});
  tokens->append(vocabulary.encode("a\u00e9a\na\u00e9"));
  const TextSplit split{{tokens, 0, 6}, 8};
  CHECK(scored(split, vocabulary, 0).empty.text_bytes == 7);  // but for the first, not scored
  const ScoredText cut = scored(split, vocabulary, 3);
  CHECK(cut.split.size() == 3);
  CHECK(cut.empty.text_bytes == 3);
  CHECK(cut.empty.targets == 0);
}

TEST_CASE("extrapolation: one row per length, the first that of the training itself") {
  Causal c("tno");
  const std::vector<int32_t> ids = random_ids(200);
  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) { notes.push_back(text); };
  const Extrapolation e =
      *extrapolate(&c.model, text_of(ids), 16, {1, 2, 4, 100}, 64, Device::CPU, go_on, note);
  CHECK((e.lengths == std::vector<int64_t>{16, 32, 64}));
  REQUIRE(e.blocks.size() == 3);
  REQUIRE(e.stream.size() == 3);
  CHECK(e.blocks[0] ==
        doctest::Approx(evaluated(&c.model, ids, 16, EvaluationRule::Blocks).score.loss()));
  CHECK(e.stream[2] ==
        doctest::Approx(evaluated(&c.model, ids, 64, EvaluationRule::Stream).score.loss()));
  REQUIRE(notes.size() == 1);
  CHECK(contains(notes[0], "windows of 1600 are left out: the text has 200 tokens"));
  CHECK(e.by_position.size() == 7);  // 0, 1, 2-3, .., 32-63
  const std::string table = table_of(e, "byte");
  CHECK(std::count(table.begin(), table.end(), '\n') == 4);
  CHECK(contains(svg_of({{"a run", e, 16}}, "a text", 2.0), "n-grams"));

  Causal attention("attention", 1);
  CHECK(extrapolate(&attention.model, text_of(ids), 16, {1, 2}, 64, Device::CPU, go_on, note)
            ->stream.empty());
  const auto stop = [](int64_t) { return false; };
  CHECK_FALSE(extrapolate(&c.model, text_of(ids), 16, {1}, 64, Device::CPU, stop, note));
}

TEST_CASE("sample: the same seed writes the same text, another one another") {
  const Vocabulary vocabulary =
      Vocabulary::characters({U'\n', U'a', U'b', U'c', U'd', U'e', U'f', U'g', U'h', U'i', U'j'});
  const auto on = [] { return true; };
  for (const char* mixer : {"tno", "fd", "ski", "attention"}) {
    CAPTURE(mixer);
    Causal c(mixer);
    const SampleOptions o{.tokens = 40, .length = 16};
    const std::string text = written_text(&c.model, vocabulary, o, on);
    CHECK(text.size() == 40);
    CHECK(written_text(&c.model, vocabulary, o, on) == text);
    SampleOptions other = o;
    other.seed = 2;
    CHECK(written_text(&c.model, vocabulary, other, on) != text);
    int calls = 0;
    CHECK(written_text(&c.model, vocabulary, o, [&] { return ++calls <= 3; }) == text.substr(0, 3));
  }
  // A token at a time is the model on everything before it.
  Causal c("tno");
  const SampleOptions o{.tokens = 20, .temperature = 1, .length = 64};
  Random random(o.seed, hash_name("sample"));
  random.uniform();  // of position 0, which holds the token that it begins with
  std::vector<int32_t> ids = {0};
  for (int i = 0; i < 20; ++i) {
    const Variable x = c.model.features(row_of(ids, 0, int64_t(ids.size())));
    ids.push_back(chosen_token(to_vector(c.model.logits(last_position(x)).value()),
                               {.temperature = 1}, random.uniform()));
  }
  CHECK(written_text(&c.model, vocabulary, o, on) == vocabulary.decode(std::span(ids).subspan(1)));
}

TEST_CASE("result: of the n-grams the best order counts, and a text shows no control characters") {
  const auto tokens = std::make_shared<TokenArray>();
  std::vector<int32_t> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(i % 3);
  tokens->append(ids);
  std::string note;
  const Counting c =
      counted({{tokens, 0, 200}, 0}, {{tokens, 200, 50}, 0}, {{tokens, 250, 50}, 0}, 3, 4, &note);
  CHECK(c.order >= 2);
  CHECK(c.val < 0.1);
  CHECK(c.test < 0.1);
  CHECK(note.empty());
  CHECK(counted({{tokens, 0, 200}, 0}, {{tokens, 200, 50}, 0}, {}, 3, 0, &note).order == 0);
  CHECK(printable_lines("a\tb\n\x1b[1m\n") == "a\tb\n\\x1b[1m\n");
}
