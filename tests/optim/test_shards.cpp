// The tree along which the gradients of shards are added: whoever computes which shard, one sum.
#include "optim/shards.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using Numbers = std::vector<float>;

// A number per shard and place, over 40 powers of two, so that every grouping rounds otherwise.
std::vector<Numbers> gradients_of(int64_t shards, int64_t count) {
  Random random(7);
  std::vector<Numbers> all(static_cast<size_t>(shards), Numbers(size_t(count)));
  for (Numbers& one : all)
    for (float& g : one)
      g = float(std::ldexp(random.uniform() * 2 - 1, int(random.below(40)) - 20));
  return all;
}

// The recursive definition: T(a, b) = T(a, m) + T(m, b).
Numbers tree(const std::vector<Numbers>& g, int64_t a, int64_t b) {
  if (b == a + 1) return g[size_t(a)];
  int64_t power = 1;
  while (2 * power < b - a) power *= 2;
  Numbers left = tree(g, a, a + power);
  const Numbers right = tree(g, a + power, b);
  for (size_t i = 0; i < left.size(); ++i) left[i] += right[i];
  return left;
}

Tensor tensor32(const Numbers& numbers) {
  Tensor x({int64_t(numbers.size())}, DType::Float32);
  std::copy(numbers.begin(), numbers.end(), x.data<float>());
  return x;
}

bool same_bits(const Tensor& sum, const Numbers& expected) {
  return sum.size() == int64_t(expected.size()) &&
         std::memcmp(sum.raw(), expected.data(), expected.size() * sizeof(float)) == 0;
}

// What P processes make: each the sums of its own nodes, then all nodes in order.
Tensor sum_of(const std::vector<Numbers>& g, int64_t processes) {
  const int64_t shards = int64_t(g.size());
  TreeSum all(shards);
  for (int64_t p = 0; p < processes; ++p) {
    const Range own = shards_of(p, processes, shards);
    TreeSum part(shards);
    for (int64_t s = own.first; s < own.end; ++s) part.add(s, tensor32(g[size_t(s)]));
    const std::vector<Range> expected = nodes_of(own, shards);
    REQUIRE(part.nodes().size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(part.nodes()[i].range == expected[i]);
      all.add(expected[i], part.nodes()[i].sum);
    }
  }
  return all.total();
}

}  // namespace

TEST_CASE("shards: any number of processes adds to the bits of the recursive definition") {
  int64_t in_order = 0;
  for (int64_t shards = 1; shards <= 40; ++shards) {
    const std::vector<Numbers> g = gradients_of(shards, 5);
    const Numbers expected = tree(g, 0, shards);
    Numbers chain = g[0];
    for (size_t s = 1; s < g.size(); ++s)
      for (size_t i = 0; i < chain.size(); ++i) chain[i] += g[s][i];
    in_order += chain != expected;
    for (int64_t processes = 1; processes <= shards; ++processes) {
      CAPTURE(shards);
      CAPTURE(processes);
      CHECK(same_bits(sum_of(g, processes), expected));
    }
  }
  CHECK(in_order > 20);  // the numbers tell groupings apart
  const std::vector<Numbers> many = gradients_of(1024, 3);
  CHECK(same_bits(sum_of(many, 1024), tree(many, 0, 1024)));
}

TEST_CASE("shards: the nodes of all processes are the fewest that cover every shard once") {
  for (int64_t shards = 1; shards <= 40; ++shards) {
    for (int64_t processes = 1; processes <= shards; ++processes) {
      int64_t next = 0;
      for (int64_t p = 0; p < processes; ++p) {
        const Range own = shards_of(p, processes, shards);
        CHECK(own.size() >= 1);
        const std::vector<Range> nodes = nodes_of(own, shards);
        CHECK(int64_t(nodes.size()) <=
              std::max<int64_t>(1, 2 * std::bit_width(uint64_t(shards - 1))));
        for (const Range& node : nodes) {
          CHECK(node.first == next);
          CHECK(is_node(node, shards));
          next = node.end;
        }
        // No two neighbours are the halves of one node of the range.
        for (size_t i = 1; i < nodes.size(); ++i)
          CHECK_FALSE(is_node({nodes[i - 1].first, nodes[i].end}, shards));
      }
      CHECK(next == shards);
    }
  }
  CHECK(nodes_of({0, 6}, 6) == std::vector<Range>{{0, 6}});
  CHECK(nodes_of({3, 6}, 6) == std::vector<Range>{{3, 4}, {4, 6}});
  CHECK(nodes_of({1, 6}, 8) == std::vector<Range>{{1, 2}, {2, 4}, {4, 6}});
}

TEST_CASE("shards: a tree keeps few sums, and refuses what does not come next") {
  TreeSum sum(1000);
  size_t most = 0;
  for (int64_t s = 0; s < 1000; ++s) {
    sum.add(s, tensor32({1}));
    most = std::max(most, sum.nodes().size());
  }
  CHECK(most <= 10);
  CHECK(item(sum.total()) == 1000);
  TreeSum other(4);
  CHECK(contains(message_of([&] { other.total(); }), "none of the 4 shards is added"));
  other.add(0, tensor32({1}));
  CHECK(contains(message_of([&] { other.add(2, tensor32({1})); }),
                 "[2, 3) is not the next node of 4 shards after 1"));
  CHECK(contains(message_of([&] { other.add({1, 3}, tensor32({1})); }), "not the next node"));
  CHECK(contains(message_of([&] { other.add(1, tensor32({1, 2})); }), "one shape"));
}

TEST_CASE("shards: gradients go into one vector and back, by the order of their parameters") {
  Parameters store(1);
  const Variable a = store.root().parameter("a", {2, 3}, constant(1));
  store.root().parameter("unused", {4}, constant(1));
  store.root().buffer("buffer", {5}, constant(1));
  const Variable b = store.root().parameter("b", {2}, constant(1));
  {
    Tape tape;
    tape.backward(sum(2.0 * a) + sum(3.0 * b));
  }
  const Tensor flat = flat_gradients(store);
  CHECK(to_vector(flat) == std::vector<double>{2, 2, 2, 2, 2, 2, 3, 3});
  const std::vector<double> others{1, 2, 3, 4, 5, 6, 7, 8};
  set_flat_gradients(store, tensor_of(others, {8}, DType::Float32));
  CHECK(to_vector(a.grad()) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(to_vector(b.grad()) == std::vector<double>{7, 8});
  CHECK(a.grad().shape() == a.shape());
  CHECK_FALSE(store.find("unused")->variable.grad());
  CHECK(
      contains(message_of([&] { set_flat_gradients(store, zeros({7}, DType::Float32)); }), "got"));
  CHECK(
      contains(message_of([&] { set_flat_gradients(store, zeros({9}, DType::Float32)); }), "got"));
}
