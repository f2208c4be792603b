#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "core/check.h"
#include "core/random.h"
#include "data/language/ngram.h"

using namespace skiff;

namespace {

using Ids = std::vector<int32_t>;

TokenSpan span_of(const Ids& ids, int64_t begin, int64_t count) {
  const auto tokens = std::make_shared<TokenArray>();
  tokens->append(ids);
  return {tokens, begin, count};
}

// Text of a made-up language: the next letter depends on the two before it, with some noise.
Ids made_text(int64_t count, int64_t vocab) {
  Random random(1);
  Ids ids = {0, 1};
  while (int64_t(ids.size()) < count) {
    const int64_t a = ids[ids.size() - 1], b = ids[ids.size() - 2];
    const bool noise = random.uniform() < 0.2;
    ids.push_back(int32_t(noise ? random.below(vocab) : (3 * a + 5 * b + random.below(3)) % vocab));
  }
  return ids;
}

// The formula as it is written in ngram.h, on maps of maps.
double witten_bell(const std::map<Ids, std::map<int32_t, int64_t>>& counts, Ids context,
                   int32_t token, int64_t vocab) {
  const double shorter =
      context.empty() ? 1 / double(vocab)
                      : witten_bell(counts, Ids(context.begin() + 1, context.end()), token, vocab);
  const auto found = counts.find(context);
  if (found == counts.end()) return shorter;
  double total = 0, types = 0, count = 0;
  for (const auto& [next, times] : found->second) {
    total += double(times);
    types += 1;
    if (next == token) count = double(times);
  }
  return (count + types * shorter) / (total + types);
}

std::vector<double> slow_losses(const Ids& ids, int64_t train, int64_t order, int64_t vocab) {
  std::map<Ids, std::map<int32_t, int64_t>> counts;
  for (int64_t i = 0; i < train; ++i)
    for (int64_t length = 0; length < order && length <= i; ++length)
      ++counts[Ids(ids.begin() + i - length, ids.begin() + i)][ids[size_t(i)]];
  std::vector<double> losses;
  for (int64_t length = 0; length < order; ++length) {
    double sum = 0;
    for (int64_t i = train; i < int64_t(ids.size()); ++i) {
      const Ids context(ids.begin() + std::max<int64_t>(0, i - length), ids.begin() + i);
      sum -= std::log(witten_bell(counts, context, ids[size_t(i)], vocab));
    }
    losses.push_back(sum / double(int64_t(ids.size()) - train));
  }
  return losses;
}

}  // namespace

TEST_CASE("n-gram: the losses of orders 1 to 6 are those of the formula on maps of maps") {
  for (const int64_t vocab : {5, 40}) {
    const Ids ids = made_text(3000, vocab);
    const int64_t train = 2500;
    const NgramModel model(span_of(ids, 0, train), {.order = 6, .vocab = vocab});
    const std::vector<double> fast = model.losses(span_of(ids, train, 500));
    const std::vector<double> slow = slow_losses(ids, train, 6, vocab);
    REQUIRE(fast.size() == 6);
    for (size_t k = 0; k < 6; ++k) CHECK(fast[k] == doctest::Approx(slow[k]).epsilon(1e-12));
    if (vocab == 5) CHECK(fast[1] < fast[0] - 0.2);  // 3 a + 5 b depends on a alone
  }
}

TEST_CASE("n-gram: a short text by hand") {
  // aab, then b: unigram (1 + 2/2) / (3 + 2); after b, at the end of training, nothing is known.
  const Ids ids = {0, 0, 1, 1};
  const NgramModel model(span_of(ids, 0, 3), {.order = 2, .vocab = 2});
  CHECK(model.ngrams() == 4);
  const std::vector<double> losses = model.losses(span_of(ids, 3, 1));
  CHECK(losses[0] == doctest::Approx(-std::log(2.0 / 5)));
  CHECK(losses[1] == losses[0]);
}

TEST_CASE(
    "n-gram: n-grams of the training text are counted exactly beyond one piece and one table") {
  const Ids ids = made_text(70000, 60);
  std::set<std::pair<int32_t, int32_t>> pairs;
  for (size_t i = 1; i < ids.size(); ++i) pairs.emplace(ids[i - 1], ids[i]);
  CHECK(pairs.size() > 3200);  // the table has grown
  const TokenSpan train = span_of(ids, 0, int64_t(ids.size()));
  CHECK(NgramModel(train, {.order = 2, .vocab = 60}).ngrams() == int64_t(60 + pairs.size()));
  CHECK_THROWS_WITH_AS(NgramModel(train, {.order = 2, .vocab = 60, .most_ngrams = 1000}),
                       doctest::Contains("different n-grams; choose an order below 2"), UsageError);
}
