#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "core/random.h"
#include "data/batch.h"
#include "data/report.h"

using namespace skiff;

namespace {

const InputFormat kTokens;

// Example i has label i and tokens 3 + i, so that a batch says which examples it holds.
std::vector<Example> examples_of(int64_t count, int64_t longest = 40) {
  Random random(5);
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    const auto length = size_t(1 + random.below(longest));
    examples.push_back({std::vector<uint16_t>(length, uint16_t(3 + i)), {}, int32_t(i)});
  }
  return examples;
}

std::vector<int32_t> values(const Tensor& x) {
  return {x.data<int32_t>(), x.data<int32_t>() + x.size()};
}

bool same(const Batch& a, const Batch& b) {
  return a.input.shape() == b.input.shape() && values(a.input) == values(b.input) &&
         values(a.lengths) == values(b.lengths) && values(a.labels) == values(b.labels);
}

// Rows hold their example, then zeros; the width is the longest row.
void check_rows(const Batch& batch, const std::vector<Example>& examples) {
  const int64_t n = batch.input.size(1);
  int32_t longest = 0;
  for (int64_t row = 0; row < batch.size(); ++row) {
    const Example& example = examples[size_t(batch.labels.data<int32_t>()[row])];
    const int32_t* tokens = batch.input.data<int32_t>() + row * n;
    const int32_t length = batch.lengths.data<int32_t>()[row];
    REQUIRE(length == int32_t(example.tokens.size()));
    const std::vector<uint16_t> expected = example.tokens.values();
    CHECK(std::equal(tokens, tokens + length, expected.begin()));
    CHECK(std::all_of(tokens + length, tokens + n, [](int32_t token) { return token == kPadId; }));
    longest = std::max(longest, length);
  }
  CHECK(longest == n);
}

double mean_padding(const std::vector<Example>& examples, const BatchOptions& options) {
  Batches batches(kTokens, &examples, 8, 1, options);
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
  Batches batches(kTokens, &examples, 8, 1);
  for (int i = 0; i < 12; ++i) {
    const Batch batch = batches.next();
    CHECK(batch.size() == 8);
    CHECK(batch.input.dtype() == DType::Int32);
    CHECK(batch.lengths.shape() == Shape{8});
    check_rows(batch, examples);
  }
}

