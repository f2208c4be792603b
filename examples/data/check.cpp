#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/check.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"
#include "data/tasks.h"
#include "examples/data/commands.h"

namespace skiff {

namespace {

void print_report(const Task& task, const TaskReport& report) {
  std::printf("%s: %s\n", task.name.c_str(), printable(report.folder).c_str());
  std::vector<SplitReport> read;  // the splits that have rows
  for (const SplitReport& split : report.splits) {
    if (split.rows() > 0) read.push_back(split);
  }
  std::puts(read.empty()
                ? "  no row could be read"
                : "  split      rows  length:  min   median     mean      max  majority class");
  for (const SplitReport& split : read) {
    const auto& counts = split.class_counts;
    const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
    std::printf("  %-5s %9lld         %5lld %8.1f %8.1f %8lld  %lld (%.2f %%)\n",
                split.name.c_str(), (long long)split.rows(), (long long)split.lengths.min,
                split.lengths.median, split.lengths.mean, (long long)split.lengths.max,
                (long long)most, 100 * majority_rate(counts));
  }
  if (!read.empty()) std::printf("  share of each class in %%, from class 0\n");
  for (const SplitReport& split : read) {
    std::printf("  %-5s", split.name.c_str());
    for (const int64_t count : split.class_counts) {
      std::printf(" %6.2f", 100.0 * double(count) / double(std::max<int64_t>(1, split.rows())));
    }
    std::printf("\n");
  }
  if (!read.empty()) std::printf("  duplicates: %lld\n", (long long)report.duplicates);
  for (const std::string& note : report.notes) std::printf("  note: %s\n", printable(note).c_str());
  for (const SplitReport& split : report.splits) {
    std::printf("  problems in %s: %lld\n", split.name.c_str(), (long long)split.problem_count);
    for (const Problem& problem : split.problems) {
      std::printf("    %s\n", printable(to_string(problem)).c_str());
    }
    const int64_t more = split.problem_count - int64_t(split.problems.size());
    if (more > 0) std::printf("    and %lld more\n", (long long)more);
  }
}

}  // namespace

int check_folder(const std::string& folder) {
  // To find "." one must be allowed to search the folder, which would seem empty otherwise.
  check<DataError>(is_file(folder) || is_there(std::filesystem::path(folder) / "."),
                   "check: cannot find '", folder, "'");
  bool any = false, all_usable = true;
  for (const Task& task : tasks()) {
    TaskReport report;
    try {
      report = task.check_files(folder);
      any = any || report.found();
      if (!report.found() && *task.elsewhere) report = task.check_files(task.elsewhere);
    } catch (const DataError& error) {  // a folder of the task that may not be searched
      std::printf("%s: %s\n", task.name.c_str(), printable(error.what()).c_str());
      any = true;
      all_usable = false;
      continue;
    }
    if (report.found()) {
      print_report(task, report);
      all_usable = all_usable && report.usable();
    } else {
      std::printf("%s: not found; %s\n", task.name.c_str(), task.origin.c_str());
    }
  }
  check<DataError>(any, "check: no task found in '", folder, "'");
  check<DataError>(all_usable, "check: the data has problems");
  return 0;
}

}  // namespace skiff
