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

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "data/text_file.h"
#include "examples/plot.h"

namespace skiff {

// Where a run stands, besides parameters and optimizer state.
struct Progress {
  int64_t step = 0;       // steps taken
  int64_t position = 0;   // batches handed out
  double best_accuracy = -1;
  int64_t best_step = 0;
  int64_t validated = 0;  // the last step whose validation is in best_accuracy
  // Sums since the last row of metrics.csv, so that a resumed run writes the same rows.
  double loss_sum = 0, norm_sum = 0;
  int64_t correct = 0, seen = 0, summed = 0;
  double seconds = 0;     // of training so far
};

inline std::map<std::string, std::string> to_metadata(const Progress& p) {
  const auto exact = [](double v) {
    char text[64];
    std::snprintf(text, sizeof text, "%a", v);
    return std::string(text);
  };
  // The time is not here: two equal runs make equal checkpoints.
  return {{"format", "skiff training state 1"}, {"step", std::to_string(p.step)},
          {"position", std::to_string(p.position)}, {"best_accuracy", exact(p.best_accuracy)},
          {"best_step", std::to_string(p.best_step)}, {"validated", std::to_string(p.validated)}, {"loss_sum", exact(p.loss_sum)},
          {"norm_sum", exact(p.norm_sum)}, {"correct", std::to_string(p.correct)},
          {"seen", std::to_string(p.seen)}, {"summed", std::to_string(p.summed)}};
}

inline Progress to_progress(const safetensors::File& file) {
  const auto text = [&](const char* key) {
    const auto at = file.metadata.find(key);
    check<DataError>(at != file.metadata.end(), file.path, ": not a training checkpoint: '", key,
                     "' is missing");
    return at->second;
  };
  const auto number = [&](const char* key) {
    const std::string value = text(key);
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    check<DataError>(!value.empty() && *end == '\0', file.path, ": '", key, "' must be a number, got ",
                     quoted(value));
    return parsed;
  };
  check<DataError>(text("format") == "skiff training state 1", file.path,
                   ": unknown format ", quoted(text("format")));
  Progress p;
  p.step = int64_t(number("step"));
  p.position = int64_t(number("position"));
  p.best_accuracy = number("best_accuracy");
  p.best_step = int64_t(number("best_step"));
  // Files without it were saved after the validation.
  p.validated = file.metadata.count("validated") ? int64_t(number("validated")) : p.step;
  p.loss_sum = number("loss_sum");
  p.norm_sum = number("norm_sum");
  p.correct = int64_t(number("correct"));
  p.seen = int64_t(number("seen"));
  p.summed = int64_t(number("summed"));
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

class RunFolder {
 public:
  // Takes the folder; another program that trains in it is an error.
  explicit RunFolder(const std::string& path) : path_(path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    check<IoError>(!error, "cannot create the run folder '", path, "': ", error.message());
    lock_ = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    check<IoError>(lock_ >= 0, "cannot write in '", path, "': ", std::strerror(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      ::close(lock_);
      fail<UsageError>("another program trains in '", path, "'; give another --out");
    }
    // A program that was killed while it wrote leaves its unfinished file.
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.path().filename().string().find(".tmp.") != std::string::npos)
        std::filesystem::remove(entry.path(), error);
  }
  ~RunFolder() { ::close(lock_); }  // also gives the lock back
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  bool has(const std::string& name) const { return std::filesystem::exists(file(name)); }

  void write(const std::string& name, const std::string& text) const {
    AtomicFile out(file(name));
    out.write(text);
    out.publish();
  }
  std::string read(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    check<DataError>(bool(in), "cannot open '", file(name), "'");
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Checkpoints, oldest first.
  std::vector<std::string> checkpoints() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("ckpt-") && name.ends_with(".safetensors")) names.push_back(name);
    }
    std::sort(names.begin(), names.end());  // the number has leading zeros
    return names;
  }
  static std::string checkpoint_name(int64_t step) {
    char name[48];
    std::snprintf(name, sizeof name, "ckpt-%08lld.safetensors", (long long)step);
    return name;
  }
  // Removes all but the newest `keep`, after the new one is safe.
  void remove_old_checkpoints(int64_t keep) const {
    const std::vector<std::string> names = checkpoints();
    for (size_t i = 0; i + size_t(keep) < names.size(); ++i) std::filesystem::remove(file(names[i]));
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
    for (const std::string& name : checkpoints()) std::filesystem::remove(file(name));
    for (const char* name : {"best.safetensors", "metrics.csv", "curves.svg", "config.toml", "profile.csv",
                             "result.json"})
      std::filesystem::remove(file(name));
  }

  // Starts metrics.csv, or cuts it back to the rows up to `step`, so that no row is there twice.
  void start_metrics(int64_t step) {
    std::string kept = std::string(kMetricsHeader) + "\n";
    rows_.clear();
    if (step > 0) {
      LineReader in(file("metrics.csv"));
      std::string_view line;
      check<DataError>(in.next(&line) && line == kMetricsHeader, file("metrics.csv"),
                       ":1: not the header of a metrics file");
      while (in.next(&line)) {
        const MetricsRow row = parse_row(std::string(line), in.line());
        if (row.step > step) break;
        rows_.push_back(row);
        kept += std::string(line) + "\n";
      }
    }
    write("metrics.csv", kept);
  }
  void add_row(const MetricsRow& row) {
    rows_.push_back(row);
    std::string line = std::to_string(row.step);
    for (const double v : {row.epoch, row.train_loss, row.train_accuracy, row.lr, row.gradient_norm,
                           row.val_loss, row.val_accuracy, row.seconds, row.tokens_per_second}) {
      char cell[40];
      std::snprintf(cell, sizeof cell, ",%.9g", v);
      line += std::isnan(v) ? "," : cell;
    }
    std::ofstream out(file("metrics.csv"), std::ios::app);
    out << line << '\n' << std::flush;
    check<IoError>(bool(out), "cannot write '", file("metrics.csv"), "': ", std::strerror(errno));
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
      val_loss.x.push_back(x), val_loss.y.push_back(r.val_loss > edge && edge > 0 ? edge : r.val_loss);
      val_accuracy.x.push_back(x), val_accuracy.y.push_back(r.val_accuracy);
      majority.x.push_back(x), majority.y.push_back(majority_rate);
    }
    write("curves.svg", plot::svg(title, {{title + ": loss", "step", {train_loss, val_loss}, false},
                                          {"accuracy", "step", {train_accuracy, val_accuracy, majority}, true}}));
  }

 private:
  MetricsRow parse_row(const std::string& line, int64_t number) const {
    std::vector<double> cells;
    for (size_t begin = 0; begin <= line.size();) {
      const size_t end = std::min(line.find(',', begin), line.size());
      const std::string cell = line.substr(begin, end - begin);
      char* stop = nullptr;
      const double value = cell.empty() ? NAN : std::strtod(cell.c_str(), &stop);
      check<DataError>(cell.empty() || *stop == '\0', file("metrics.csv"), ":", number,
                       ": a number is needed, got ", quoted(cell));
      cells.push_back(value);
      begin = end + 1;
    }
    check<DataError>(cells.size() == 10, file("metrics.csv"), ":", number, ": 10 columns are needed, got ",
                     cells.size());
    return {int64_t(cells[0]), cells[1], cells[2], cells[3], cells[4],
            cells[5],          cells[6], cells[7], cells[8], cells[9]};
  }

  std::string path_;
  int lock_ = -1;
  std::vector<MetricsRow> rows_;
};

}  // namespace skiff
