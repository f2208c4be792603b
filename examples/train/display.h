// What a run reports on stderr: notes, and its progress: on a terminal one line that is rewritten
// (a bar), elsewhere separate lines. During long work it reports every few seconds:
//
//   Display display(progressing("auto"), /*quiet=*/false);
//   display.begin("testing on 25000 examples", "after this batch");
//   for (...) display.show("testing: 320 of 25000 examples");
//   display.note("accuracy 61.0 %");
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "examples/program/signals.h"

namespace skiff {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start);

enum class Progressing { Not, Lines, Bar };

std::vector<std::string> progress_words();  // those of --progress
// auto: a bar on a terminal that can go back in a line.
Progressing progressing(const std::string& progress);

class Display {
 public:
  // quiet: no output but warnings. patience: the longest silence, in seconds.
  Display(Progressing progress, bool quiet, double patience = 2, std::FILE* out = stderr);
  ~Display();

  void note(const std::string& text);
  // Reports a problem, also when quiet.
  void warn(const std::string& text);
  // Work that begins, and when a signal takes effect ("after this step"). It is reported at once
  // or, with `aside`, only when it takes long.
  void begin(const std::string& what, const std::string& heeds_signals, bool aside = false);
  // How far the work is. Not every call is printed.
  void show(const std::string& text);
  // A row of results, which stays on the screen. A row without `always` is treated like show().
  void row(const std::string& text, bool always);

  static std::string clock(double seconds);  // "1:02:03" or "2:03"
  static std::string thousands(double v);    // "12k" or "1.2k"

 private:
  double interval() const;
  size_t width() const;
  void print(const std::string& text, bool keeps);
  void print_note(const std::string& text);
  void print_line(const std::string& text);
  void finish_line();
  void watch(std::stop_token stop);

  Progressing progress_;
  bool quiet_;
  double patience_;
  std::FILE* out_;
  std::mutex mutex_;  // of everything below
  std::string doing_, heeds_signals_;
  bool open_ = false, keeps_ = false;
  Clock::time_point shown_ = Clock::now(), begun_ = shown_;
  std::jthread watcher_;  // last: it uses the rest
};

}  // namespace skiff
