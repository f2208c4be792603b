#include "examples/train/coroutine.h"

#include <omp.h>

#include <utility>

#include "core/check.h"
#include "core/memory.h"

namespace skiff {

Coroutine::~Coroutine() {
  if (!thread_.joinable()) return;
  abandoned_ = true;
  if (!ended_) pass_turn(Turn::Function);
  thread_.join();
}

bool Coroutine::resume() {
  check(!ended_, "coroutine: it has ended and cannot be resumed");
  if (!thread_.joinable())
    thread_ = std::thread(&Coroutine::run, this, omp_get_max_threads(), Profile::current());
  pass_turn(Turn::Function);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return !ended_;
}

void Coroutine::pause() {
  const auto start = Profile::Clock::now();
  pass_turn(Turn::Caller);
  Profile::leave_out(Profile::Clock::now() - start);
  if (abandoned_) throw Abandoned();
}

void Coroutine::run(int threads, Profile* profile) {
  std::unique_lock lock(mutex_);
  passed_.wait(lock, [&] { return turn_ == Turn::Function; });
  lock.unlock();
  try {
    omp_set_num_threads(threads);
    Profile::join(profile);
    memory::use_chosen_cuda_device();
    function_(*this);
  } catch (const Abandoned&) {
  } catch (...) {
    error_ = std::current_exception();
  }
  ended_ = true;
  pass_turn(Turn::Caller);
}

void Coroutine::pass_turn(Turn to) {
  std::unique_lock lock(mutex_);
  turn_ = to;
  passed_.notify_one();
  if (to == Turn::Caller && ended_) return;
  passed_.wait(lock, [&] { return turn_ != to; });
}

}  // namespace skiff
