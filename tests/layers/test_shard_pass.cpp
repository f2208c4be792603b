// A shard of a batch computes what its examples compute in the whole batch: masks of dropout, and
// the statistics of batch norm together.
#include "layers/shard_pass.h"

#include "autograd/recompute.h"
#include "core/range.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Rows first .. end-1 of x or, of pairs, of each of its halves.
Tensor part_of_rows(const Tensor& x, Range examples, bool pairs) {
  const int64_t half = x.size(0) / (1 + pairs);
  std::vector<Variable> parts;
  for (int64_t h = 0; h <= pairs; ++h)
    parts.push_back(slice(Variable(x), 0, h * half + examples.first, h * half + examples.end));
  return concat(parts, 0).value();
}

}  // namespace

TEST_CASE("shards: an element has the mask of its place in the whole batch") {
  const DropoutMask whole{.rate = 0.4, .seed = 5, .step = 6, .call = 7};
  for (const bool pairs : {false, true}) {
    for (const int64_t width : {1, 70, 128, 300}) {  // rows that end inside a tile, or with it
      const int64_t B = 7;
      const Tensor x = full({B * (1 + pairs), width}, 1, DType::Float32);
      const Tensor y = dropout(Variable(x), whole).value();
      const Tensor W = random_normal({3, width}, DType::Float32, 3);
      const Tensor bias = zeros({3}, DType::Float32);
      const auto gated = [&](const Tensor& rows, const DropoutMask& mask) {
        return gated_linear(Variable(rows), Variable(rows), Variable(W), Variable(bias), mask)
            .value();
      };
      for (const int64_t shards : {1, 2, 3, 7}) {
        for (int64_t s = 0; s < shards; ++s) {
          CAPTURE(pairs);
          CAPTURE(width);
          CAPTURE(shards);
          CAPTURE(s);
          const Range examples = part_of(B, s, shards);
          DropoutMask mask = whole;
          mask.rows = {examples.first, examples.size(), B};
          const Tensor part = part_of_rows(x, examples, pairs);
          CHECK(to_vector(dropout(Variable(part), mask).value()) ==
                to_vector(part_of_rows(y, examples, pairs)));
          CHECK(distance(gated(part, mask), part_of_rows(gated(x, whole), examples, pairs)) < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("shards: the running statistics move once, by those of the whole batch") {
  const int64_t B = 7, D = 3;
  // The means of the shards differ: their own variances alone would be far too small.
  Tensor x = random64({B, 4, D}, 1);
  for (int64_t b = 0; b < B; ++b)
    for (int64_t i = 0; i < 4 * D; ++i) x.data<double>()[b * 4 * D + i] += 10 * double(b);
  const auto running = [&](int64_t shards) {
    Parameters store(1, DType::Float64);
    const BatchNorm norm(store.root() / "first", D), other(store.root() / "other", D);
    std::vector<Tensor> moved;
    std::vector<std::vector<double>> found;
    for (int64_t s = 0; s < shards; ++s) {
      const Range examples = part_of(B, s, shards);
      ShardPass shard(store, examples, B);
      const Variable part(part_of_rows(x, examples, false));
      norm(part);
      other(part * part);
      moved = shard.running;
      found.push_back(shard.found);
    }
    move_running_statistics(moved, found);
    std::vector<double> all;
    for (const BatchNorm* n : {&norm, &other})
      for (const Tensor& t : {n->running_mean, n->running_var})
        for (const double v : to_vector(t)) all.push_back(v);
    return all;
  };
  const std::vector<double> whole = running(1);
  CHECK(whole[0] > 1);
  for (const int64_t shards : {2, 3, 7}) CHECK(distance(running(shards), whole) < 1e-13);
}

TEST_CASE("shards: what is computed again leaves no statistics a second time") {
  Parameters store(1, DType::Float64);
  const BatchNorm norm(store.root() / "norm", 3);
  ShardPass shard(store, {0, 2}, 4);
  const Variable x = Variable::leaf(random64({2, 5, 3}, 1));
  Tape tape;
  tape.backward(mean(recompute([&](const Variable& v) { return norm(v) * norm(v); }, x)));
  CHECK(shard.running.size() == 4);
  CHECK(shard.found.size() == 2 * 7);
  CHECK(to_vector(norm.running_mean) == std::vector<double>(3, 0));
}

TEST_CASE("shards: after a shard the model computes whole batches again") {
  Parameters store(1);
  {
    const ShardPass shard(store, {0, 2}, 4);
    CHECK(store.shard() == &shard);
  }
  CHECK(store.shard() == nullptr);
  const ShardPass whole(store, {0, 4}, 4);
  CHECK(store.shard() == nullptr);
}
