// What a run says on stderr: notes, and its progress, as one line that is rewritten on a terminal
// (a bar), or as lines elsewhere. Whatever takes long, a sign of life comes every few seconds:
//
//   Display display(progressing("auto"), /*quiet=*/false);
//   display.begin("testing on 25000 examples", "after this batch");
//   for (...) display.show("testing: 320 of 25000 examples");
//   display.note("accuracy 61.0 %");
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "examples/train/program.h"

namespace skiff {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

enum class Progressing { Not, Lines, Bar };

// `progress` is what --progress says; auto: a bar on a terminal that can go back in a line.
inline Progressing progressing(const std::string& progress) {
  const char* terminal = std::getenv("TERM");
  const bool tty = ::isatty(2) && terminal && std::string(terminal) != "dumb";
  if (progress == "none") return Progressing::Not;
  return progress == "bar" || (progress == "auto" && tty) ? Progressing::Bar : Progressing::Lines;
}

class Display {
 public:
  // quiet: it says nothing at all. patience: seconds without a word.
  Display(Progressing progress, bool quiet, double patience = 2, std::FILE* out = stderr)
      : progress_(quiet ? Progressing::Not : progress),
        quiet_(quiet),
        patience_(patience),
        out_(out) {
    if (!quiet_) watcher_ = std::jthread([this](std::stop_token stop) { watch(stop); });
  }
  ~Display() {
    watcher_ = {};
    finish_line();
  }

  void note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    print_note(text);
  }
  // Of what goes wrong: also when it is quiet.
  void warn(const std::string& text) {
    const std::lock_guard lock(mutex_);
    print_line("warning: " + text);
  }
  // What begins, and when a signal takes effect ("after this step"). It is said at once, or, with
  // `aside`, only when it takes long.
  void begin(const std::string& what, const std::string& heeds_signals, bool aside = false) {
    const std::lock_guard lock(mutex_);
    doing_ = what;
    heeds_signals_ = heeds_signals;
    begun_ = Clock::now();
    if (!aside) print(what, /*keeps=*/false);
  }
  // How far it is. Not every call is printed.
  void show(const std::string& text) {
    const std::lock_guard lock(mutex_);
    doing_ = text;
    if (seconds_since(shown_) > interval()) print(text, /*keeps=*/false);
  }
  // A row of results: it stays on the screen. Those that are not `always` printed are like show().
  void row(const std::string& text, bool always) {
    const std::lock_guard lock(mutex_);
    if (always || seconds_since(shown_) > interval()) print(text, /*keeps=*/true);
  }

  static std::string clock(double seconds) {
    const int64_t s = int64_t(seconds + 0.5);
    char text[32];
    if (s >= 3600)
      std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", (long long)(s / 3600),
                    (long long)(s / 60 % 60), (long long)(s % 60));
    else
      std::snprintf(text, sizeof text, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
    return text;
  }
  static std::string thousands(double v) {
    char text[32];
    std::snprintf(text, sizeof text, v >= 1e4 ? "%.0fk" : "%.1fk", v / 1000);
    return text;
  }

 private:
  // A bar is rewritten ten times a second.
  double interval() const { return progress_ == Progressing::Bar ? 0.1 : patience_; }

  // Columns of the terminal, asked for each time: windows change.
  size_t width() const {
    winsize size{};
    if (::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char* columns = std::getenv("COLUMNS");
    const long asked = columns ? std::strtol(columns, nullptr, 10) : 0;
    return asked > 0 ? size_t(asked) : 80;
  }

  void print(const std::string& text, bool keeps) {
    if (progress_ == Progressing::Not) return;
    shown_ = Clock::now();
    if (progress_ == Progressing::Lines) {
      std::fprintf(out_, "%s\n", text.c_str());
    } else {
      if (keeps_ && !keeps) finish_line();
      // In the last column some terminals begin a new line.
      std::fprintf(out_, "\r%s\033[K", text.substr(0, width() - 1).c_str());
      open_ = true;
      keeps_ = keeps;
    }
    std::fflush(out_);
  }
  void print_note(const std::string& text) {
    if (!quiet_) print_line(text);
  }
  void print_line(const std::string& text) {
    finish_line();
    std::fprintf(out_, "%s\n", text.c_str());
    std::fflush(out_);
    shown_ = Clock::now();
  }
  // Leaves the line of the bar: a row stays, what was only progress goes.
  void finish_line() {
    if (open_) std::fputs(keeps_ ? "\n" : "\r\033[K", out_);
    open_ = keeps_ = false;
  }

  void watch(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    std::condition_variable_any sleep;
    const auto nap = std::chrono::duration<double>(std::min(0.1, patience_));
    bool said = false;
    while (!sleep.wait_for(lock, stop, nap, [&] { return stop.stop_requested(); })) {
      if (stop_signal != 0 && !said && !heeds_signals_.empty()) {
        print_note("stopping " + heeds_signals_ + " ...");
        said = true;
      }
      if (!doing_.empty() && seconds_since(shown_) > patience_)
        print(doing_ + " (" + clock(seconds_since(begun_)) + " so far)", /*keeps=*/false);
    }
  }

  Progressing progress_;
  bool quiet_;
  double patience_;
  std::FILE* out_;
  std::mutex mutex_;  // of all that follows
  std::string doing_, heeds_signals_;
  bool open_ = false, keeps_ = false;
  Clock::time_point shown_ = Clock::now(), begun_ = shown_;
  std::jthread watcher_;  // last: it uses the rest
};

}  // namespace skiff
