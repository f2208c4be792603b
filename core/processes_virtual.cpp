#include "core/processes_virtual.h"

#include <cstring>
#include <functional>

namespace skiff {

namespace {

void copy(std::byte* to, const std::byte* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, size_t(bytes));
}

int64_t sum_of_first(std::span<const int64_t> sizes, int count) {
  int64_t sum = 0;
  for (int i = 0; i < count; ++i) sum += sizes[size_t(i)];
  return sum;
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
    const std::vector<int64_t> expected(receive_bytes.begin(), receive_bytes.end());
    post(send, send_bytes, [=, this](const Operation& operation) {
      std::byte* to = receive;
      for (int p = 0; p < size(); ++p) {
        const std::vector<int64_t>& sizes = operation.sizes[size_t(p)];
        const int64_t bytes = sizes[size_t(rank())];
        check(bytes == expected[size_t(p)], "all_to_all: ", name(), " expects ",
              expected[size_t(p)], " bytes of process ", p, ", got ", bytes);
        copy(to, operation.sent[size_t(p)].data() + sum_of_first(sizes, rank()), bytes);
        to += bytes;
      }
    });
  }

  void start_all_gather(std::byte* data, std::span<const int64_t> bytes) override {
    const int64_t mine = bytes[size_t(rank())];
    const std::vector<int64_t> expected(bytes.begin(), bytes.end());
    post(data + sum_of_first(bytes, rank()), {&mine, 1}, [=, this](const Operation& operation) {
      std::byte* to = data;
      for (int p = 0; p < size(); ++p) {
        const int64_t got = operation.sizes[size_t(p)][0];
        check(got == expected[size_t(p)], "all_gather: ", name(), " expects ", expected[size_t(p)],
              " bytes of process ", p, ", got ", got);
        copy(to, operation.sent[size_t(p)].data(), got);
        to += got;
      }
    });
  }

  void start_broadcast(std::byte* data, int64_t bytes) override {
    post(data, {&bytes, 1}, [=](const Operation& operation) {
      check(operation.sizes[0][0] == bytes, "broadcast: ", bytes, " bytes are expected, got ",
            operation.sizes[0][0]);
      copy(data, operation.sent[0].data(), bytes);
    });
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
  void post(const std::byte* data, std::span<const int64_t> sizes,
            std::function<void(const Operation&)> receive) {
    Operation& operation = world_.operations_[number_];
    operation.sent.resize(size_t(size())), operation.sizes.resize(size_t(size()));
    operation.sent[size_t(rank())].assign(data, data + sum_of_first(sizes, int(sizes.size())));
    operation.sizes[size_t(rank())].assign(sizes.begin(), sizes.end());
    ++operation.began;
    receive_ = std::move(receive);
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
