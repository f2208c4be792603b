#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "core/random.h"
#include "data/batch.h"

using namespace skiff;

namespace {

// Example i has label i and tokens 3 + i, so that a batch says which examples it holds.
std::vector<Example> examples_of(int64_t count, int64_t longest = 40) {
  Random random(5);
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    const auto length = size_t(1 + random.below(longest));
    examples.push_back({std::vector<int32_t>(length, int32_t(3 + i)), int32_t(i)});
  }
  return examples;
}

std::vector<int32_t> values(const Tensor& x) {
  return {x.data<int32_t>(), x.data<int32_t>() + x.size()};
}

bool same(const Batch& a, const Batch& b) {
  return a.tokens.shape() == b.tokens.shape() && values(a.tokens) == values(b.tokens) &&
         values(a.lengths) == values(b.lengths) && values(a.labels) == values(b.labels);
}

// Rows hold their example, then zeros; the width is the longest row.
void check_rows(const Batch& batch, const std::vector<Example>& examples) {
  const int64_t n = batch.tokens.size(1);
  int32_t longest = 0;
  for (int64_t row = 0; row < batch.size(); ++row) {
    const Example& example = examples[size_t(batch.labels.data<int32_t>()[row])];
    const int32_t* tokens = batch.tokens.data<int32_t>() + row * n;
    const int32_t length = batch.lengths.data<int32_t>()[row];
    REQUIRE(length == int32_t(example.tokens.size()));
    CHECK(std::equal(tokens, tokens + length, example.tokens.begin()));
    CHECK(std::all_of(tokens + length, tokens + n, [](int32_t token) { return token == kPadId; }));
    longest = std::max(longest, length);
  }
  CHECK(longest == n);
}

double mean_padding(const std::vector<Example>& examples, const BatchOptions& options) {
  Batches batches(&examples, 8, 1, options);
  double share = 0;
  for (int64_t i = 0; i < batches.batches_per_epoch(); ++i) share += padding_share(batches.next());
  return share / double(batches.batches_per_epoch());
}

BatchOptions bucketed(int64_t window = 50) {
  BatchOptions options;
  options.bucket_by_length = true;
  options.window = window;
  return options;
}

}  // namespace

TEST_CASE("batches: rows are padded with 0 on the right to the longest of the batch") {
  const auto examples = examples_of(50);
  Batches batches(&examples, 8, 1);
  for (int i = 0; i < 12; ++i) {
    const Batch batch = batches.next();
    CHECK(batch.size() == 8);
    CHECK(batch.tokens.dtype() == DType::Int32);
    CHECK(batch.lengths.shape() == Shape{8});
    check_rows(batch, examples);
  }
}

TEST_CASE("batches: an epoch has no example twice and drops the last partial batch") {
  const auto examples = examples_of(50);
  for (const BatchOptions& options : {BatchOptions{}, bucketed(2)}) {
    Batches batches(&examples, 8, 1, options);
    CHECK(batches.batches_per_epoch() == 6);
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      std::set<int32_t> seen;
      for (int64_t i = 0; i < 6; ++i) {
        CHECK(batches.epoch() == epoch);
        for (const int32_t label : values(batches.next().labels)) seen.insert(label);
      }
      CHECK(seen.size() == 48);
    }
  }
}

TEST_CASE("batches: the order and the examples left out change with the epoch and the seed") {
  const auto examples = examples_of(50);
  const Batches a(&examples, 8, 1), b(&examples, 8, 2);
  CHECK(a.order_of_epoch(0) != a.order_of_epoch(1));
  CHECK(a.order_of_epoch(0) != b.order_of_epoch(0));
  CHECK(a.order_of_epoch(3) == Batches(&examples, 8, 1).order_of_epoch(3));
  const auto sorted = [](std::vector<int64_t> order) {
    std::sort(order.begin(), order.end());
    return order;
  };
  CHECK(sorted(a.order_of_epoch(0)) != sorted(a.order_of_epoch(1)));
}

