#include "examples/train/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "examples/train/progress.h"

namespace skiff {

namespace {

// The files of a run besides checkpoints and the lock.
constexpr const char* kFiles[] = {"best.safetensors", "metrics.csv", "curves.svg",
                                  "config.toml",      "profile.csv", "result.json",
                                  "extrapolation.svg"};
// Those of a run of several, besides its tables, metrics.csv and curves.svg.
constexpr const char* kFilesOfSeveral[] = {kOptionsOfSeveral, kPlan, kSweepBudget, kBeganWith};

bool is_temporary(const std::string& name) {
  const size_t at = name.rfind(".tmp.");
  if (at == name.npos || !whole_number(std::string_view(name).substr(at + 5))) return false;
  const std::string of = name.substr(0, at);
  const auto among = [&](const auto& files) {
    return std::find(std::begin(files), std::end(files), of) != std::end(files);
  };
  return among(kFiles) || among(kFilesOfSeveral) || among(kTablesOfSeveral) ||
         RunFolder::step_of(of).has_value();
}

bool is_of_a_run(const std::string& name) {
  return name == "lock" || name == kOptionsOfSeveral || name == kPlan || name == kBeganWith ||
         is_temporary(name) || RunFolder::step_of(name).has_value() ||
         std::find(std::begin(kFiles), std::end(kFiles), name) != std::end(kFiles);
}

}  // namespace

RunFolder::RunFolder(const std::string& path, int (*lock)(int file, int operation)) : path_(path) {
  for (int again = 0; !open_lock(lock); ++again)
    check<IoError>(again < 100, "the run folder '", path, "' vanishes again and again");
  try {
    remove_temporaries();
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() {
  std::error_code error;
  const std::filesystem::directory_iterator end;
  bool empty = made_;
  for (std::filesystem::directory_iterator entry(path_, error); empty && !error && entry != end;
       entry.increment(error))
    empty = entry->path().filename() == "lock";
  if (empty && !error) {
    ::unlink(file("lock").c_str());
    ::rmdir(path_.c_str());
  }
  ::close(lock_);
}

// False where another start has just removed the folder that it had made: this is then the lock of
// nothing.
bool RunFolder::open_lock(int (*lock)(int file, int operation)) {
  std::error_code error;
  made_ = std::filesystem::create_directories(path_, error);
  check<IoError>(!error, "cannot create the run folder '", path_, "': ", error.message());
  lock_ = ::open(file("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0 && errno == ENOENT) return false;
  check<IoError>(lock_ >= 0, "cannot write in '", path_, "': ", std::strerror(errno));
  try {
    take_lock(lock);
  } catch (...) {
    ::close(lock_);
    throw;
  }
  struct stat mine = {}, there = {};
  if (::fstat(lock_, &mine) == 0 && ::stat(file("lock").c_str(), &there) == 0 &&
      mine.st_ino == there.st_ino)
    return true;
  ::close(lock_);
  return false;
}

std::vector<std::string> RunFolder::take_notes() { return std::exchange(notes_, {}); }

bool RunFolder::has(const std::string& name) const {
  std::error_code error;
  const bool there = std::filesystem::exists(file(name), error);
  check<IoError>(!error, "cannot look for '", file(name), "': ", error.message());
  return there;
}

void RunFolder::write(const std::string& name, const std::string& text) const {
  write_file(file(name), text);
}

std::string RunFolder::read(const std::string& name) const {
  std::ifstream in(file(name), std::ios::binary);
  const int error = errno;
  check<DataError>(bool(in), "cannot open '", file(name), "': ", std::strerror(error));
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> RunFolder::checkpoints() const {
  std::vector<std::pair<int64_t, std::string>> found;
  for (const std::string& name : names())
    if (const auto step = step_of(name)) found.emplace_back(*step, name);
  std::sort(found.begin(), found.end());
  std::vector<std::string> sorted;
  for (const auto& [step, name] : found) sorted.push_back(name);
  return sorted;
}

std::optional<int64_t> RunFolder::step_of(std::string_view name) {
  constexpr std::string_view kBefore = "ckpt-", kAfter = ".safetensors";
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return {};
  name.remove_prefix(kBefore.size());
  name.remove_suffix(kAfter.size());
  return whole_number(name);
}

std::string RunFolder::checkpoint_name(int64_t step) {
  char name[48];
  std::snprintf(name, sizeof name, "ckpt-%08lld.safetensors", (long long)step);
  return name;
}

void RunFolder::remove_old_checkpoints(int64_t keep) const {
  const std::vector<std::string> names = checkpoints();
  std::exception_ptr problem;
  for (size_t i = 0; i + size_t(keep) < names.size(); ++i) {
    try {
      remove(names[i]);
    } catch (const IoError&) {
      problem = std::current_exception();
    }
  }
  if (problem) std::rethrow_exception(problem);
}

std::string RunFolder::set_aside(const std::string& name) const {
  std::string aside = name + ".damaged";
  for (int i = 2; has(aside); ++i) aside = name + ".damaged" + std::to_string(i);
  std::error_code error;
  std::filesystem::rename(file(name), file(aside), error);
  check<IoError>(!error, "cannot rename '", file(name), "' to '", aside, "': ", error.message());
  return aside;
}

void RunFolder::clear() const {
  for (const std::string& name : checkpoints()) remove(name);
  for (const char* name : kFiles) remove(name);
}

void RunFolder::remove_run() {
  clear();
  remove(kBeganWith);
  made_ = true;  // the destructor removes a folder with nothing in it but the lock
}

void RunFolder::start_metrics(int64_t step) {
  rows_.clear();
  if (step > 0) read_rows(step);
  write_rows();
}

void RunFolder::add_row(const MetricsRow& row) {
  rows_.push_back(row);
  if (!rows_written_ || !append(text_of(row))) write_rows();
}

// A file system without locks is no reason to refuse training.
void RunFolder::take_lock(int (*lock)(int file, int operation)) {
  int result = lock(lock_, LOCK_EX | LOCK_NB);
  for (int again = 0; result != 0 && errno == EINTR && again < 100; ++again)
    result = lock(lock_, LOCK_EX | LOCK_NB);
  if (result == 0) return;
  const int error = errno;
  check<UsageError>(error != EWOULDBLOCK, "another program trains in '", path_,
                    "'; give another --out");
  notes_.push_back("'" + path_ + "' cannot be locked (" + std::strerror(error) +
                   "), so nothing keeps a second program from training in it");
}

// A program that was killed while it wrote leaves its unfinished file. In a folder without a run
// nothing is touched: those files belong to the user. A run that was killed before it wrote
// config.toml has a folder with nothing but files of a run; one of several, too, or it has options.
void RunFolder::remove_temporaries() const {
  const std::vector<std::string> all = names();
  if (!has("config.toml") && !has(kOptionsOfSeveral) && !has("results.csv") &&
      !std::all_of(all.begin(), all.end(), is_of_a_run))
    return;
  std::error_code ignored;
  for (const std::string& name : all)
    if (is_temporary(name)) std::filesystem::remove(file(name), ignored);
}

// Of everything in the folder.
std::vector<std::string> RunFolder::names() const {
  std::vector<std::string> found;
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator entry(path_, error); !error && entry != end;
       entry.increment(error))
    found.push_back(entry->path().filename().string());
  check<IoError>(!error, "cannot list the run folder '", path_, "': ", error.message());
  return found;
}

void RunFolder::remove(const std::string& name) const {
  std::error_code error;
  std::filesystem::remove(file(name), error);
  check<IoError>(!error, "cannot remove '", file(name), "': ", error.message());
}

// ---- rows of metrics.csv ----

void RunFolder::write_rows() {
  rows_written_ = false;
  std::string text = kMetricsHeader;
  for (const MetricsRow& row : rows_) text += text_of(row);
  write("metrics.csv", text);
  rows_written_ = true;
}

// Whether the whole line was written; the file must exist.
bool RunFolder::append(const std::string& line) const {
  const int out = ::open(file("metrics.csv").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (out < 0) return false;
  const bool written = ::write(out, line.data(), line.size()) == ssize_t(line.size());
  return ::close(out) == 0 && written;
}

// Nothing in a run depends on these rows, and a power failure or a full disk can damage them: rows
// that are not whole are left out.
void RunFolder::read_rows(int64_t step) {
  const std::string name = file("metrics.csv"),
                    text = has("metrics.csv") ? read("metrics.csv") : "";
  const std::string header = kMetricsHeader;
  if (!text.starts_with(header)) {
    notes_.push_back("'" + name +
                     "' is missing or does not begin as it should; it is begun anew, without the " +
                     "rows up to step " + std::to_string(step));
    return;
  }
  int64_t number = 1, broken = 0, first_broken = 0;
  for (size_t begin = header.size(); begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end == text.npos ? text.size() : end + 1;
    ++number;
    // Without its end a row may lack digits of the last number.
    const std::optional<MetricsRow> row = end == text.npos ? std::nullopt : parse_row(line);
    if (row && row->step > step) break;
    if (row && (rows_.empty() || row->step > rows_.back().step)) {
      rows_.push_back(*row);
    } else if (++broken == 1) {
      first_broken = number;
    }
  }
  if (broken > 0)
    notes_.push_back("'" + name + "': line " + std::to_string(first_broken) +
                     (broken == 1 ? "" : " and " + std::to_string(broken - 1) + " more") +
                     " cannot be read as a row; left out");
}

}  // namespace skiff
