#include "optim/exchange.h"

#include <utility>

#include "core/memory.h"

namespace skiff {

namespace {

std::byte* bytes_in(Tensor& x, int64_t element) {
  return static_cast<std::byte*>(x.raw()) + element * bytes_of(x.dtype());
}
const std::byte* bytes_in(const Tensor& x, int64_t element) {
  return static_cast<const std::byte*>(x.raw()) + element * bytes_of(x.dtype());
}

void copy(Tensor& to, int64_t to_element, const Tensor& from, int64_t element, int64_t count) {
  if (count == 0) return;
  memory::copy(to.device(), bytes_in(to, to_element), from.device(), bytes_in(from, element),
               size_t(count * bytes_of(from.dtype())));
}

}  // namespace

Exchange::Exchange(Processes& processes, int64_t shards) : processes_(processes), shards_(shards) {
  const int count = processes.size();
  check<UsageError>(count <= shards, count, " processes for ", shards, " shards; start at most ",
                    shards);
  for (int p = 0; p < count; ++p) nodes_.push_back(nodes_of(shards_of(p, count, shards), shards));
}

Tensor Exchange::operator()(const TreeSum& sum) {
  if (processes_.size() == 1) return sum.total();
  send_nodes(sum);
  add_segments();
  return total();
}

void Exchange::send_nodes(const TreeSum& sum) {
  const int P = processes_.size(), rank = processes_.rank();
  const std::vector<Range>& mine = nodes_[size_t(rank)];
  bool fits = sum.nodes().size() == mine.size();
  for (size_t i = 0; fits && i < mine.size(); ++i) fits = sum.nodes()[i].range == mine[i];
  check(fits, "exchange: ", processes_.name(), " has not added up its own shards");
  std::vector<Tensor> sums;
  device_ = sum.nodes()[0].sum.device();
  const Device memory = processes_.message_memory(device_);
  for (const TreeSum::Node& node : sum.nodes()) sums.push_back(node.sum.to(memory));

  const DType dtype = sums[0].dtype();
  const int64_t n = sums[0].size(), width = bytes_of(dtype), count = int64_t(sums.size());
  const int64_t own = part_of(n, rank, P).size();
  std::vector<int64_t> send_bytes, receive_bytes;
  int64_t received = 0, at = 0;
  sent_ = Tensor({count * n}, dtype, memory);
  for (int q = 0; q < P; ++q) {
    const Range segment = part_of(n, q, P);
    for (const Tensor& s : sums) {
      copy(sent_, at, s, segment.first, segment.size());
      at += segment.size();
    }
    send_bytes.push_back(count * segment.size() * width);
    received += int64_t(nodes_[size_t(q)].size()) * own;
    receive_bytes.push_back(int64_t(nodes_[size_t(q)].size()) * own * width);
  }
  received_ = Tensor({received}, dtype, memory);
  total_ = Tensor({n}, dtype, memory);
  processes_.begin_all_to_all(bytes_in(sent_, 0), send_bytes, bytes_in(received_, 0), receive_bytes,
                              memory);
}

void Exchange::add_segments() {
  processes_.finish();
  const int P = processes_.size(), rank = processes_.rank();
  const int64_t n = total_.size(), width = bytes_of(total_.dtype());
  const Range own = part_of(n, rank, P);
  if (own.size() > 0) {
    TreeSum tree(shards_);
    int64_t at = 0;
    for (const std::vector<Range>& nodes : nodes_)
      for (const Range node : nodes) {
        Tensor segment({own.size()}, total_.dtype(), total_.device());
        copy(segment, 0, received_, at, own.size());
        tree.add(node, std::move(segment));
        at += own.size();
      }
    copy(total_, own.first, tree.total(), 0, own.size());
  }
  std::vector<int64_t> bytes;
  for (int q = 0; q < P; ++q) bytes.push_back(part_of(n, q, P).size() * width);
  processes_.begin_all_gather(bytes_in(total_, 0), bytes, total_.device());
}

Tensor Exchange::total() {
  processes_.finish();
  sent_ = received_ = {};
  return std::exchange(total_, {}).to(device_);
}

double exchanged_bytes(int rank, int processes, int64_t shards, double bytes) {
  const double P = processes;
  const auto nodes = double(nodes_of(shards_of(rank, processes, shards), shards).size());
  return (nodes + 1) * (P - 1) / P * bytes;
}

}  // namespace skiff
