#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "core/check.h"
#include "data/language/evaluation.h"
#include "data/language/masking.h"
#include "data/language/windows.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using Ids = std::vector<int32_t>;

// Tokens begin, begin + 1, .. as a part of a longer array, so that a token says where it is.
TokenSpan counting(int64_t count, int64_t begin = 0) {
  const auto tokens = std::make_shared<TokenArray>();
  Ids ids(size_t(begin + count), 0);
  std::iota(ids.begin(), ids.end(), 0);
  tokens->append(ids);
  return {tokens, begin, count};
}

Ids values_of(const Tensor& x) {
  const int32_t* values = x.data<int32_t>();
  return Ids(values, values + x.size());
}

bool same(const TokenBatch& a, const TokenBatch& b) {
  return values_of(a.input) == values_of(b.input) && values_of(a.target) == values_of(b.target);
}

}  // namespace

TEST_CASE("windows: batch p after setting the position equals batch p without stopping") {
  const TokenSpan split = counting(1000, 5);
  for (const WindowOrder order : {WindowOrder::Blocks, WindowOrder::Random, WindowOrder::Streams}) {
    CAPTURE(word_for(order));
    WindowBatches through(split, {16, order}, 4, 7), resumed(split, {16, order}, 4, 7);
    std::vector<TokenBatch> batches;
    for (int p = 0; p < 50; ++p) batches.push_back(through.next());
    for (const int p : {49, 0, 14, 15, 31, 30}) {
      resumed.set_position(p);
      CHECK(same(resumed.next(), batches[size_t(p)]));
      CHECK(resumed.position() == p + 1);
    }
    WindowBatches other(split, {16, order}, 4, 8);
    CHECK(same(other.next(), batches[0]) == (order == WindowOrder::Streams));
  }
}

TEST_CASE("windows: blocks of an epoch are disjoint and cover all but n + B n targets") {
  for (const int64_t count : {200, 201, 209, 215, 1000}) {
    const int64_t n = 10, batch = 3;
    WindowBatches batches(counting(count), {n}, batch, 3);
    for (int64_t epoch = 0; epoch < 20; ++epoch) {
      CHECK(batches.epoch() == epoch);
      std::set<int32_t> targets, offsets;
      for (int64_t i = 0; i < batches.batches_per_epoch(); ++i) {
        const TokenBatch b = batches.next();
        CHECK(b.input.shape() == Shape({batch, n}));
        const Ids input = values_of(b.input), target = values_of(b.target);
        for (size_t k = 0; k < input.size(); ++k) {
          CHECK(target[k] == input[k] + 1);
          CHECK(targets.insert(target[k]).second);
          if (k % size_t(n) == 0) offsets.insert(input[k] % int32_t(n));
        }
      }
      CHECK(offsets.size() == 1);
      CHECK(int64_t(targets.size()) > count - 1 - n - batch * n);
    }
  }
}

TEST_CASE("windows: the offset and the order of the blocks change with the epoch") {
  WindowBatches batches(counting(1000), {10}, 1, 1);
  std::set<int64_t> offsets;
  std::set<std::vector<int64_t>> orders;
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < 5; ++i) {
      const int64_t begin = batches.begins(epoch * batches.batches_per_epoch() + i)[0];
      order.push_back(begin / 10);
      offsets.insert(begin % 10);
    }
    orders.insert(order);
  }
  CHECK(offsets.size() == 10);
  CHECK(orders.size() == 200);
}

TEST_CASE("windows: random windows begin at 0 .. N-n-1, each equally often") {
  const WindowBatches batches(counting(14), {4, WindowOrder::Random}, 10, 1);
  std::vector<int> counts(14);
  for (int64_t p = 0; p < 2000; ++p)
    for (const int64_t begin : batches.begins(p)) ++counts[size_t(begin)];
  for (size_t i = 0; i < counts.size(); ++i) {  // 2000 each, deviation 42
    CHECK(counts[i] == (i < 10 ? doctest::Approx(2000).epsilon(0.1) : doctest::Approx(0)));
  }
}

