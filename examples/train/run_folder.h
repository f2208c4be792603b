// The files of a training run; a run of several (stages, a sweep, several tasks) has its options in
// several.toml:
//   config.toml              every option, to be fed back with --config
//   metrics.csv              one row per logging interval
//   ckpt-00000120.safetensors  parameters, optimizer state and position, the newest few
//   best.safetensors         the same at the best validation
//   curves.svg               loss and accuracy over the steps
//   extrapolation.svg        of language models: loss over the length of the windows
//   profile.csv              with --profile: time, bytes and calls of every op
//   result.json              the peak of memory; at the end, the result as well
//   lock                     held while a program trains here
// Checkpoints and the other files are written under another name, synced and renamed.
#pragma once

#include <sys/file.h>

#include <cstdint>
#include <string>
#include <vector>

#include "examples/train/metrics.h"

namespace skiff {

inline constexpr const char* kOptionsOfSeveral = "several.toml";
// A copy of the file of --stages or --sweep.
inline constexpr const char* kPlan = "plan.txt";
// Of a stage: the CRC-32 of the checkpoint, of the stage before, that it began with.
inline constexpr const char* kBeganWith = "began-with";
// Of a sweep with a budget: its minutes.
inline constexpr const char* kSweepBudget = "minutes";
// What a run of several makes of its runs, besides metrics.csv and curves.svg.
inline constexpr const char* kTablesOfSeveral[] = {"results.csv", "results.svg", "sweep.csv",
                                                   "sweep.svg", "stages.csv"};

// What cannot be written, removed or listed throws IoError. The folder can still be used then: a
// row of metrics.csv that could not be written is written with the next one.
class RunFolder {
 public:
  // Takes the folder; another program that trains in it is an error. `lock`: for tests.
  explicit RunFolder(const std::string& path, int (*lock)(int file, int operation) = ::flock);
  // Releases the lock. A folder that this start has made, and in which nothing else was written,
  // goes with it.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  // What the user should know although the run can go on; each note is returned once.
  std::vector<std::string> take_notes();

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  bool has(const std::string& name) const;
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;

  std::vector<std::string> checkpoints() const;  // oldest first
  static std::string checkpoint_name(int64_t step);
  // 120 for ckpt-00000120.safetensors; nothing for any other name.
  static std::optional<int64_t> step_of(std::string_view name);
  // Removes all but the newest `keep`, after the new one is safe. A file that cannot be removed is
  // an error, but the others are removed all the same.
  void remove_old_checkpoints(int64_t keep) const;
  void remove(const std::string& name) const;  // nothing happens where it is not there
  // Renames a damaged file, so that nothing reads or replaces it; returns its new name.
  std::string set_aside(const std::string& name) const;
  // For --force: removes what an earlier run left.
  void clear() const;
  // clear() of a run that no other takes the place of: its folder goes, too, unless something else
  // is in it.
  void remove_run();

  // Starts metrics.csv, or cuts it back to the rows up to `step`, so that no row occurs twice.
  void start_metrics(int64_t step);
  void add_row(const MetricsRow& row);
  const MetricsRows& rows() const { return rows_; }

 private:
  bool open_lock(int (*lock)(int file, int operation));
  void take_lock(int (*lock)(int file, int operation));
  void remove_temporaries() const;
  std::vector<std::string> names() const;
  void write_rows();
  bool append(const std::string& line) const;
  void read_rows(int64_t step);

  std::string path_;
  int lock_ = -1;
  bool made_ = false;  // this start has made the folder
  std::vector<std::string> notes_;
  MetricsRows rows_;
  bool rows_written_ = false;  // whether metrics.csv holds them
};

}  // namespace skiff
