// Memory that runs out: of the allocations of a training step, of a save and of a load each one
// fails in turn, be it of the C++ library or of a tensor. What was asked for ends with an
// exception, no memory and no file is lost, and when it is asked for again it succeeds.
#include <doctest/doctest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/memory.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "tests/support/faults.h"
#include "tests/support/folder.h"
#include "tests/support/language_models.h"

// Sanitizers and the emulation of CUDA have allocators of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(SKIFF_CUDA_HOST)

using namespace skiff;
using namespace skiff::testing;

namespace {

std::atomic<int64_t> until_failure = 0;  // 0: none fails
std::atomic<int64_t> alive = 0;          // blocks of operator new

bool fails_now() { return until_failure > 0 && until_failure.fetch_sub(1) == 1; }

}  // namespace

// These take the place of the library's, in all tests.
void* operator new(size_t bytes) {
  void* block = fails_now() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (!block) throw std::bad_alloc();
  ++alive;
  return block;
}
void operator delete(void* block) noexcept {
  if (block) --alive;
  std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
extern "C" void* aligned_alloc(size_t alignment, size_t bytes) noexcept {  // of tensors
  return fails_now() ? nullptr : ::memalign(alignment, bytes);
}

namespace {

// Lets the first allocation of f fail, then the second, and so on, until none is left to fail.
template <class F>
int64_t fail_each(const F& f) {
  f();  // what is made once and kept is there afterwards
  memory::trim(Device::CPU);
  const int64_t tensors = memory::stats(Device::CPU).live, blocks = alive, files = open_files();
  for (int64_t at = 1;; ++at) {
    CAPTURE(at);
    bool failed = false;
    until_failure = at;
    try {
      f();
    } catch (const Error&) {
      failed = true;
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    const bool reached = until_failure.exchange(0) <= 0;
    memory::trim(Device::CPU);  // so that tensors, too, ask again
    CHECK(memory::stats(Device::CPU).live == tensors);
    CHECK(alive == blocks);
    CHECK(open_files() == files);
    CHECK((reached || !failed));
    if (!reached) return at - 1;
  }
}

struct Training {
  Parameters parameters{1};
  const Model model;
  Adam adam{parameters, {}};
  const Tensor input = tokens_below(9, {2, 16}, 1), labels = tokens_below(3, {2}, 2),
               lengths = tensor_of(std::vector<int32_t>{16, 9}, {2});
  explicit Training(const std::string& mixer)
      : model(parameters.root(),
              {.mixer = mixer, .layers = 1, .dim = 8, .ski = {.inducing_points = 4, .filter = 4}},
              {.vocab = 9, .classes = 3, .max_length = 16}) {}
  void step() {
    struct Gradients {  // they stay in the parameters until they are dropped
      Parameters& of;
      ~Gradients() { of.zero_grad(); }
    } gradients{parameters};
    Tape tape;
    tape.backward(cross_entropy(model(input, lengths), labels));
    adam.step(1e-3);
  }
  std::vector<safetensors::Entry> state() const {
    std::vector<safetensors::Entry> all = parameters.values();
    for (const safetensors::Entry& e : adam.state()) all.push_back(e);
    return all;
  }
};

}  // namespace

TEST_CASE("allocations: each one of a training step fails in turn, with every mixer") {
  for (const char* mixer : {"ski", "tno", "fd", "attention"}) {
    CAPTURE(mixer);
    Training training(mixer);
    CHECK(fail_each([&] { training.step(); }) > 100);
  }
}

TEST_CASE("allocations: each one of a save fails in turn, and the file stays whole") {
  const Folder folder;
  Training training("ski");
  training.step();
  const std::string path = folder / "x.safetensors";
  CHECK(fail_each([&] {
          try {
            safetensors::write(path, training.state(), {{"a", "b"}});
          } catch (...) {
            until_failure = 0;
            CHECK(folder.files() == 1);
            CHECK(safetensors::read(path).tensors.size() == training.state().size());
            throw;
          }
        }) > 50);
}

TEST_CASE("allocations: each one of a load fails in turn, and the next load succeeds") {
  const Folder folder;
  Training training("ski");
  training.step();
  const std::string path = folder / "x.safetensors";
  safetensors::write(path, training.state());
  CHECK(fail_each([&] {
          const safetensors::File file = safetensors::read(path);
          training.parameters.load(file, {"optimizer."});
          training.adam.load(file);
        }) > 50);
  training.step();
}

#endif
