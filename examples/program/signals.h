// Signals that ask a program to end.
#pragma once

#include <atomic>
#include <csignal>

#include "core/check.h"

namespace skiff {

// After catch_stop_signals(), a signal that asks the program to end only sets stop_signal. The
// program checks it where it can stop: it saves what it has to, then throws Stopped. These signals
// are SIGINT and SIGTERM, SIGHUP of a closed terminal, and SIGUSR1 and SIGXCPU of batch systems
// whose time is up. A second one of the same kind, half a second or more after the first,
// ends the program at once, but for SIGXCPU, which comes every second. Several processes have to
// stop at the same place, so there a signal is only noted, until they have told each other
// (agreement.h).
inline std::atomic<int> stop_signal = 0;  // the display has a thread of its own
static_assert(std::atomic<int>::is_always_lock_free, "a handler may set no other");
int noted_signal();  // the last one that this process has received; 0: none

void catch_stop_signals();

struct Stopped : Error {
  Stopped() : Error("stopped by a signal"), code(128 + stop_signal) {}
  int exit_code() const override { return code; }
  int code;  // 130 for SIGINT, 143 for SIGTERM
};

}  // namespace skiff
