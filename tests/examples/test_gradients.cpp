// BatchGradients on a model and a batch of its own: in shards, what the whole batch gives.
#include "examples/train/gradients.h"

#include <cmath>

#include "autograd/ops.h"
#include "core/memory.h"
#include "data/batch.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// A classifier of documents, or of pairs of them, of very different lengths. As many terms as
// documents have tokens: the mean is one of positions, which the shards share unequally.
class Documents : public Objective {
 public:
  Documents(Parameters& store, const ModelOptions& options, bool pairs, bool by_tokens)
      : by_tokens_(by_tokens),
        model_(store.root(), options,
               {.vocab = 9, .classes = 3, .max_length = 32, .pairs = pairs}) {
    const InputFormat format{.pairs = pairs, .vocab = 9, .classes = 3};
    std::vector<Example> examples;
    for (const int length : {3, 32, 5, 7, 20, 4, 11}) {
      std::vector<uint16_t> tokens;
      for (int i = 0; i < length; ++i) tokens.push_back(uint16_t(1 + i * length % 8));
      const std::vector<uint16_t> second(size_t(33 - length), 2);
      examples.push_back({tokens, pairs ? Elements(second) : Elements(), length % 3});
    }
    batch_ = make_batch(format, examples, std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6});
  }

  int64_t fails_from = 100;                   // the first example that cannot be computed
  std::function<void(Variable&)> spoil = {};  // changes the logits of the last shard

  void next_batch() override {}
  Forward forward(Range examples) override {
    const Batch part = part_of(batch_, examples);
    Variable logits = model_(part.input, part.lengths);
    check<DataError>(examples.first < fails_from, "example ", examples.first, " is broken");
    if (spoil && examples.end == batch_.size()) spoil(logits);
    if (!by_tokens_) return {cross_entropy(logits, part.labels), part.size(), 1, part.size()};
    Variable total;  // of the logits, each as often as its document has tokens
    for (int64_t b = 0; b < part.size(); ++b) {
      const Variable row = sum(slice(logits * logits, 0, b, b + 1));
      const Variable term = double(part.lengths.data<int32_t>()[b]) * row;
      total = total ? total + term : term;
    }
    return {(1 / double(tokens_of(part))) * total, tokens_of(part)};
  }
  int64_t terms() const override { return by_tokens_ ? tokens_of(batch_) : batch_.size(); }
  int64_t tokens() const override { return batch_.input.size(); }
  int64_t position() const override { return 0; }
  void set_position(int64_t) override {}
  int64_t batches_per_epoch() const override { return 1; }
  std::optional<Scores> validate() override { return std::nullopt; }
  double validations_after_training() const override { return 0; }
  std::map<std::string, std::string> metadata() const override { return {}; }
  void check_resumable(const safetensors::File&) const override {}
  std::string title() const override { return ""; }
  Baseline baseline() const override { return {}; }
  void write_result() override {}

 private:
  static int64_t tokens_of(const Batch& batch) {
    int64_t count = 0;
    for (int64_t b = 0; b < batch.size(); ++b) count += batch.lengths.data<int32_t>()[b];
    return count;
  }
  bool by_tokens_;
  Model model_;
  Batch batch_;
};

struct Computed {
  double loss = 0;
  int64_t seen = 0;
  std::vector<double> gradients, running;
};

Computed computed(int64_t shards, const ModelOptions& options, bool pairs, bool by_tokens,
                  bool sync_norm = false) {
  Parameters store(1, DType::Float64);
  store.set_step(3);
  Documents documents(store, options, pairs, by_tokens);
  const BatchGradients::Totals all =
      BatchGradients(documents, store, 7, shards, sync_norm).compute();
  Computed c{all.loss, all.seen, {}, {}};
  for (const Parameter& p : store.all()) {
    if (p.trained && p.variable.grad())
      for (const double g : to_vector(p.variable.grad())) c.gradients.push_back(g);
    if (!p.trained)
      for (const double v : to_vector(p.variable.value())) c.running.push_back(v);
  }
  return c;
}

ModelOptions options_of(NormKind norm) {
  return {.layers = 2,
          .dim = 8,
          .norm = norm,
          .dropout = 0.3,
          .encoder_dropout = 0.3,
          .ski = {.inducing_points = 4, .filter = 3},
          .dtype = DType::Float64};
}

}  // namespace

