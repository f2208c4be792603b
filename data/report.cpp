#include "data/report.h"

#include <algorithm>
#include <numeric>

namespace skiff {

LengthSummary summary_of(std::vector<int64_t> lengths) {
  if (lengths.empty()) return {};
  std::sort(lengths.begin(), lengths.end());
  const size_t n = lengths.size();
  const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
  return {lengths.front(), lengths.back(), double(lengths[(n - 1) / 2] + lengths[n / 2]) / 2,
          double(total) / double(n)};
}

std::string to_string(const Problem& problem) {
  const std::string place =
      problem.line > 0 ? problem.file + ":" + std::to_string(problem.line) : problem.file;
  return place + ": " + problem.reason;
}

namespace {

Problem problem_at(const std::string& file, int64_t line, const std::string& reason) {
  const size_t end = reason.starts_with(file) ? reason.find(": ", file.size()) : std::string::npos;
  if (end == std::string::npos) return {file, line, reason};
  return {reason.substr(0, end), line, reason.substr(end + 2)};
}

}  // namespace

void throw_problem(std::string_view, const std::string& file, int64_t line,
                   const std::string& reason) {
  fail<DataError>(to_string(problem_at(file, line, reason)));
}

int64_t SplitReport::rows() const {
  return std::accumulate(class_counts.begin(), class_counts.end(), int64_t(0));
}

bool TaskReport::usable() const {
  return found() && std::all_of(splits.begin(), splits.end(),
                                [](const SplitReport& split) { return split.problem_count == 0; });
}

ReportBuilder::ReportBuilder(const std::string& folder, int64_t classes,
                             std::initializer_list<const char*> splits)
    : rows_(splits.size()) {
  report_.folder = folder;
  for (const char* name : splits) {
    report_.splits.push_back({name, folder, std::vector<int64_t>(size_t(classes), 0), {}, 0, {}});
  }
}

size_t ReportBuilder::index_of(std::string_view split) const {
  size_t i = 0;
  while (i < report_.splits.size() && report_.splits[i].name != split) ++i;
  check(i < report_.splits.size(), "report: no split is called ", split);
  return i;
}

void ReportBuilder::begin(std::string_view split, const std::string& file) {
  const size_t i = index_of(split);
  SplitReport& part = report_.splits[i];
  part = {part.name, file, std::vector<int64_t>(part.class_counts.size(), 0), {}, 0, {}};
  rows_[i] = {};
}

void ReportBuilder::add_row(std::string_view split, int32_t label,
                            std::initializer_list<int64_t> lengths, uint64_t hash) {
  const size_t i = index_of(split);
  ++report_.splits[i].class_counts.at(size_t(label));
  rows_[i].lengths.insert(rows_[i].lengths.end(), lengths);
  rows_[i].hashes.push_back(hash);
}

Refuse ReportBuilder::refuse() {
  return [this](std::string_view split, const std::string& file, int64_t line,
                const std::string& reason) {
    constexpr int64_t kMostProblems = 20;
    SplitReport& part = report_.splits[index_of(split)];
    if (++part.problem_count <= kMostProblems) {
      part.problems.push_back(problem_at(file, line, reason));
    }
  };
}

bool ReportBuilder::any() const {
  return std::any_of(report_.splits.begin(), report_.splits.end(),
                     [](const SplitReport& s) { return s.rows() + s.problem_count > 0; });
}

TaskReport ReportBuilder::finish() {
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i < rows_.size(); ++i) {
    hashes.insert(hashes.end(), rows_[i].hashes.begin(), rows_[i].hashes.end());
    report_.splits[i].lengths = summary_of(std::move(rows_[i].lengths));
  }
  std::sort(hashes.begin(), hashes.end());
  report_.duplicates = int64_t(hashes.end() - std::unique(hashes.begin(), hashes.end()));
  return std::move(report_);
}

}  // namespace skiff