TEST_CASE("batches: each example is as likely at each place") {
  const auto examples = examples_of(4);
  const Batches batches(&examples, 1, 3);
  int count[4][4] = {};
  for (int64_t epoch = 0; epoch < 4000; ++epoch) {
    const auto order = batches.order_of_epoch(epoch);
    for (int place = 0; place < 4; ++place) ++count[order[size_t(place)]][place];
  }
  // 1000 expected with standard deviation 27.4; five of them.
  for (const auto& row : count) {
    for (const int places : row) CHECK(std::abs(places - 1000) < 137);
  }
}

TEST_CASE("batches: a run that stops at any position goes on with the same batches") {
  const auto examples = examples_of(30);
  for (const BatchOptions& options : {BatchOptions{}, bucketed(3)}) {
    Batches whole(&examples, 4, 9, options);
    std::vector<Batch> expected;
    for (int i = 0; i < 20; ++i) expected.push_back(whole.next());
    for (int64_t stop = 0; stop <= 20; ++stop) {
      Batches resumed(&examples, 4, 9, options);
      resumed.set_position(stop);
      CHECK(resumed.position() == stop);
      for (int64_t i = stop; i < 20; ++i) CHECK(same(resumed.next(), expected[size_t(i)]));
      CHECK(resumed.position() == 20);
      resumed.set_position(0);  // and back
      CHECK(same(resumed.next(), expected[0]));
    }
  }
}

TEST_CASE("batches: buckets hold every example once per epoch and waste less") {
  const auto examples = examples_of(800, 2000);
  Batches batches(&examples, 8, 1, bucketed(10));
  std::set<int32_t> seen;
  for (int64_t i = 0; i < batches.batches_per_epoch(); ++i) {
    const Batch batch = batches.next();
    check_rows(batch, examples);
    for (const int32_t label : values(batch.labels)) seen.insert(label);
  }
  CHECK(seen.size() == 800);

  // Uniform lengths: 8 at random waste 1 - (1/2) / (8/9) = 0.44. The k-th shortest of w batches
  // wastes 1 / (2k), so a window wastes H_w / (2w): 0.146 for w = 10 and 0.026 for w = 100.
  CHECK(mean_padding(examples, {}) == doctest::Approx(0.44).epsilon(0.1));
  CHECK(mean_padding(examples, bucketed(10)) == doctest::Approx(0.146).epsilon(0.2));
  CHECK(mean_padding(examples, bucketed(100)) < 0.04);
}

TEST_CASE("batches: buckets of an epoch do not come in order of length") {
  const auto examples = examples_of(800, 2000);
  Batches batches(&examples, 8, 1, bucketed(100));
  std::vector<int64_t> widths;
  for (int i = 0; i < 100; ++i) widths.push_back(batches.next().tokens.size(1));
  CHECK_FALSE(std::is_sorted(widths.begin(), widths.end()));
  int64_t rises = 0;
  for (size_t i = 1; i < widths.size(); ++i) rises += widths[i] > widths[i - 1];
  CHECK(rises > 30);
  CHECK(rises < 70);
}

TEST_CASE("batches: pad_to fixes the length") {
  const auto examples = examples_of(20);
  BatchOptions options;
  options.pad_to = 64;
  Batches batches(&examples, 4, 1, options);
  CHECK(batches.next().tokens.shape() == Shape{4, 64});
  CHECK(EvaluationBatches(&examples, 8, 64)[0].tokens.shape() == Shape{8, 64});
  options.pad_to = 5;
  CHECK_THROWS_AS(Batches(&examples, 4, 1, options), UsageError);
}