TEST_CASE("batches: an epoch has no example twice and drops the last partial batch") {
  const auto examples = examples_of(50);
  for (const BatchOptions& options : {BatchOptions{}, bucketed(2)}) {
    Batches batches(kTokens, &examples, 8, 1, options);
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
  const Batches a(kTokens, &examples, 8, 1), b(kTokens, &examples, 8, 2);
  CHECK(a.order_of_epoch(0) != a.order_of_epoch(1));
  CHECK(a.order_of_epoch(0) != b.order_of_epoch(0));
  CHECK(a.order_of_epoch(3) == Batches(kTokens, &examples, 8, 1).order_of_epoch(3));
  const auto sorted = [](std::vector<int64_t> order) {
    std::sort(order.begin(), order.end());
    return order;
  };
  CHECK(sorted(a.order_of_epoch(0)) != sorted(a.order_of_epoch(1)));
}

TEST_CASE("batches: each example is as likely at each place") {
  const auto examples = examples_of(4);
  const Batches batches(kTokens, &examples, 1, 3);
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
    Batches whole(kTokens, &examples, 4, 9, options);
    std::vector<Batch> expected;
    for (int i = 0; i < 20; ++i) expected.push_back(whole.next());
    for (int64_t stop = 0; stop <= 20; ++stop) {
      Batches resumed(kTokens, &examples, 4, 9, options);
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
  Batches batches(kTokens, &examples, 8, 1, bucketed(10));
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
  Batches batches(kTokens, &examples, 8, 1, bucketed(100));
  std::vector<int64_t> widths;
  for (int i = 0; i < 100; ++i) widths.push_back(batches.next().input.size(1));
  CHECK_FALSE(std::is_sorted(widths.begin(), widths.end()));
  int64_t rises = 0;
  for (size_t i = 1; i < widths.size(); ++i) rises += widths[i] > widths[i - 1];
  CHECK(rises > 30);
  CHECK(rises < 70);
}

TEST_CASE("batches: pad_to fixes the length") {
  const auto examples = examples_of(20);
  InputFormat format;
  format.pad_to = 64;
  CHECK(Batches(format, &examples, 4, 1).next().input.shape() == Shape{4, 64});
  CHECK(EvaluationBatches(format, &examples, 8)[0].input.shape() == Shape{8, 64});
  format.pad_to = 5;
  CHECK_THROWS_WITH_AS(Batches(format, &examples, 4, 1),
                       doctest::Contains("has the length 30, but all are padded to 5"), DataError);
}

TEST_CASE("batches: padding_share counts the positions without a token") {
  const std::vector<Example> examples = {{{5, 6, 7, 2}, {}, 1}, {{5, 2}, {}, 0}};
  const std::vector<int64_t> both = {0, 1}, first = {0};
  CHECK(padding_share(make_batch(kTokens, examples, both)) == doctest::Approx(2.0 / 8));
  CHECK(padding_share(make_batch(kTokens, examples, first)) == 0);
  CHECK(padding_share(make_batch({.pad_to = 10}, examples, both)) == doctest::Approx(14.0 / 20));
  CHECK(padding_share(Batch{}) == 0);
}

TEST_CASE("batches: pairs give all left documents, then all right ones, padded jointly") {
  const std::vector<Example> examples = {{{5, 6, 2}, {7, 2}, 1}, {{8, 2}, {9, 9, 9, 9, 2}, 0}};
  const InputFormat pairs = {.pairs = true};
  const std::vector<int64_t> both = {0, 1};
  const Batch batch = make_batch(pairs, examples, both);
  CHECK(batch.size() == 2);
  CHECK(batch.input.shape() == Shape{4, 5});
  CHECK(values(batch.input) == std::vector<int32_t>{5, 6, 2, 0, 0, 8, 2, 0, 0, 0,  //
                                                    7, 2, 0, 0, 0, 9, 9, 9, 9, 2});
  CHECK(values(batch.lengths) == std::vector<int32_t>{3, 2, 2, 5});
  CHECK(values(batch.labels) == std::vector<int32_t>{1, 0});
  CHECK(padding_share(batch) == doctest::Approx(8.0 / 20));
  // Example 1 has the longest document, a right one.
  CHECK(values(EvaluationBatches(pairs, &examples, 1)[0].labels) == std::vector<int32_t>{0});
  CHECK_THROWS_WITH_AS(Batches(kTokens, &examples, 1, 1), doctest::Contains("is a pair"),
                       DataError);
  const auto tokens = examples_of(4);
  CHECK_THROWS_WITH_AS(Batches(pairs, &tokens, 1, 1), doctest::Contains("no second document"),
                       DataError);
}

TEST_CASE("batches: pairs fall into buckets by the longer document") {
  Random random(3);
  std::vector<Example> examples;
  for (int32_t i = 0; i < 800; ++i) {
    const auto length = [&] { return size_t(1 + random.below(2000)); };
    examples.push_back({std::vector<uint16_t>(length(), 5), std::vector<uint16_t>(length(), 6), i});
  }
  const InputFormat pairs = {.pairs = true};
  Batches batches(pairs, &examples, 8, 1, bucketed(100)), same_batches = batches;
  for (int64_t i = 0; i < 100; ++i) {
    const Batch batch = batches.next();
    const std::vector<int32_t> lengths = values(batch.lengths);
    int32_t shortest = 2000;
    for (size_t b = 0; b < 8; ++b)
      shortest = std::min(shortest, std::max(lengths[b], lengths[8 + b]));
    CHECK(batch.input.size(1) - shortest < 300);  // 20 for most of them, more for the shortest
    CHECK(same(same_batches.next(), batch));
  }
}

TEST_CASE("batches: images are float32 (B, n, 1), shifted and scaled") {
  const InputFormat format = {
      .height = 2, .width = 3, .pixel_mean = 122.6 / 255, .pixel_deviation = 61.0 / 255};
  const std::vector<Example> examples = {{{0, 255, 61, 1, 2, 3}, {}, 7},
                                         {{9, 8, 7, 6, 5, 4}, {}, 1}};
  const std::vector<int64_t> both = {1, 0};
  const Batch batch = make_batch(format, examples, both);
  CHECK(batch.input.dtype() == DType::Float32);
  CHECK(batch.input.shape() == Shape{2, 6, 1});
  CHECK(values(batch.lengths) == std::vector<int32_t>{6, 6});
  CHECK(values(batch.labels) == std::vector<int32_t>{1, 7});
  CHECK(batch.input.data<float>()[6] == doctest::Approx(-2.0098).epsilon(1e-4));
  CHECK(batch.input.data<float>()[7] == doctest::Approx(2.1705).epsilon(1e-4));
  CHECK(batch.input.data<float>()[8] == doctest::Approx((61 - 122.6) / 61));
  CHECK(padding_share(batch) == 0);
  const InputFormat larger = {.height = 3, .width = 3};
  CHECK_THROWS_WITH_AS(Batches(larger, &examples, 1, 1),
                       doctest::Contains("has 6 pixels, but an image has 3 x 3"), DataError);
}

TEST_CASE("batches: ids, pixels, labels and lengths out of range are refused with their value") {
  const InputFormat text = {.vocab = 8, .classes = 2, .max_length = 3};
  const InputFormat pairs = {.pairs = true, .vocab = 8, .classes = 2, .max_length = 3};
  const InputFormat image = {.height = 1, .width = 2, .classes = 2};
  struct Case {
    InputFormat format;
    Example example;
    std::string reason;
  };
  const Case cases[] = {
      {text, {{7, 0, 2}, {}, 1}, ""},
      {text, {{7, 8}, {}, 1}, "has the id 8, but ids are 0..7"},
      {text, {{7, 1}, {}, 2}, "has the label 2, but labels are 0..1"},
      {text, {{7, 1}, {}, -1}, "has the label -1, but labels are 0..1"},
      {text, {{7, 1, 1, 1}, {}, 1}, "has the length 4, but the max length is 3"},
      {pairs, {{7}, {7, 2}, 1}, ""},
      {pairs, {{7}, {7, 65535}, 1}, "has the id 65535, but ids are 0..7"},
      {pairs, {{7}, {1, 1, 1, 1}, 1}, "has the length 4, but the max length is 3"},
      {image, {{0, 255}, {}, 0}, ""},
      {image, {{0, 256}, {}, 0}, "has the pixel 256, but pixels are 0..255"},
      {image, {{0, 255}, {}, 3}, "has the label 3, but labels are 0..1"},
  };
  const std::vector<int64_t> first = {0};
  for (const Case& c : cases) {
    CAPTURE(c.reason);
    CHECK(problem_of(c.example, c.format) == c.reason);
    const std::vector<Example> examples = {c.example};
    const auto make = [&] { make_batch(c.format, examples, first); };
    const auto train = [&] { Batches(c.format, &examples, 1, 1); };
    if (c.reason.empty()) {
      CHECK_NOTHROW(make());
      continue;
    }
    const std::string reason = c.reason;
    CHECK_THROWS_WITH_AS(make(), doctest::Contains(reason.c_str()), DataError);
    CHECK_THROWS_WITH_AS(train(), doctest::Contains(reason.c_str()), DataError);
  }
}

TEST_CASE("evaluation: covers every example once, longest first, last batch partial") {
  const auto examples = examples_of(53);
  const EvaluationBatches batches(kTokens, &examples, 8);
  CHECK(batches.count() == 7);
  std::set<int32_t> seen;
  int64_t total = 0, width = 1000;
  for (int64_t i = 0; i < batches.count(); ++i) {
    const Batch batch = batches[i];
    check_rows(batch, examples);
    CHECK(batch.size() == (i < 6 ? 8 : 5));
    CHECK(batch.input.size(1) <= width);
    CHECK(batches.indices(i)[0] == batch.labels.data<int32_t>()[0]);
    width = batch.input.size(1);
    total += batch.size();
    for (const int32_t label : values(batch.labels)) seen.insert(label);
  }
  CHECK(total == 53);
  CHECK(seen.size() == 53);
  CHECK_THROWS_AS(batches[7], Error);
  CHECK(EvaluationBatches(kTokens, &examples, 100).count() == 1);
}

TEST_CASE("batches: refuse what cannot be a batch, and say what is wrong") {
  const auto examples = examples_of(5);
  const std::vector<Example> none, empty = {{{}, {}, 0}};
  const std::vector<int64_t> beyond = {5};
  CHECK_THROWS_WITH_AS(Batches(kTokens, &examples, 6, 1),
                       "batches: the batch size must be at most the 5 training examples, got 6",
                       UsageError);
  CHECK_THROWS_AS(Batches(kTokens, &examples, 0, 1), UsageError);
  CHECK_THROWS_AS(Batches(kTokens, &examples, 2, 1, bucketed(0)), UsageError);
  CHECK_THROWS_AS(Batches(kTokens, &none, 1, 1), Error);
  CHECK_THROWS_AS(Batches(kTokens, nullptr, 1, 1), Error);
  CHECK_THROWS_AS(Batches(kTokens, &empty, 1, 1), DataError);
  CHECK_THROWS_AS(EvaluationBatches(kTokens, &none, 1), Error);
  CHECK_THROWS_AS(make_batch(kTokens, examples, beyond), Error);
  CHECK_THROWS_AS(make_batch(kTokens, examples, {}), Error);
  Batches batches(kTokens, &examples, 2, 1);
  CHECK_THROWS_AS(batches.set_position(-1), Error);
}

TEST_CASE("elements: one byte each below 256, else two; copies share them") {
  const Elements narrow = {0, 7, 255}, wide = {0, 7, 256}, none;
  CHECK(narrow.bytes().size() == 3);
  CHECK(wide.bytes().size() == 6);
  CHECK(none.bytes().empty());
  CHECK(narrow.values() == std::vector<uint16_t>{0, 7, 255});
  CHECK(wide.values() == std::vector<uint16_t>{0, 7, 256});
  CHECK(wide[2] == 256);
  CHECK(narrow.largest() == 255);
  CHECK(none.largest() == 0);
  CHECK(Elements(std::vector<uint8_t>{0, 7, 255}) == narrow);
  CHECK_FALSE(narrow == wide);
  CHECK_FALSE(Elements{257} == Elements{1, 1});
  CHECK(Elements{2, 0, 1}.mapped({300, 4, 5}) == Elements{5, 300, 4});
  const Elements copy = wide;
  CHECK(copy.bytes().data() == wide.bytes().data());
}

TEST_CASE("task: majority rate, class counts and lengths") {
  const std::vector<Example> examples = {{{2}, {}, 1}, {{2}, {}, 0}, {{2}, {}, 1}, {{2}, {}, 3}};
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

TEST_CASE(
    "batches by tokens: every example once per epoch, similar lengths, and within the limit") {
  const std::vector<Example> examples = examples_of(203);
  constexpr int64_t kTokensPerBatch = 100;
  Batches batches(kTokens, &examples, 8, 1, {.tokens = kTokensPerBatch});
  CHECK(batches.smallest() >= 2);  // the longest have 40 tokens
  std::vector<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::set<int64_t> seen;
    std::vector<int64_t> sizes;
    for (int64_t i = 0; i < batches.batches_per_epoch(); ++i) {
      const Batch batch = batches.next();
      check_rows(batch, examples);
      CHECK(batch.input.size() <= kTokensPerBatch);
      CHECK(batches.last_size() == batch.size());
      CHECK(batch.size() >= batches.smallest());
      seen.insert(batch.examples.begin(), batch.examples.end());
      sizes.push_back(batch.size());
    }
    CHECK(seen.size() == examples.size());
    orders.push_back(sizes);
  }
  CHECK_FALSE(orders[0] == orders[1]);  // the batches of an epoch are shuffled anew
  CHECK(batches.epoch() == 2);
}

TEST_CASE(
    "batches by tokens: batch p is the same however one gets there, and long ones are alone") {
  const std::vector<Example> examples = examples_of(61);
  const BatchOptions options{.tokens = 30};
  Batches all(kTokens, &examples, 8, 7, options), later(kTokens, &examples, 8, 7, options);
  CHECK(all.smallest() == 1);  // of more than 15 tokens
  const int64_t place = all.batches_per_epoch() + 3;
  for (int64_t i = 0; i < place; ++i) all.next();
  later.set_position(place);
  for (int i = 0; i < 5; ++i) CHECK(same(all.next(), later.next()));
}
