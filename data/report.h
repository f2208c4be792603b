// What a check of the files of a task found: the same for every task, filled row by row.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"

namespace skiff {

struct LengthSummary {
  int64_t min = 0, max = 0;
  double median = 0, mean = 0;
};
LengthSummary summary_of(std::vector<int64_t> lengths);

struct Problem {
  std::string file;
  int64_t line = 0;  // from 1; 0 means the file as a whole
  std::string reason;
};
std::string to_string(const Problem& problem);  // file:line: reason

// What a reader calls for a row or a file that cannot be used: throw_problem in order to stop, or
// ReportBuilder::refuse() in order to note it and go on. A reason may begin with the file, or with
// another file in that folder. Line 0 means the file as a whole.
using Refuse = std::function<void(std::string_view split, const std::string& file, int64_t line,
                                  const std::string& reason)>;
void throw_problem(std::string_view split, const std::string& file, int64_t line,
                   const std::string& reason);

// What read() returns. A DataError in it gets the name of the task in front.
template <class Read>
auto read_task(const char* task, const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    fail<DataError>(task, ": ", error.what());
  }
}

struct SplitReport {
  std::string name;  // train, val or test
  std::string file;
  std::vector<int64_t> class_counts;
  LengthSummary lengths;  // in tokens, without the end mark
  int64_t problem_count = 0;
  std::vector<Problem> problems;  // the first ones
  int64_t rows() const;           // good ones
};

struct TaskReport {
  std::string folder;  // empty: the task was not found
  std::vector<SplitReport> splits;
  int64_t duplicates = 0;          // examples that occur before, in any split
  std::vector<std::string> notes;  // what is unusual, but can be used
  bool found() const { return !folder.empty(); }
  bool usable() const;  // found, and no problem in it
};

// A report in the making.
class ReportBuilder {
 public:
  ReportBuilder(const std::string& folder, int64_t classes,
                std::initializer_list<const char*> splits = {"train", "val", "test"});

  // The rows of a split are in this file; forgets what was added to the split before.
  void begin(std::string_view split, const std::string& file);
  // A good row: `hash` finds duplicates. A pair of documents has two lengths.
  void add_row(std::string_view split, int32_t label, std::initializer_list<int64_t> lengths,
               uint64_t hash);
  // The first 20 problems of a split are kept, all are counted.
  Refuse refuse();
  void add_note(const std::string& note) { report_.notes.push_back(note); }
  bool any() const;  // row or problem
  TaskReport finish();

 private:
  size_t index_of(std::string_view split) const;

  struct Rows {
    std::vector<int64_t> lengths;
    std::vector<uint64_t> hashes;
  };
  TaskReport report_;
  std::vector<Rows> rows_;  // of each split
};

}  // namespace skiff