TEST_CASE("windows: streams go on where they were, row by row") {
  WindowBatches batches(counting(43), {5, WindowOrder::Streams}, 2, 1);  // S = 21, W = 4
  CHECK(batches.batches_per_epoch() == 4);
  CHECK(values_of(batches.next().input) == Ids{0, 1, 2, 3, 4, 21, 22, 23, 24, 25});
  CHECK(values_of(batches.next().target) == Ids{6, 7, 8, 9, 10, 27, 28, 29, 30, 31});
  batches.set_position(4);
  CHECK(values_of(batches.next().input) == Ids{0, 1, 2, 3, 4, 21, 22, 23, 24, 25});
}

TEST_CASE("evaluation: every rule scores every target once, whatever N, n and s") {
  for (const int64_t n : {1, 2, 5, 8}) {
    for (const int64_t count :
         {int64_t(2), int64_t(3), n, n + 1, n + 2, 3 * n, 3 * n + 1, int64_t(41)}) {
      if (count < 2) continue;
      for (int64_t stride = -1; stride <= n; ++stride) {
        EvaluationOptions options{stride < 0 ? EvaluationRule::Stream : EvaluationRule::Sliding,
                                  std::max<int64_t>(stride, 0)};
        if (stride == 0) options.rule = EvaluationRule::Blocks;
        CAPTURE(n);
        CAPTURE(count);
        CAPTURE(stride);
        std::vector<int> scored(size_t(count), 0);
        for (const auto& w : evaluation_windows(count, n, options)) {
          CHECK(w.length >= 1);
          CHECK((options.rule == EvaluationRule::Stream || w.length <= n));
          CHECK(w.begin + w.length <= count - 1);
          for (int64_t i = w.scored; i < w.length; ++i) {
            ++scored[size_t(w.begin + i + 1)];
            // What a target knows: all of the text, or at least n - s tokens.
            const int64_t least = stride < 0 || w.begin == 0 ? w.begin + i
                                  : stride == 0              ? 0
                                                             : n - stride;
            CHECK(i >= std::min(least, w.begin + i));
          }
        }
        CHECK(scored[0] == 0);
        CHECK(std::count(scored.begin() + 1, scored.end(), 1) == count - 1);
      }
      CHECK(evaluation_windows(count, n, {EvaluationRule::Sliding, n}) ==
            evaluation_windows(count, n, {EvaluationRule::Blocks, 0}));
    }
  }
}

TEST_CASE("evaluation: tinyshakespeare's validation has 435 blocks of 256 and one of 179") {
  const auto windows = evaluation_windows(111540, 256, {});
  CHECK(windows.size() == 436);
  CHECK(windows[434] == EvaluationWindow{434 * 256, 256, 0});
  CHECK(windows[435] == EvaluationWindow{111360, 179, 0});
  CHECK(evaluation_windows(1000, 256, {EvaluationRule::Sliding, 0})[1] ==
        EvaluationWindow{64, 256, 192});
}

TEST_CASE("evaluation: batches hold equally long windows; a start token makes the first a target") {
  const TokenSpan split = counting(11, 100);
  const EvaluationWindows plain(split, -1, 4);
  CHECK(plain.targets() == 10);
  CHECK(plain.all().size() == 3);
  CHECK(plain.equally_long(0, 8) == 2);
  CHECK(plain.equally_long(0, 1) == 1);
  CHECK(plain.equally_long(2, 8) == 1);
  CHECK(values_of(plain.batch(0, 2).input) == Ids{100, 101, 102, 103, 104, 105, 106, 107});
  CHECK(values_of(plain.batch(2, 1).target) == Ids{109, 110});
  CHECK_THROWS_AS(plain.batch(1, 2), Error);
  CHECK_THROWS_AS(plain.batch(2, 2), Error);

  const EvaluationWindows words(split, 7, 4, {EvaluationRule::Sliding, 3});
  CHECK(words.targets() == 11);
  CHECK(words.token(0) == 7);
  CHECK(words.token(11) == 110);
  const TokenBatch first = words.batch(0, 1), second = words.batch(1, 1);
  CHECK(values_of(first.input) == Ids{7, 100, 101, 102});
  CHECK(values_of(first.target) == Ids{100, 101, 102, 103});
  CHECK(values_of(second.input) == Ids{102, 103, 104, 105});
  CHECK(values_of(second.target) == Ids{-1, 104, 105, 106});
  int64_t scored = 0;
  for (int64_t i = 0; i < int64_t(words.all().size()); ++i)
    for (const int32_t target : values_of(words.batch(i, 1).target)) scored += target >= 0;
  CHECK(scored == words.targets());
}

