// Shards: a batch of B examples is cut into K parts, each part's gradient is computed by itself,
// and the K gradients are added along a binary tree that depends on K alone. So the sum has the
// same bits whoever computes which shard: one process after the other shards, or P processes.
//
//   loss of shard s   l_s = mean over its B_s examples;  g_s = d (B_s / B) l_s
//   tree              T(s, s + 1) = g_s
//                     T(a, b) = T(a, m) + T(m, b),  m = a + the largest power of two below b - a
//   gradient          g = T(0, K)
//
// A node of the tree is a range [a, b) of shards for which T(a, b) is computed on the way to
// T(0, K): a power of two of shards that begins at a multiple of its size, or what is left at the
// right end, such as [4, 6) and [0, 6) for K = 6. The order of the two operands does not matter
// (addition commutes in floating point as well), their grouping does.
#pragma once

#include <cstdint>
#include <vector>

#include "core/range.h"
#include "core/tensor.h"
#include "layers/parameters.h"

namespace skiff {

// The examples of shard s of a batch; the shards that a process computes. Both are part_of().
inline Range examples_of(int64_t shard, int64_t shards, int64_t batch) {
  return part_of(batch, shard, shards);
}
inline Range shards_of(int64_t process, int64_t processes, int64_t shards) {
  return part_of(shards, process, processes);
}

// Whether T(a, b) is computed on the way to T(0, shards).
bool is_node(Range node, int64_t shards);

// The fewest nodes that make up the range, in order: those whose sums a process that computes these
// shards keeps. One for a power of two at a multiple of its size; at most
// 2 log2(shards) + 1.
std::vector<Range> nodes_of(Range range, int64_t shards);

// Adds sums of nodes that arrive in order of their shards, each as soon as the tree allows it: at
// most 2 log2(shards) + 1 of them are kept at a time, and log2(shards) + 1 of a range from 0 on.
//
//   TreeSum sum(shards);
//   for (s : range) sum.add(s, gradient of shard s);
//   sum.nodes();                // of nodes_of(range)
//
//   TreeSum sum(shards);
//   for (all nodes of all processes) sum.add(node, its sum);
//   sum.total();
class TreeSum {
 public:
  explicit TreeSum(int64_t shards) : shards_(shards) {}

  // `sum` belongs to the tree from now on and is written to: no other tensor shares its storage.
  // All have one shape, one type and one device. Error if this is not the next node.
  void add(Range node, Tensor sum);
  void add(int64_t shard, Tensor gradient) { add({shard, shard + 1}, std::move(gradient)); }

  struct Node {
    Range range;
    Tensor sum;
  };
  const std::vector<Node>& nodes() const { return stack_; }  // what has been added up so far
  const Tensor& total() const;                               // T(0, shards); Error before the last

 private:
  int64_t shards_;
  std::vector<Node> stack_;
};

// The gradients of all trained parameters that have one, in order of creation, as one vector.
Tensor flat_gradients(const Parameters& parameters);
// Puts them back, in the place of what is there. The same parameters have a gradient as then.
void set_flat_gradients(const Parameters& parameters, const Tensor& flat);

}  // namespace skiff