TEST_CASE("gradients: shards of any sizes add up to the gradient of the whole batch") {
  for (const bool pairs : {false, true})
    for (const bool by_tokens : {false, true}) {
      const ModelOptions options = options_of(NormKind::Layer);
      const Computed whole = computed(1, options, pairs, by_tokens);
      CHECK(whole.gradients.size() > 100);
      CHECK(whole.seen == (by_tokens ? 0 : 7));
      for (const int64_t shards : {2, 3, 5, 7}) {
        CAPTURE(pairs);
        CAPTURE(by_tokens);
        CAPTURE(shards);
        const Computed parts = computed(shards, options, pairs, by_tokens);
        CHECK(parts.loss == doctest::Approx(whole.loss).epsilon(1e-13));
        CHECK(parts.seen == whole.seen);
        CHECK(distance(parts.gradients, whole.gradients) < 1e-12);
      }
    }
}

TEST_CASE("gradients: with the statistics of all shards, batch norm is that of the whole batch") {
  for (const bool pairs : {false, true})
    for (const bool recomputes : {false, true}) {
      ModelOptions options = options_of(NormKind::Batch);
      const Computed whole = computed(1, options, pairs, !pairs);
      options.checkpoint_activations = recomputes;
      for (const int64_t shards : {2, 3, 7}) {
        CAPTURE(pairs);
        CAPTURE(recomputes);
        CAPTURE(shards);
        const Computed parts = computed(shards, options, pairs, !pairs, /*sync_norm=*/true);
        CHECK(parts.loss == doctest::Approx(whole.loss).epsilon(1e-12));
        CHECK(parts.seen == whole.seen);
        CHECK(distance(parts.gradients, whole.gradients) < 1e-11);
        CHECK(distance(parts.running, whole.running) < 1e-12);
        CHECK(computed(shards, options, pairs, !pairs, true).gradients == parts.gradients);
      }
    }
}

TEST_CASE("gradients: shards that advance together end together when one of them fails") {
  Parameters store(1, DType::Float64);
  Documents documents(store, options_of(NormKind::Batch), false, false);
  BatchGradients gradients(documents, store, 7, 3, /*sync_norm=*/true);
  const auto running = [&] {
    std::vector<double> all;
    for (const Parameter& p : store.all())
      if (!p.trained)
        for (const double v : to_vector(p.variable.value())) all.push_back(v);
    return all;
  };
  gradients.compute();  // also fills a table of the model
  const std::vector<double> before = running();
  store.zero_grad();
  const int64_t live = memory::stats(Device::CPU).live;
  for (const int64_t first : {0, 2, 4}) {  // the first, second and third shard
    documents.fails_from = first;
    CHECK_THROWS_WITH_AS(gradients.compute(), doctest::Contains("is broken"), DataError);
    CHECK(store.shard() == nullptr);
    store.zero_grad();
    CHECK(memory::stats(Device::CPU).live == live);
  }
  documents.fails_from = 100;
  documents.spoil = [](Variable& logits) { logits = logits * INFINITY; };
  CHECK_FALSE(std::isfinite(gradients.compute().loss));
  CHECK_THROWS_WITH_AS(gradients.find_non_finite(),
                       doctest::Contains("scale: the output, float64 (3, 3), is the first"),
                       NumericalError);
  CHECK(running() == before);
  // A gradient that is not finite, of a finite loss.
  documents.spoil = [](Variable& logits) { logits = logits + sqrt(0.0 * logits); };
  CHECK(std::isfinite(gradients.compute().loss));
  CHECK_THROWS_WITH_AS(gradients.find_non_finite(), doctest::Contains("sqrt: the gradient"),
                       NumericalError);
}

TEST_CASE("gradients: batch norm takes statistics of shards, and moves the running ones by all") {
  ModelOptions options = options_of(NormKind::Batch);
  options.layers = 1;
  const Computed whole = computed(1, options, false, false),
                 parts = computed(3, options, false, false);
  CHECK(distance(parts.gradients, whole.gradients) > 1e-3);  // another function
  // The first norm reads the same numbers in both.
  const auto first = [](const Computed& c) {
    return std::vector<double>(c.running.begin(), c.running.begin() + 2 * 8);
  };
  CHECK(distance(first(parts), first(whole)) < 1e-12);
}
