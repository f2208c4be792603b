#include "examples/program/signals.h"

#include <ctime>

#include "core/processes.h"

namespace skiff {

namespace {

bool alone = true;  // no other process has to stop at the same place
volatile std::sig_atomic_t noted = 0;

void note_stop(int which) {
  noted = which;
  if (alone) stop_signal = which;
}

// The second request ends the program. What comes within half a second is an echo of the first
// one: `timeout` and batch systems signal the program and then its process group.
void request_stop(int which) {
  static volatile std::sig_atomic_t first[NSIG] = {};  // hundredths of a second, never 0
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto hundredths =
      std::sig_atomic_t(now.tv_sec % 10000000 * 100 + now.tv_nsec / 10000000 + 1);
  if (first[which] == 0) first[which] = hundredths;
  note_stop(which);
  if (hundredths - first[which] < 50) return;
  std::signal(which, SIG_DFL);
  std::raise(which);  // delivered when this function returns
}

}  // namespace

int noted_signal() { return noted; }

void catch_stop_signals() {
  alone = processes().size() == 1;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;  // started with nohup
    struct sigaction action = {};
    action.sa_handler = signal == SIGXCPU ? note_stop : request_stop;
    sigaction(signal, &action, nullptr);
  }
  // A progress reader that has closed the pipe, or a limit on file sizes, fails the write alone.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace skiff
