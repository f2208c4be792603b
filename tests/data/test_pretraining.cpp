// Masks, targets and constant answers of pretraining; parts of a data set.
#include "data/pretraining.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "data/split.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

constexpr int64_t kVocab = 20;

std::vector<uint16_t> tokens_of(int64_t count, int64_t first) {
  std::vector<uint16_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(uint16_t(3 + (first + 5 * i) % 17));
  return tokens;
}

// Documents of other lengths; pairs of them if asked for.
std::vector<Example> documents(bool pairs) {
  std::vector<Example> examples;
  for (const int64_t length : {40, 7, 25, 60, 1})
    examples.push_back(
        {tokens_of(length, length), pairs ? tokens_of(61 - length, 2) : Elements(), 0});
  return examples;
}
InputFormat format_of_documents(bool pairs) {
  InputFormat format;
  format.vocab = kVocab;
  format.pairs = pairs;
  return format;
}

InputFormat format_of_images() {
  InputFormat format;
  format.height = 8;
  format.width = 32;
  format.pixel_mean = 0.473;
  format.pixel_deviation = 0.251;
  return format;
}
std::vector<Example> images() {
  std::vector<Example> examples;
  for (int64_t image = 0; image < 3; ++image) {
    std::vector<uint8_t> pixels;
    for (int64_t i = 0; i < 256; ++i) pixels.push_back(uint8_t(i + 7 * image));
    examples.push_back({Elements(pixels), {}, 0});
  }
  return examples;
}

std::vector<int32_t> ints(const Tensor& x) {
  return {x.data<int32_t>(), x.data<int32_t>() + x.size()};
}
bool has(const std::vector<int32_t>& sorted, int64_t value) {
  return std::binary_search(sorted.begin(), sorted.end(), int32_t(value));
}

}  // namespace

TEST_CASE("pretraining: the share of masked positions is that asked for, within four deviations") {
  const int64_t n = 100000;
  for (const double share : {0.1, 0.15, 0.5}) {
    const std::vector<bool> masked = masked_positions(n, share, 1, 2, 3);
    const auto count = double(std::count(masked.begin(), masked.end(), true));
    CHECK(std::abs(count - share * n) < 4 * std::sqrt(n * share * (1 - share)));
    int64_t both = 0;  // neighbours, for independence
    for (size_t i = 1; i < masked.size(); ++i) both += masked[i] && masked[i - 1];
    CHECK(std::abs(double(both) - share * share * n) < 6 * std::sqrt(n) * share);
  }
}

TEST_CASE("pretraining: masks are a function of seed, epoch and index") {
  const std::vector<bool> masked = masked_positions(64, 0.5, 1, 2, 3);
  CHECK((masked == masked_positions(64, 0.5, 1, 2, 3)));
  CHECK((masked != masked_positions(64, 0.5, 7, 2, 3)));
  CHECK((masked != masked_positions(64, 0.5, 1, 7, 3)));
  CHECK((masked != masked_positions(64, 0.5, 1, 2, 7)));
  CHECK((masked != masked_positions(64, 0.5, 1, 3, 2)));
  for (const double share : {0.0, 1.0, -0.5, 2.0})
    CHECK(contains(message_of([&] { masked_positions(8, share, 1, 2, 3); }),
                   "--mask-share: must be between 0 and 1"));
}

