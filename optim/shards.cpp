#include "optim/shards.h"

#include <bit>
#include <utility>

#include "core/memory.h"
#include "core/parallel.h"

namespace skiff {

bool is_node(Range node, int64_t shards) {
  const uint64_t first = uint64_t(node.first), size = uint64_t(node.size());
  return node.first >= 0 && node.size() >= 1 && node.end <= shards &&
         first % std::bit_ceil(size) == 0 && (std::has_single_bit(size) || node.end == shards);
}

namespace {

// Nodes of the tree are disjoint or one holds the other. So two neighbours that together are a node
// are its two children.
bool are_children(Range left, Range right, int64_t shards) {
  return is_node({left.first, right.end}, shards);
}

template <class T>
void add_to(Tensor& sum_tensor, const Tensor& other_tensor) {
  T* sum = sum_tensor.data<T>();
  const T* other = other_tensor.data<T>();
  parallel_for(sum_tensor.device(), sum_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { sum[i] += other[i]; });
}

}  // namespace

std::vector<Range> nodes_of(Range range, int64_t shards) {
  std::vector<Range> nodes;
  for (int64_t s = range.first; s < range.end; ++s) {
    nodes.push_back({s, s + 1});
    while (nodes.size() > 1 && are_children(nodes.end()[-2], nodes.end()[-1], shards)) {
      nodes.end()[-2].end = s + 1;
      nodes.pop_back();
    }
  }
  return nodes;
}

void TreeSum::add(Range node, Tensor sum) {
  check(is_node(node, shards_) && (stack_.empty() || stack_.back().range.end == node.first),
        "TreeSum: [", node.first, ", ", node.end, ") is not the next node of ", shards_,
        " shards after ", stack_.empty() ? 0 : stack_.back().range.end);
  stack_.push_back({node, std::move(sum)});
  while (stack_.size() > 1 &&
         are_children(stack_.end()[-2].range, stack_.end()[-1].range, shards_)) {
    Node &left = stack_.end()[-2], &right = stack_.end()[-1];
    check(left.sum.shape() == right.sum.shape() && left.sum.dtype() == right.sum.dtype(),
          "TreeSum: all gradients must have one shape and type, got ", left.sum, " and ",
          right.sum);
    dispatch(left.sum, [&]<class T> { add_to<T>(left.sum, right.sum); });
    left.range.end = right.range.end;
    stack_.pop_back();
  }
}

const Tensor& TreeSum::total() const {
  check(!stack_.empty(), "TreeSum: none of the ", shards_, " shards is added");
  check(stack_[0].range == Range{0, shards_}, "TreeSum: all of the ", shards_,
        " shards must be added, the first ones without a gap are ", stack_[0].range.first, " to ",
        stack_[0].range.end - 1);
  return stack_[0].sum;
}

// ---- gradients as one vector ----

namespace {

// visit(parameter, where its gradient begins in bytes) for those that have a gradient; the total.
template <class Visit>
int64_t for_each_gradient(const Parameters& parameters, const Visit& visit) {
  int64_t at = 0;
  for (const Parameter& p : parameters.all()) {
    if (!p.trained || !p.variable.grad()) continue;
    visit(p.variable, at);
    at += p.variable.grad().bytes();
  }
  return at;
}

}  // namespace

Tensor flat_gradients(const Parameters& parameters) {
  const int64_t bytes = for_each_gradient(parameters, [](const Variable&, int64_t) {});
  Tensor flat({bytes / bytes_of(parameters.dtype())}, parameters.dtype(), parameters.device());
  std::byte* to = static_cast<std::byte*>(flat.raw());
  for_each_gradient(parameters, [&](const Variable& v, int64_t at) {
    const Tensor& g = v.grad();
    memory::copy(flat.device(), to + at, g.device(), g.raw(), size_t(g.bytes()));
  });
  return flat;
}

void set_flat_gradients(const Parameters& parameters, const Tensor& flat) {
  const std::byte* from = static_cast<const std::byte*>(flat.raw());
  const int64_t bytes = for_each_gradient(parameters, [&](const Variable& v, int64_t at) {
    Tensor g = empty_like(v.grad());
    check(at + g.bytes() <= flat.bytes(), "set_flat_gradients: got only ", flat);
    memory::copy(g.device(), g.raw(), flat.device(), from + at, size_t(g.bytes()));
    v.set_grad(std::move(g));
  });
  check(bytes == flat.bytes(), "set_flat_gradients: ", bytes, " bytes are needed, got ", flat);
}

}  // namespace skiff
