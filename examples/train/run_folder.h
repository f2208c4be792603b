// The files of a training run:
//   config.toml              every option, fed back with --config
//   metrics.csv              one row every log interval
//   ckpt-00000120.safetensors  parameters, optimizer state and position, the newest few
//   best.safetensors         the same at the best validation accuracy
//   curves.svg               loss and accuracy over the steps
//   profile.csv              with --profile: time, bytes and calls of every op
//   result.json              the peak of memory; at the end, the result as well
//   lock                     held while a program trains here
// Checkpoints and the other files are written under another name, synced and renamed.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/atomic_file.h"
#include "core/io/safetensors.h"
#include "data/files/text_file.h"
#include "examples/charts/plot.h"

namespace skiff {

// The number that `text` is: digits and nothing else, at most 10^15, which no count of a run
// reaches.
inline std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-' ||
      value > 1000000000000000)
    return {};
  return value;
}

// Where a run stands, besides parameters and optimizer state.
struct Progress {
  int64_t step = 0;      // steps taken
  int64_t position = 0;  // batches handed out
  double best_accuracy = -1;
  int64_t best_step = 0;
  int64_t validated = 0;  // the last step whose validation is in best_accuracy
  // Sums since the last row of metrics.csv, so that a resumed run writes the same rows.
  double loss_sum = 0, norm_sum = 0;
  int64_t correct = 0, seen = 0, summed = 0;
  double seconds = 0;  // of training so far
};

inline std::map<std::string, std::string> to_metadata(const Progress& p) {
  const auto exact = [](double v) {
    char text[64];
    std::snprintf(text, sizeof text, "%a", v);
    return std::string(text);
  };
  // The time is not here: two equal runs make equal checkpoints.
  return {{"format", "skiff training state 1"},
          {"step", std::to_string(p.step)},
          {"position", std::to_string(p.position)},
          {"best_accuracy", exact(p.best_accuracy)},
          {"best_step", std::to_string(p.best_step)},
          {"validated", std::to_string(p.validated)},
          {"loss_sum", exact(p.loss_sum)},
          {"norm_sum", exact(p.norm_sum)},
          {"correct", std::to_string(p.correct)},
          {"seen", std::to_string(p.seen)},
          {"summed", std::to_string(p.summed)}};
}

inline Progress to_progress(const safetensors::File& file) {
  const auto text = [&](const char* key) {
    const auto at = file.metadata.find(key);
    check<DataError>(at != file.metadata.end(), file.path, ": not a training checkpoint: '", key,
                     "' is missing");
    return at->second;
  };
  const auto refuse = [&](const char* key, const std::string& requirement) {
    fail<DataError>(file.path, ": '", key, "' must be ", requirement, ", got ", quoted(text(key)));
  };
  const auto count = [&](const char* key) {
    const std::optional<int64_t> value = whole_number(text(key));
    if (!value) refuse(key, "a whole number from 0 to 10^15");
    return *value;
  };
  const auto number = [&](const char* key, double least, double most) {
    const std::string value = text(key);
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    const bool whole = !value.empty() && end == value.c_str() + value.size();
    if (!whole || !(parsed >= least && parsed <= most)) {
      std::ostringstream range;
      range << "a number from " << least << " to " << most;
      refuse(key, range.str());
    }
    return parsed;
  };
  check<DataError>(text("format") == "skiff training state 1", file.path, ": unknown format ",
                   quoted(text("format")));
  constexpr double kLargest = std::numeric_limits<double>::max();
  Progress p;
  p.step = count("step");
  p.position = count("position");
  p.best_accuracy = number("best_accuracy", -1, 1);
  p.best_step = count("best_step");
  // Files without it were saved after the validation.
  p.validated = file.metadata.count("validated") ? count("validated") : p.step;
  p.loss_sum = number("loss_sum", -kLargest, kLargest);
  p.norm_sum = number("norm_sum", 0, kLargest);
  p.correct = count("correct");
  p.seen = count("seen");
  p.summed = count("summed");
  if (p.best_step > p.step) refuse("best_step", "a step that was taken");
  if (p.correct > p.seen) refuse("correct", "at most 'seen'");
  return p;
}

// A row of metrics.csv; NaN is an empty cell.
struct MetricsRow {
  int64_t step = 0;
  double epoch = 0, train_loss = NAN, train_accuracy = NAN, lr = NAN, gradient_norm = NAN;
  double val_loss = NAN, val_accuracy = NAN, seconds = 0, tokens_per_second = 0;
};
inline constexpr const char* kMetricsHeader =
    "step,epoch,train_loss,train_accuracy,lr,gradient_norm,val_loss,val_accuracy,seconds,"
    "tokens_per_second";

