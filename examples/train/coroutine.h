// A function that can pause in the middle of what it does, at any depth of calls, and go on from
// there later. It has a thread of its own, but never runs beside the thread that resumes it: one of
// the two waits for the other. So nothing that they share needs a lock.
//
//   Coroutine c([](Coroutine& self) { first(); self.pause(); second(); });
//   c.resume();  // first(), and returns true: it has paused
//   c.resume();  // second(), and returns false: it has ended
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "autograd/profile.h"

namespace skiff {

class Coroutine {
 public:
  // Runs nothing yet. The function's thread will have as many threads of OpenMP as the one that
  // resumes it first, measure for its profile and use its GPU.
  explicit Coroutine(std::function<void(Coroutine&)> function) : function_(std::move(function)) {}
  // In a function that has not ended, pause() throws, so that it frees what it holds.
  ~Coroutine();
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  // Runs the function up to its next pause() or to its end, which it has reached when false is
  // returned. Throws what it throws.
  bool resume();
  // Called by the function.
  void pause();

 private:
  enum class Turn { Caller, Function };
  struct Abandoned {};  // no std::exception, which the function might catch
  void run(int threads, Profile* profile);
  void pass_turn(Turn to);  // and waits until it comes back, unless the function has ended

  std::function<void(Coroutine&)> function_;
  std::thread thread_;
  std::mutex mutex_;  // guards turn_; the others belong to the one whose turn it is
  std::condition_variable passed_;
  Turn turn_ = Turn::Caller;
  bool ended_ = false, abandoned_ = false;
  std::exception_ptr error_;
};

}  // namespace skiff
