// Time, bytes and calls of every op, forward and backward.
//
//   Profile profile;
//   for (int i = 0; i < 10; ++i) {
//     const Profile::Step step(profile);           // measures this thread to the end of the scope
//     const auto batch = measured("make batch", [&] { return batches.next(); });
//     ...                                          // ops are measured by themselves
//   }
//   for (const Profile::Row& row : profile.rows()) ..
//
// apply() and Tape::backward() measure; without a Step that costs one branch per op. Clocks are
// read between ops, never inside, so results are the same bits. Times are those of the calling
// thread: work a GPU still has queued when an op returns is counted where it is waited for.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace skiff {

class Profile {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Phase { Forward, Backward, Other };

  // bytes: newly allocated output (views do not count).
  struct Row {
    std::string name;
    Phase phase;
    int64_t calls = 0, bytes = 0;
    double seconds = 0;
  };

  class Step {
   public:
    explicit Step(Profile& profile);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Profile* outer_;
    Profile& profile_;
    Clock::time_point start_;
  };

  // To the end of the scope this thread's ops are not measured; the time goes to what measures the
  // scope.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Profile* paused_;
  };

  static Profile* current();  // of this thread; null outside a Step

  // A part of a Step may run in a thread of its own while the thread of the Step waits: it measures
  // for the same profile, or for none. What it waits for itself is not counted.
  static void join(Profile* profile);
  static void leave_out(Clock::duration waited);
  static Clock::time_point now();  // by a clock of this thread without what is left out

  void add(const char* name, Phase phase, double seconds, int64_t bytes);
  int64_t steps() const { return steps_; }
  double seconds() const { return seconds_; }  // of all steps
  int64_t bytes(Phase phase) const;
  // The longest first. "not in an op" is what is left: the seconds of all rows add up to seconds().
  std::vector<Row> rows() const;

 private:
  std::map<std::pair<std::string, Phase>, Row> rows_;
  int64_t steps_ = 0;
  double seconds_ = 0;
};

const char* name_of(Profile::Phase phase);  // "forward", "backward", "other"

// A stretch of time from here to end(). Idle when no Step runs.
class ProfileSpan {
 public:
  ProfileSpan() : profile_(Profile::current()) {
    if (profile_) start_ = Profile::now();
  }
  explicit operator bool() const { return profile_ != nullptr; }
  void end(const char* name, Profile::Phase phase, int64_t bytes = 0) const {
    if (!profile_) return;
    const std::chrono::duration<double> length = Profile::now() - start_;
    profile_->add(name, phase, length.count(), bytes);
  }

 private:
  Profile* profile_;
  Profile::Clock::time_point start_;
};

// Measures code that is not an op, such as the optimizer, as a row of its own. Ops that f runs
// would be counted twice, unless it pauses the profile.
template <class F>
auto measured(const char* name, const F& f) {
  struct Ended {
    const char* name;
    ProfileSpan span;
    ~Ended() { span.end(name, Profile::Phase::Other); }
  } ended{name, {}};
  return f();
}

}  // namespace skiff
