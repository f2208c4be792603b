// Scratch of the threads of a parallel region, made before it: an exception must not leave such a
// region, so nothing may be allocated inside. From serial code only.
#pragma once

#include <omp.h>

#include <cstddef>
#include <deque>

namespace skiff {

template <class Object>
class PerThread {
 public:
  // One Object(arguments ..) for each thread of the next region; one alone if that is not parallel.
  template <class... Arguments>
  explicit PerThread(bool parallel, const Arguments&... arguments) {
    const int threads = parallel ? omp_get_max_threads() : 1;
    for (int t = 0; t < threads; ++t) objects_.emplace_back(arguments...);
  }
  Object& mine() { return objects_[std::size_t(omp_get_thread_num())]; }  // called in the region

 private:
  std::deque<Object> objects_;
};

}  // namespace skiff