// What cannot be written, removed or listed throws IoError. The folder is then still one to go on
// with: a row of metrics.csv that could not be written is written with the next one.
class RunFolder {
 public:
  // Takes the folder; another program that trains in it is an error. `lock`: for tests.
  explicit RunFolder(const std::string& path, int (*lock)(int file, int operation) = ::flock)
      : path_(path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    check<IoError>(!error, "cannot create the run folder '", path, "': ", error.message());
    lock_ = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    check<IoError>(lock_ >= 0, "cannot write in '", path, "': ", std::strerror(errno));
    try {
      take_lock(lock);
      remove_temporaries();
    } catch (...) {
      ::close(lock_);
      throw;
    }
  }
  ~RunFolder() { ::close(lock_); }  // also gives the lock back
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // What the user should know, though the run can go on; each is handed out once.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  bool has(const std::string& name) const {
    std::error_code error;
    const bool there = std::filesystem::exists(file(name), error);
    check<IoError>(!error, "cannot look for '", file(name), "': ", error.message());
    return there;
  }

  void write(const std::string& name, const std::string& text) const {
    AtomicFile out(file(name));
    out.write(text);
    out.publish();
  }
  std::string read(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    const int error = errno;
    check<DataError>(bool(in), "cannot open '", file(name), "': ", std::strerror(error));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Checkpoints, oldest first.
  std::vector<std::string> checkpoints() const {
    std::vector<std::pair<int64_t, std::string>> found;
    for (const std::string& name : names())
      if (const auto step = step_of(name)) found.emplace_back(*step, name);
    std::sort(found.begin(), found.end());
    std::vector<std::string> sorted;
    for (const auto& [step, name] : found) sorted.push_back(name);
    return sorted;
  }
  static std::string checkpoint_name(int64_t step) {
    char name[48];
    std::snprintf(name, sizeof name, "ckpt-%08lld.safetensors", (long long)step);
    return name;
  }
  // Removes all but the newest `keep`, after the new one is safe. One that stays is an error, but
  // keeps no other from being removed.
  void remove_old_checkpoints(int64_t keep) const {
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
  // Gives a damaged file another name, which is returned, so that nothing reads or replaces it.
  std::string set_aside(const std::string& name) const {
    std::string aside = name + ".damaged";
    for (int i = 2; has(aside); ++i) aside = name + ".damaged" + std::to_string(i);
    std::error_code error;
    std::filesystem::rename(file(name), file(aside), error);
    check<IoError>(!error, "cannot rename '", file(name), "' to '", aside, "': ", error.message());
    return aside;
  }
  // For --force: what an earlier run left.
  void clear() const {
    for (const std::string& name : checkpoints()) remove(name);
    for (const char* name : kFiles) remove(name);
  }

  // Starts metrics.csv, or cuts it back to the rows up to `step`, so that no row is there twice.
  void start_metrics(int64_t step) {
    rows_.clear();
    if (step > 0) read_rows(step);
    write_rows();
  }
  void add_row(const MetricsRow& row) {
    rows_.push_back(row);
    if (!rows_written_ || !append(text_of(row))) write_rows();
  }
  const std::vector<MetricsRow>& rows() const { return rows_; }

  void write_curves(const std::string& title, double majority_rate) const {
    plot::Line train_loss{"training", {}, {}}, val_loss{"validation", {}, {}};
    plot::Line train_accuracy = train_loss, val_accuracy = val_loss;
    plot::Line majority{"majority class", {}, {}, true};
    // One validation that goes astray must not flatten the rest: it is drawn at the upper edge.
    double edge = 0;
    for (const MetricsRow& r : rows_)
      if (std::isfinite(r.train_loss)) edge = std::max(edge, 2 * r.train_loss);
    for (const MetricsRow& r : rows_) {
      const double x = double(r.step);
      train_loss.x.push_back(x), train_loss.y.push_back(r.train_loss);
      train_accuracy.x.push_back(x), train_accuracy.y.push_back(r.train_accuracy);
      val_loss.x.push_back(x),
          val_loss.y.push_back(r.val_loss > edge && edge > 0 ? edge : r.val_loss);
      val_accuracy.x.push_back(x), val_accuracy.y.push_back(r.val_accuracy);
      majority.x.push_back(x), majority.y.push_back(majority_rate);
    }
    write("curves.svg",
          plot::svg(title, {{title + ": loss", "step", {train_loss, val_loss}, false},
                            {"accuracy", "step", {train_accuracy, val_accuracy, majority}, true}}));
  }

 private:
  // Those of a run besides checkpoints and the lock.
  static constexpr const char* kFiles[] = {"best.safetensors", "metrics.csv", "curves.svg",
                                           "config.toml",      "profile.csv", "result.json"};

  // A file system without locks is no reason not to train.
  void take_lock(int (*lock)(int file, int operation)) {
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

  // A program that was killed while it wrote leaves its unfinished file. In a folder that holds no
  // run nothing is touched: the files there are somebody's own.
  void remove_temporaries() const {
    if (!has("config.toml") && !has("results.csv")) return;
    std::error_code ignored;
    for (const std::string& name : names())
      if (is_temporary(name)) std::filesystem::remove(file(name), ignored);
  }
  static bool is_temporary(const std::string& name) {
    const size_t at = name.rfind(".tmp.");
    if (at == name.npos || !whole_number(std::string_view(name).substr(at + 5))) return false;
    const std::string of = name.substr(0, at);
    if (std::find(std::begin(kFiles), std::end(kFiles), of) != std::end(kFiles)) return true;
    return of == "results.csv" || of == "results.svg" ||
           step_of(of).has_value();  // the first two: of several runs
  }

  // 120 for ckpt-00000120.safetensors; nothing for any other name.
  static std::optional<int64_t> step_of(std::string_view name) {
    constexpr std::string_view kBefore = "ckpt-", kAfter = ".safetensors";
    if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return {};
    name.remove_prefix(kBefore.size());
    name.remove_suffix(kAfter.size());
    return whole_number(name);
  }

  std::vector<std::string> names() const {  // of everything in the folder
    std::vector<std::string> found;
    std::error_code error;
    const std::filesystem::directory_iterator end;
    for (std::filesystem::directory_iterator entry(path_, error); !error && entry != end;
         entry.increment(error))
      found.push_back(entry->path().filename().string());
    check<IoError>(!error, "cannot list the run folder '", path_, "': ", error.message());
    return found;
  }
  void remove(const std::string& name) const {
    std::error_code error;
    std::filesystem::remove(file(name), error);
    check<IoError>(!error, "cannot remove '", file(name), "': ", error.message());
  }

  // ---- rows of metrics.csv ----

  static std::string text_of(const MetricsRow& row) {
    std::string line = std::to_string(row.step);
    for (const double v : {row.epoch, row.train_loss, row.train_accuracy, row.lr, row.gradient_norm,
                           row.val_loss, row.val_accuracy, row.seconds, row.tokens_per_second}) {
      char cell[40];
      std::snprintf(cell, sizeof cell, ",%.9g", v);
      line += std::isnan(v) ? "," : cell;
    }
    return line + "\n";
  }
  void write_rows() {
    rows_written_ = false;
    std::string text = std::string(kMetricsHeader) + "\n";
    for (const MetricsRow& row : rows_) text += text_of(row);
    write("metrics.csv", text);
    rows_written_ = true;
  }
  // Whether all of it was written; the file must be there.
  bool append(const std::string& line) const {
    const int out = ::open(file("metrics.csv").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (out < 0) return false;
    const bool written = ::write(out, line.data(), line.size()) == ssize_t(line.size());
    return ::close(out) == 0 && written;
  }

  // Nothing of a run depends on these rows, and a power failure or a full disk can damage them:
  // what is not whole is left out.
  void read_rows(int64_t step) {
    const std::string name = file("metrics.csv"),
                      text = has("metrics.csv") ? read("metrics.csv") : "";
    const std::string header = std::string(kMetricsHeader) + "\n";
    if (!text.starts_with(header)) {
      notes_.push_back(
          "'" + name +
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
      // Without its end a row may have lost digits of the last number.
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
  // Nothing for what is not a whole row.
  static std::optional<MetricsRow> parse_row(std::string_view line) {
    std::vector<std::string_view> cells;
    for (size_t begin = 0; begin <= line.size();) {
      const size_t end = std::min(line.find(',', begin), line.size());
      cells.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    MetricsRow row;
    double* const values[] = {&row.epoch,        &row.train_loss,    &row.train_accuracy,
                              &row.lr,           &row.gradient_norm, &row.val_loss,
                              &row.val_accuracy, &row.seconds,       &row.tokens_per_second};
    if (cells.size() != 1 + std::size(values)) return {};
    const std::optional<int64_t> step = whole_number(cells[0]);
    if (!step) return {};
    row.step = *step;
    for (size_t i = 0; i < std::size(values); ++i) {
      const std::string_view cell = cells[i + 1];
      *values[i] = NAN;
      if (cell.empty()) continue;
      const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), *values[i]);
      if (error != std::errc() || end != cell.data() + cell.size()) return {};
    }
    return row;
  }

  std::string path_;
  int lock_ = -1;
  std::vector<std::string> notes_;
  std::vector<MetricsRow> rows_;
  bool rows_written_ = false;  // whether metrics.csv holds them
};

}  // namespace skiff