TEST_CASE("batches: padding_share counts the positions without a token") {
  const std::vector<Example> examples = {{{5, 6, 7, 2}, 1}, {{5, 2}, 0}};
  const std::vector<int64_t> both = {0, 1}, first = {0};
  CHECK(padding_share(make_batch(examples, both)) == doctest::Approx(2.0 / 8));
  CHECK(padding_share(make_batch(examples, first)) == 0);
  CHECK(padding_share(make_batch(examples, both, 10)) == doctest::Approx(14.0 / 20));
  CHECK(padding_share(Batch{}) == 0);
}

TEST_CASE("evaluation: covers every example once, longest first, last batch partial") {
  const auto examples = examples_of(53);
  const EvaluationBatches batches(&examples, 8);
  CHECK(batches.count() == 7);
  std::set<int32_t> seen;
  int64_t total = 0, width = 1000;
  for (int64_t i = 0; i < batches.count(); ++i) {
    const Batch batch = batches[i];
    check_rows(batch, examples);
    CHECK(batch.size() == (i < 6 ? 8 : 5));
    CHECK(batch.tokens.size(1) <= width);
    CHECK(batches.indices(i)[0] == batch.labels.data<int32_t>()[0]);
    width = batch.tokens.size(1);
    total += batch.size();
    for (const int32_t label : values(batch.labels)) seen.insert(label);
  }
  CHECK(total == 53);
  CHECK(seen.size() == 53);
  CHECK_THROWS_AS(batches[7], Error);
  CHECK(EvaluationBatches(&examples, 100).count() == 1);
}

TEST_CASE("batches: refuse what cannot be a batch, and say what is wrong") {
  const auto examples = examples_of(5);
  const std::vector<Example> none, empty = {{{}, 0}};
  const std::vector<int64_t> beyond = {5};
  CHECK_THROWS_WITH_AS(Batches(&examples, 6, 1),
                       "batches: the batch size must be at most the 5 training examples, got 6",
                       UsageError);
  CHECK_THROWS_AS(Batches(&examples, 0, 1), UsageError);
  CHECK_THROWS_AS(Batches(&examples, 2, 1, bucketed(0)), UsageError);
  CHECK_THROWS_AS(Batches(&none, 1, 1), Error);
  CHECK_THROWS_AS(Batches(nullptr, 1, 1), Error);
  CHECK_THROWS_AS(Batches(&empty, 1, 1), DataError);
  CHECK_THROWS_AS(EvaluationBatches(&none, 1), Error);
  CHECK_THROWS_AS(make_batch(examples, beyond), Error);
  CHECK_THROWS_AS(make_batch(examples, {}), Error);
  Batches batches(&examples, 2, 1);
  CHECK_THROWS_AS(batches.set_position(-1), Error);
}

TEST_CASE("task: majority rate, class counts and lengths") {
  const std::vector<Example> examples = {{{2}, 1}, {{2}, 0}, {{2}, 1}, {{2}, 3}};
  CHECK(majority_rate(examples) == 0.5);
  CHECK(majority_rate(std::vector<Example>{}) == 0);
  CHECK(class_counts(examples, 5) == std::vector<int64_t>{1, 2, 0, 1, 0});
  CHECK_THROWS_AS(class_counts(examples, 3), Error);
  const LengthSummary summary = summary_of({4, 1, 2, 5});
  CHECK(summary.min == 1);
  CHECK(summary.max == 5);
  CHECK(summary.median == 3);
  CHECK(summary.mean == 3);
}

TEST_CASE("task: a vocabulary is sorted by frequency, ties by code point") {
  const std::map<std::string, int64_t> counts = {{"b", 3}, {"a", 3},    {"\xC3\xA9", 3},
                                                 {"z", 9}, {"rare", 1}, {"never", 0}};
  using Words = std::vector<std::string>;
  CHECK(make_vocabulary(counts) ==
        Words{"<pad>", "<unk>", "<eos>", "z", "a", "b", "\xC3\xA9", "rare"});
  CHECK(make_vocabulary(counts, 2) == Words{"<pad>", "<unk>", "<eos>", "z", "a", "b", "\xC3\xA9"});
}
