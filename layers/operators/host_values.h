// The values of a small tensor, such as the decay of a kernel, on the host.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace skiff {

// Remembers what it has read: to read a tensor on a GPU waits for all work queued there, and a
// buffer hardly ever changes. A write is noticed as ChangeMark notices it (core/tensor.h). Not for
// two threads at once.
class HostValues {
 public:
  const std::vector<double>& of(const Tensor& x) {
    if (!read_ || !read_.shares_storage(x) || since_.changed()) {
      values_ = to_vector(x);
      read_ = x;  // keeps the storage, so that no other tensor can take its place unnoticed
      since_ = ChangeMark(read_);
    }
    return values_;
  }

 private:
  Tensor read_;
  ChangeMark since_;
  std::vector<double> values_;
};

}  // namespace skiff
