#include "autograd/profile.h"

#include <algorithm>
#include <utility>

namespace skiff {
namespace {
thread_local Profile* current_profile = nullptr;
thread_local Profile::Clock::duration left_out{0};
}  // namespace

Profile::Pause::Pause() : paused_(std::exchange(current_profile, nullptr)) {}
Profile::Pause::~Pause() { current_profile = paused_; }

Profile* Profile::current() { return current_profile; }

void Profile::join(Profile* profile) { current_profile = profile; }
void Profile::leave_out(Clock::duration waited) { left_out += waited; }
Profile::Clock::time_point Profile::now() { return Clock::now() - left_out; }

Profile::Step::Step(Profile& profile) : outer_(current_profile), profile_(profile) {
  current_profile = &profile;
  start_ = Clock::now();
}

Profile::Step::~Step() {
  profile_.seconds_ += std::chrono::duration<double>(Clock::now() - start_).count();
  ++profile_.steps_;
  current_profile = outer_;
}

void Profile::add(const char* name, Phase phase, double seconds, int64_t bytes) {
  Row& row = rows_[{name, phase}];
  ++row.calls;
  row.bytes += bytes;
  row.seconds += seconds;
}

int64_t Profile::bytes(Phase phase) const {
  int64_t total = 0;
  for (const auto& [key, row] : rows_)
    if (key.second == phase) total += row.bytes;
  return total;
}

std::vector<Profile::Row> Profile::rows() const {
  std::vector<Row> rows;
  double rest = seconds_;
  for (const auto& [key, row] : rows_) {
    rows.push_back(row);
    rows.back().name = key.first;
    rows.back().phase = key.second;
    rest -= row.seconds;
  }
  rows.push_back({"not in an op", Phase::Other, steps_, 0, rest});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.seconds > b.seconds; });
  return rows;
}

const char* name_of(Profile::Phase phase) {
  switch (phase) {
    case Profile::Phase::Forward:
      return "forward";
    case Profile::Phase::Backward:
      return "backward";
    case Profile::Phase::Other:
      return "other";
  }
  return "?";
}

}  // namespace skiff
