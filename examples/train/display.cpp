#include "examples/train/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "core/processes.h"

namespace skiff {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::string> progress_words() { return {"auto", "bar", "plain", "none"}; }

Progressing progressing(const std::string& progress) {
  const char* terminal = std::getenv("TERM");
  const bool tty = ::isatty(2) && terminal && std::string(terminal) != "dumb";
  if (progress == "none") return Progressing::Not;
  return progress == "bar" || (progress == "auto" && tty) ? Progressing::Bar : Progressing::Lines;
}

Display::Display(Progressing progress, bool quiet, double patience, std::FILE* out)
    : progress_(quiet ? Progressing::Not : progress),
      quiet_(quiet),
      patience_(patience),
      out_(out) {
  if (!quiet_) watcher_ = std::jthread([this](std::stop_token stop) { watch(stop); });
}

Display::~Display() {
  watcher_ = {};
  finish_line();
}

void Display::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  print_note(text);
}

void Display::warn(const std::string& text) {
  if (processes().rank() > 0) return;  // process 0 has the same to say, and shows it
  const std::lock_guard lock(mutex_);
  print_line("warning: " + text);
}

void Display::begin(const std::string& what, const std::string& heeds_signals, bool aside) {
  const std::lock_guard lock(mutex_);
  doing_ = what;
  heeds_signals_ = heeds_signals;
  begun_ = Clock::now();
  if (!aside) print(what, /*keeps=*/false);
}

void Display::show(const std::string& text) {
  const std::lock_guard lock(mutex_);
  doing_ = text;
  if (seconds_since(shown_) > interval()) print(text, /*keeps=*/false);
}

void Display::row(const std::string& text, bool always) {
  const std::lock_guard lock(mutex_);
  if (always || seconds_since(shown_) > interval()) print(text, /*keeps=*/true);
}

std::string Display::clock(double seconds) {
  const int64_t s = int64_t(seconds + 0.5);
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", (long long)(s / 3600),
                  (long long)(s / 60 % 60), (long long)(s % 60));
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
  return text;
}

std::string Display::thousands(double v) {
  char text[32];
  std::snprintf(text, sizeof text, v >= 1e4 ? "%.0fk" : "%.1fk", v / 1000);
  return text;
}

// A bar is rewritten ten times per second.
double Display::interval() const { return progress_ == Progressing::Bar ? 0.1 : patience_; }

// Columns of the terminal, queried each time, because windows change.
size_t Display::width() const {
  winsize size{};
  if (::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long asked = columns ? std::strtol(columns, nullptr, 10) : 0;
  return asked > 0 ? size_t(asked) : 80;
}

void Display::print(const std::string& text, bool keeps) {
  if (progress_ == Progressing::Not) return;
  shown_ = Clock::now();
  if (progress_ == Progressing::Lines) {
    std::fprintf(out_, "%s\n", text.c_str());
  } else {
    if (keeps_ && !keeps) finish_line();
    // After the last column some terminals begin a new line.
    std::fprintf(out_, "\r%s\033[K", text.substr(0, width() - 1).c_str());
    open_ = true;
    keeps_ = keeps;
  }
  std::fflush(out_);
}

void Display::print_note(const std::string& text) {
  if (!quiet_) print_line(text);
}

void Display::print_line(const std::string& text) {
  finish_line();
  std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
  shown_ = Clock::now();
}

// Leaves the line of the bar: a row stays, mere progress is erased.
void Display::finish_line() {
  if (open_) std::fputs(keeps_ ? "\n" : "\r\033[K", out_);
  open_ = keeps_ = false;
}

// The watcher's thread: answers signals, and repeats what is going on when it takes long.
void Display::watch(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  std::condition_variable_any sleep;
  const auto nap = std::chrono::duration<double>(std::min(0.1, patience_));
  bool said = false;
  while (!sleep.wait_for(lock, stop, nap, [&] { return stop.stop_requested(); })) {
    if (stop_signal != 0 && !said && !heeds_signals_.empty()) {
      print_note("stopping " + heeds_signals_ + " ...");
      said = true;
    }
    if (!doing_.empty() && std::min(seconds_since(shown_), seconds_since(begun_)) > patience_)
      print(doing_ + " (" + clock(seconds_since(begun_)) + " so far)", /*keeps=*/false);
  }
}

}  // namespace skiff