TEST_CASE("pretraining: masked tokens become the mask and are the targets; padding never") {
  for (const bool pairs : {false, true}) {
    CAPTURE(pairs);
    const std::vector<Example> examples = documents(pairs);
    const InputFormat format = format_of_documents(pairs);
    const PretrainRule rule{.share = 0.3, .seed = 5};
    const int64_t chosen[] = {3, 0, 1};
    const Batch batch = make_batch(format, examples, chosen);
    const PretrainBatch made = pretrain_batch(batch, format, rule, 4);
    const std::vector<int32_t> before = ints(batch.input), after = ints(made.input);
    const std::vector<int32_t> places = ints(made.places), labels = ints(made.labels);
    CHECK(made.positions() == batch.input.size());
    CHECK(ints(made.lengths) == ints(batch.lengths));
    const int64_t n = batch.input.size(1);
    size_t target = 0;
    std::vector<int64_t> masked_of_row(size_t(batch.input.size(0)));
    for (size_t at = 0; at < before.size(); ++at) {
      const size_t row = at / size_t(n);
      const bool padding = int64_t(at) % n >= ints(batch.lengths)[row];
      if (!has(places, int64_t(at))) {
        CHECK(after[at] == before[at]);
        continue;
      }
      CHECK_FALSE(padding);
      CHECK(after[at] == kVocab);
      CHECK(labels[target++] == before[at]);
      ++masked_of_row[row];
    }
    CHECK(target == labels.size());
    for (size_t row = 0; row < 2; ++row) CHECK(masked_of_row[row] > 0);  // 60 and 40 tokens
    if (pairs) CHECK(masked_of_row[5] > 0);                              // 54 tokens

    const int64_t other[] = {2, 3};  // the same example in another row of another batch
    const PretrainBatch again =
        pretrain_batch(make_batch(format, examples, other), format, rule, 4);
    const std::vector<int32_t> rows = ints(again.input);
    CHECK(std::equal(after.begin(), after.begin() + n, rows.begin() + again.input.size(1)));
  }
}

TEST_CASE("pretraining: the two documents of a pair have masks of their own") {
  const std::vector<uint16_t> text = tokens_of(64, 0);
  const std::vector<Example> examples = {{text, text, 0}};
  const InputFormat format = format_of_documents(true);
  const int64_t first[] = {0};
  const std::vector<int32_t> input =
      ints(pretrain_batch(make_batch(format, examples, first), format, {.share = 0.5}, 1).input);
  CHECK_FALSE(std::equal(input.begin(), input.begin() + 64, input.begin() + 64));
}

TEST_CASE(
    "pretraining: a masked pixel is exactly 0 with flag 1; its level or value is the target") {
  const std::vector<Example> examples = images();
  const InputFormat format = format_of_images();
  const int64_t all[] = {2, 0, 1};
  const Batch batch = make_batch(format, examples, all);
  for (const PixelTarget kind : {PixelTarget::Level, PixelTarget::Value}) {
    const PretrainRule rule{.share = 0.5, .masked_pixel = kind};
    const PretrainBatch made = pretrain_batch(batch, format, rule, 0);
    REQUIRE(made.input.shape() == Shape{3, 256, 2});
    CHECK(predicts_values(format, rule) == bool(made.values));
    CHECK(bool(made.labels) != bool(made.values));
    CHECK(target_classes(format, rule) == (made.values ? 1 : 256));
    const std::vector<int32_t> places = ints(made.places);
    const float *before = batch.input.data<float>(), *after = made.input.data<float>();
    size_t target = 0;
    for (int64_t i = 0; i < batch.input.size(); ++i) {
      const bool masked = has(places, i);
      CHECK(after[2 * i] == (masked ? 0.0f : before[i]));
      CHECK(after[2 * i + 1] == (masked ? 1.0f : 0.0f));
      if (!masked) continue;
      if (made.values) {
        CHECK(made.values.data<float>()[target] == before[i]);
      } else {
        const Example& example = examples[size_t(all[i / 256])];
        CHECK(made.labels.data<int32_t>()[target] == example.tokens[size_t(i % 256)]);
      }
      ++target;
    }
    CHECK(int64_t(target) == made.places.size());
    CHECK(std::abs(double(target) - 384) < 4 * std::sqrt(768 * 0.25));
  }
}

TEST_CASE("pretraining: causal targets are the next token or gray level, and the input stays") {
  const PretrainRule rule{.objective = Pretrain::Causal, .masked_pixel = PixelTarget::Value};
  const std::vector<Example> examples = documents(false);
  const InputFormat format = format_of_documents(false);
  const int64_t chosen[] = {1, 0, 4};  // 7, 40 and 1 tokens
  const Batch batch = make_batch(format, examples, chosen);
  const PretrainBatch made = pretrain_batch(batch, format, rule, 1);
  CHECK(ints(made.input) == ints(batch.input));
  std::vector<int32_t> places, labels;
  for (int64_t row = 0; row < 2; ++row)
    for (size_t i = 0; i + 1 < examples[size_t(chosen[row])].tokens.size(); ++i) {
      places.push_back(int32_t(row * 40) + int32_t(i));
      labels.push_back(examples[size_t(chosen[row])].tokens[i + 1]);
    }
  CHECK(ints(made.places) == places);
  CHECK(ints(made.labels) == labels);

  const int64_t image[] = {1};
  const PretrainBatch pixels =
      pretrain_batch(make_batch(format_of_images(), images(), image), format_of_images(), rule, 1);
  CHECK(pixels.input.shape() == Shape{1, 256, 1});
  REQUIRE(pixels.labels.size() == 255);
  for (size_t i = 0; i < 255; ++i) CHECK(ints(pixels.labels)[i] == images()[1].tokens[i + 1]);

  const int64_t single[] = {4};
  const Batch alone = make_batch(format, examples, single);
  CHECK(contains(message_of([&] { pretrain_batch(alone, format, rule, 1); }), "2 positions"));
}

