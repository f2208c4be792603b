// The exchange of gradients: the bits of one process for any number of processes, and no more
// bytes than its formula says.
#include "optim/exchange.h"

#include <cstring>
#include <deque>

#include "core/processes_virtual.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// A vector of numbers over 40 binades: almost every sum rounds.
Tensor numbers(int64_t count, uint64_t seed) {
  const std::vector<double> normal = to_vector(random64({count}, seed)),
                            exponent = to_vector(random64({count}, seed + 100000));
  Tensor x({count}, DType::Float32);
  for (int64_t i = 0; i < count; ++i)
    x.data<float>()[i] =
        float(std::ldexp(normal[size_t(i)], int(std::clamp(8 * exponent[size_t(i)], -20.0, 20.0))));
  return x;
}

std::vector<Tensor> gradients(int64_t shards, int64_t count) {
  std::vector<Tensor> all;
  for (int64_t s = 0; s < shards; ++s) all.push_back(numbers(count, uint64_t(s + 1)));
  return all;
}

// T(a, b) as it is defined.
std::vector<float> tree(const std::vector<Tensor>& g, int64_t a, int64_t b) {
  if (b == a + 1) return {g[size_t(a)].data<float>(), g[size_t(a)].data<float>() + g[0].size()};
  int64_t half = 1;
  while (2 * half < b - a) half *= 2;
  std::vector<float> left = tree(g, a, a + half);
  const std::vector<float> right = tree(g, a + half, b);
  for (size_t i = 0; i < left.size(); ++i) left[i] += right[i];
  return left;
}

bool same_bits(const Tensor& x, const std::vector<float>& y) {
  return x.size() == int64_t(y.size()) &&
         (y.empty() || std::memcmp(x.raw(), y.data(), size_t(x.bytes())) == 0);
}

struct Finding {
  bool same = true;               // on every process
  double bytes = 0, formula = 0;  // of all processes
  int64_t largest_rounding = 0;   // of the formula, in bytes: segments differ by a number
};

TreeSum own_sum(const std::vector<Tensor>& g, int rank, int count) {
  const auto shards = int64_t(g.size());
  TreeSum sum(shards);
  const Range own = shards_of(rank, count, shards);
  for (int64_t s = own.first; s < own.end; ++s) sum.add(s, g[size_t(s)].clone());
  return sum;
}

Finding exchange(const std::vector<Tensor>& g, int count, const std::vector<float>& expected) {
  const auto shards = int64_t(g.size());
  VirtualProcesses processes(count);
  std::deque<Exchange> exchanges;
  for (int p = 0; p < count; ++p) {
    exchanges.emplace_back(processes[p], shards);
    exchanges.back().send_nodes(own_sum(g, p, count));
  }
  for (Exchange& e : exchanges) e.add_segments();
  Finding found;
  for (int p = 0; p < count; ++p) {
    found.same = found.same && same_bits(exchanges[size_t(p)].total(), expected);
    found.bytes += double(processes[p].bytes_sent());
    found.formula += exchanged_bytes(p, count, shards, double(g[0].bytes()));
    found.largest_rounding += g[0].bytes() / g[0].size() * (count + 2 * shards);
  }
  return found;
}

}  // namespace

TEST_CASE("exchange: every number of shards and processes gives the bits of the tree") {
  for (int shards = 1; shards <= 40; ++shards) {
    const std::vector<Tensor> g = gradients(shards, 13);
    const std::vector<float> expected = tree(g, 0, shards);
    for (int count = 1; count <= shards; ++count) {
      CAPTURE(shards);
      CAPTURE(count);
      const Finding found = exchange(g, count, expected);
      CHECK(found.same);
      CHECK(std::abs(found.bytes - found.formula) <= double(found.largest_rounding));
    }
  }
}

TEST_CASE("exchange: sends what its formula says, where the segments are equal") {
  const std::vector<Tensor> g = gradients(8, 840);  // divisible by 1 .. 8
  const std::vector<float> expected = tree(g, 0, 8);
  for (const int count : {1, 2, 4, 8}) {  // one node each: 2 (P - 1) / P of the gradient
    const Finding found = exchange(g, count, expected);
    CHECK(found.same);
    CHECK(found.bytes == found.formula);
    CHECK(found.bytes == 2.0 * (count - 1) * 840 * 4);
  }
  for (const int count : {3, 5, 6, 7}) CHECK(exchange(g, count, expected).same);
  // Three processes hold [0, 2); [2, 4) and [4, 5); [5, 6) and [6, 8): five nodes.
  const Finding three = exchange(g, 3, expected);
  CHECK(three.formula == (5 + 3) * 2.0 / 3 * 840 * 4);
  CHECK(three.bytes == three.formula);
}

TEST_CASE("exchange: 1024 processes with a shard each") {
  const std::vector<Tensor> g = gradients(1024, 100);  // most segments are empty
  CHECK(exchange(g, 1024, tree(g, 0, 1024)).same);
}

TEST_CASE("exchange: more processes than shards are refused, and so are sums of other shards") {
  VirtualProcesses processes(3);
  CHECK(message_of([&] { Exchange(processes[0], 2); }) ==
        "3 processes for 2 shards; start at most 2");
  Exchange e(processes[0], 4);
  const std::vector<Tensor> g = gradients(4, 3);
  CHECK(contains(message_of([&] { e.send_nodes(own_sum(g, 1, 3)); }),
                 "process 0 of 3 (host virtual) has not added up its own shards"));
}

TEST_CASE("gather_shards: records arrive in the order of the shards") {
  struct Record {
    double loss;
    int64_t shard;
  };
  OneProcess one;
  const std::vector<Record> mine = {{0.5, 0}, {0.25, 1}};
  const std::vector<Record> all = gather_shards<Record>(one, mine, 2);
  REQUIRE(all.size() == 2);
  CHECK(all[1].loss == 0.25);
  CHECK(contains(message_of([&] { gather_shards<Record>(one, mine, 3); }), "3 records, got 2"));
}
