// Memory that runs out: of the allocations of a training step, of a save and of a load, each one
// fails in turn, be it of the C++ library or of a tensor. What was asked for ends with an error and
// changes and loses nothing; asked for again, it succeeds.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "layers/mixers.h"
#include "optim/adam.h"
#include "tests/support/faults.h"
#include "tests/support/folder.h"
#include "tests/support/language_models.h"

using namespace skiff;
using namespace skiff::testing;

#if !defined(__SANITIZE_ADDRESS__) && !defined(SKIFF_CUDA_HOST)  // which have allocators of their own

namespace {

std::atomic<int64_t> until_failure = 0;  // 0: none fails
std::atomic<int64_t> alive = 0;          // blocks of operator new

bool fails_now() { return until_failure.load() > 0 && until_failure.fetch_sub(1) == 1; }

void* allocated(size_t bytes, size_t alignment) {
  void* block = fails_now() ? nullptr : std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  if (block) ++alive;
  return block;
}

}  // namespace

// In place of those of the library, for all tests.
void* operator new(size_t bytes) {
  if (fails_now()) throw std::bad_alloc();
  void* block = std::malloc(bytes == 0 ? 1 : bytes);
  if (!block) throw std::bad_alloc();
  ++alive;
  return block;
}
void operator delete(void* block) noexcept {
  if (block) --alive;
  std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
// Tensors: see core/memory.cpp.
extern "C" void* memalign(size_t alignment, size_t bytes);
extern "C" void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  return fails_now() ? nullptr : memalign(alignment, bytes);
}