TEST_CASE("pretraining: a batch in which no position is masked has its first one masked") {
  const std::vector<Example> examples = {{{4}, {}, 0}, {{5, 6}, {}, 0}};
  const InputFormat format = format_of_documents(false);
  const int64_t all[] = {0, 1};
  const PretrainBatch made =
      pretrain_batch(make_batch(format, examples, all), format, {.share = 1e-9}, 1);
  CHECK(ints(made.places) == std::vector<int32_t>{0});
  CHECK(ints(made.labels) == std::vector<int32_t>{4});
  CHECK(ints(made.input) == std::vector<int32_t>{int32_t(kVocab), 0, 5, 6});
}

TEST_CASE("pretraining: the constant answer is that of the frequencies, or of the median") {
  InputFormat format = format_of_documents(false);
  format.vocab = 5;
  const ConstantAnswer tokens =
      constant_answer(format, {}, {{{3, 3}, {}, 0}, {{4}, {}, 0}}, {{{3, 4, 4, 4}, {}, 0}});
  CHECK(tokens.loss == doctest::Approx(-0.25 * std::log(3. / 8) - 0.75 * std::log(2. / 8)));
  CHECK(tokens.accuracy == 0.25);
  format = format_of_images();
  const PretrainRule values{.masked_pixel = PixelTarget::Value};
  const ConstantAnswer pixels =
      constant_answer(format, values, {{{0, 10, 20}, {}, 0}}, {{{10, 30}, {}, 0}});
  CHECK(pixels.loss == doctest::Approx(10 / (255 * format.pixel_deviation)));
  CHECK(std::isnan(pixels.accuracy));
}

TEST_CASE("batches: the gray level is found again in what the model reads") {
  std::vector<uint8_t> levels;
  for (int i = 0; i < 256; ++i) levels.push_back(uint8_t(i));
  const int64_t first[] = {0};
  for (const double deviation : {0.251, 0.5, 1.0}) {
    InputFormat format = format_of_images();
    format.pixel_deviation = deviation;
    const Batch batch = make_batch(format, {{Elements(levels), {}, 0}}, first);
    for (int i = 0; i < 256; ++i) CHECK(gray_level(batch.input.data<float>()[i], format) == i);
  }
}

TEST_CASE("split: a balanced subset has equally many of each class, in order, by its seed") {
  std::vector<Example> examples;
  for (int i = 0; i < 60; ++i) examples.push_back({{uint16_t(i)}, {}, i < 40 ? 0 : i < 57 ? 1 : 2});
  const auto numbers = [&](int64_t count, uint64_t seed) {
    std::vector<int> chosen;
    for (const Example& e : balanced_subset(examples, count, seed)) chosen.push_back(e.tokens[0]);
    return chosen;
  };
  const std::vector<int> nine = numbers(9, 1);
  CHECK(std::is_sorted(nine.begin(), nine.end()));
  CHECK(std::adjacent_find(nine.begin(), nine.end()) == nine.end());
  CHECK(class_counts(balanced_subset(examples, 9, 1), 3) == std::vector<int64_t>{3, 3, 3});
  CHECK(nine == numbers(9, 1));
  CHECK(nine != numbers(9, 2));
  CHECK(class_counts(balanced_subset(examples, 25, 1), 3) == std::vector<int64_t>{11, 11, 3});
  CHECK(balanced_subset(examples, 100, 1).size() == 60);
}
