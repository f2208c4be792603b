#include "core/processes_virtual.h"

#include <cstring>
#include <functional>

namespace skiff {

namespace {

void copy(std::byte* to, const std::byte* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, size_t(bytes));
}

// Where each part begins, and where the last one ends.
std::vector<int64_t> starts_of(std::span<const int64_t> sizes) {
  std::vector<int64_t> starts = {0};
  for (const int64_t size : sizes) starts.push_back(starts.back() + size);
  return starts;
}

}  // namespace

class VirtualProcesses::One : public Processes {
 public:
  One(VirtualProcesses& world, int rank, int size) : Processes(rank, size), world_(world) {
    hosts_.assign(size_t(size), "virtual");
  }

 protected:
  void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                        std::byte* receive, std::span<const int64_t> receive_bytes) override {
    const std::vector<int64_t> starts = starts_of(receive_bytes);
    post(send, starts_of(send_bytes), [=, this](const Operation& operation) {
      for (int p = 0; p < size(); ++p)
        take(operation, p, rank(), receive + starts[size_t(p)],
             starts[size_t(p) + 1] - starts[size_t(p)]);
    });
  }

  void start_all_gather(std::byte* data, std::span<const int64_t> bytes) override {
    const std::vector<int64_t> starts = starts_of(bytes);
    post(data + starts[size_t(rank())], {0, bytes[size_t(rank())]},
         [=, this](const Operation& operation) {
           for (int p = 0; p < size(); ++p)
             take(operation, p, 0, data + starts[size_t(p)],
                  starts[size_t(p) + 1] - starts[size_t(p)]);
         });
  }

  void start_broadcast(std::byte* data, int64_t bytes) override {
    post(data, {0, bytes},
         [=, this](const Operation& operation) { take(operation, 0, 0, data, bytes); });
  }

  // As in MPI, an operation may end when all have begun it, and not before.
  bool has_ended() override {
    Operation& operation = world_.operations_[number_];
    if (operation.began < size()) return false;
    receive_(operation);
    if (++operation.finished == size()) world_.operations_.erase(number_);
    ++number_;
    return true;
  }

 private:
  void post(const std::byte* data, const std::vector<int64_t>& starts,
            std::function<void(const Operation&)> receive) {
    Operation& operation = world_.operations_[number_];
    operation.sent.resize(size_t(size()));
    operation.sent[size_t(rank())] = {{data, data + starts.back()}, starts};
    ++operation.began;
    receive_ = std::move(receive);
  }

  // Part `part` of what process `from` has sent.
  void take(const Operation& operation, int from, int part, std::byte* to, int64_t bytes) const {
    const Message& message = operation.sent[size_t(from)];
    const int64_t start = message.starts[size_t(part)];
    const int64_t got = message.starts[size_t(part) + 1] - start;
    if (got != bytes) fail(name(), " expects ", bytes, " bytes of process ", from, ", got ", got);
    copy(to, message.bytes.data() + start, bytes);
  }

  VirtualProcesses& world_;
  int64_t number_ = 0;  // of the operation that this process begins next, or has begun
  std::function<void(const Operation&)> receive_;
};

VirtualProcesses::VirtualProcesses(int size) {
  for (int rank = 0; rank < size; ++rank) all_.push_back(std::make_unique<One>(*this, rank, size));
}

VirtualProcesses::~VirtualProcesses() = default;

Processes& VirtualProcesses::operator[](int rank) { return *all_[size_t(rank)]; }

}  // namespace skiff
