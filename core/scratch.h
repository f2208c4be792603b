// Memory for the time of one call: Scratch, and one object per thread of a parallel region.
#pragma once

#include <omp.h>

#include <cstddef>
#include <deque>

#include "core/tensor.h"

namespace skiff {

// Uninitialised memory for `count` values, 64-byte aligned, from the block cache of tensors.
template <class Value>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : memory_({count * int64_t(sizeof(Value) / sizeof(int32_t))}, DType::Int32),
        values_(static_cast<Value*>(memory_.raw())) {
    static_assert(sizeof(Value) % sizeof(int32_t) == 0);
  }
  Value* operator+(int64_t i) const { return values_ + i; }

 private:
  Tensor memory_;
  Value* values_;
};

// One Object(arguments ..) for each thread of the next parallel region, made before it: an
// exception must not leave such a region, so nothing may be allocated inside. It may be used inside
// a parallel region of the caller, too: the next region is then another one, which numbers its own
// threads from 0.
template <class Object>
class PerThread {
 public:
  template <class... Arguments>
  explicit PerThread(bool parallel, const Arguments&... arguments) {  // not parallel: one object
    const int threads = parallel ? omp_get_max_threads() : 1;
    for (int t = 0; t < threads; ++t) objects_.emplace_back(arguments...);
  }
  Object& mine() { return objects_[std::size_t(omp_get_thread_num())]; }  // called in the region

 private:
  std::deque<Object> objects_;
};

}  // namespace skiff
