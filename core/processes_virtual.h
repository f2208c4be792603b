// Processes that exist in the memory of one thread only: for tests, and to try with a thousand
// processes what a machine has no room for. The thread lets each of them begin an operation, then
// lets each finish it:
//
//   VirtualProcesses all(1024);
//   for (int p = 0; p < all.size(); ++p) all[p].begin_all_gather(data[p], bytes);
//   for (int p = 0; p < all.size(); ++p) all[p].finish();
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "core/processes.h"

namespace skiff {

class VirtualProcesses {
 public:
  explicit VirtualProcesses(int size);
  ~VirtualProcesses();
  int size() const { return int(all_.size()); }
  Processes& operator[](int rank);

 private:
  class One;
  struct Message {
    std::vector<std::byte> bytes;
    std::vector<int64_t> starts;  // of its parts, and the end
  };
  // What each process has passed to an operation; kept until the last one has finished it.
  struct Operation {
    std::vector<Message> sent;
    int began = 0, finished = 0;
  };
  std::map<int64_t, Operation> operations_;  // by number
  std::deque<std::unique_ptr<One>> all_;
};

}  // namespace skiff