TEST_CASE("masks: floor(0.15 z) or one more positions, shares 80/10/10, targets elsewhere -1") {
  int64_t chosen = 0, masked = 0, kept = 0, changed = 0, total = 0;
  for (int64_t index = 0; index < 1000; ++index) {
    Ids tokens(107, 5), targets(107);
    tokens[3] = int32_t(index % 256);
    const Ids before = tokens;
    mask_tokens(tokens, targets, {}, 1, 2, index);
    const int64_t count =
        std::count_if(targets.begin(), targets.end(), [](int32_t t) { return t >= 0; });
    CHECK((count == 16 || count == 17));
    chosen += count;
    total += 107;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (targets[i] < 0) {
        CHECK(targets[i] == -1);
        CHECK(tokens[i] == before[i]);
        continue;
      }
      CHECK(targets[i] == before[i]);
      CHECK(tokens[i] <= 256);
      masked += tokens[i] == 256;
      kept += tokens[i] == before[i];  // or replaced by itself: 1 in 256
      changed += tokens[i] != before[i] && tokens[i] != 256;
    }
  }
  const double n = double(chosen);
  CHECK(std::abs(n - 0.15 * double(total)) < 4 * std::sqrt(1000 * 0.25));
  CHECK(std::abs(double(masked) - 0.8 * n) < 4 * std::sqrt(n * 0.16));
  CHECK(std::abs(double(kept) - (0.1 + 0.1 / 256) * n) < 4 * std::sqrt(n * 0.09));
  CHECK(std::abs(double(changed) - 0.1 * 255 / 256 * n) < 4 * std::sqrt(n * 0.09));
}

TEST_CASE("masks: what is left out of the random tokens never comes, all others do") {
  std::set<int32_t> drawn;
  const auto draw = [&](const MaskOptions& options) {
    drawn.clear();
    for (int64_t index = 0; index < 300; ++index) {
      Ids tokens(50, 5), targets(50);
      mask_tokens(tokens, targets, options, 1, 0, index);
      for (size_t i = 0; i < tokens.size(); ++i)
        if (targets[i] >= 0) drawn.insert(tokens[i]);
    }
    return drawn;
  };
  const MaskOptions all{.share = 1, .kept = 0, .random = 1, .vocab = 6, .mask = 6};
  CHECK(draw(all) == std::set<int32_t>{0, 1, 2, 3, 4, 5});
  MaskOptions some = all;
  some.left_out[0] = 4;
  CHECK(draw(some) == std::set<int32_t>{0, 1, 2, 3, 5});
  some.left_out[1] = 0;
  CHECK(draw(some) == std::set<int32_t>{1, 2, 3, 5});
  some.left_out[0] = 6;  // no token
  CHECK(draw(some) == std::set<int32_t>{1, 2, 3, 4, 5});
  some.vocab = 1;
  CHECK(draw(some) == std::set<int32_t>{6});
}

TEST_CASE("masks: the same for the same seed, epoch and index, others for any other") {
  const auto masked = [](uint64_t seed, int64_t epoch, int64_t index) {
    Ids tokens(200, 5), targets(200);
    mask_tokens(tokens, targets, {}, seed, epoch, index);
    return targets;
  };
  CHECK(masked(1, 0, 0) == masked(1, 0, 0));
  std::set<Ids> all;
  for (const uint64_t seed : {1, 2})
    for (const int64_t epoch : {0, 1})
      for (const int64_t index : {0, 1}) all.insert(masked(seed, epoch, index));
  CHECK(all.size() == 8);
  Ids tokens(10), targets(9);
  CHECK_THROWS_AS(mask_tokens(tokens, targets, {}, 1, 0, 0), Error);
  targets.resize(10);
  CHECK_THROWS_AS(mask_tokens(tokens, targets, {.share = 2}, 1, 0, 0), UsageError);
}
