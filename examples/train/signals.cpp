#include "examples/train/signals.h"

namespace skiff {

void catch_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;  // started with nohup
    struct sigaction action = {};
    action.sa_handler = [](int which) { stop_signal = which; };
    // The others may arrive twice without a second request: SIGXCPU arrives every second.
    if (signal == SIGINT || signal == SIGTERM) action.sa_flags = int(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
  // A progress reader that has closed the pipe, or a limit on file sizes, fails the write alone.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace skiff
