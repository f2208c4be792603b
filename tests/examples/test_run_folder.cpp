// The folder of a run: what it takes for its own, what it repairs, and what it refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/io/safetensors.h"
#include "data/files/text_file.h"
#include "examples/train/progress.h"
#include "examples/train/run_folder.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

MetricsRow row_at(int64_t step) {
  MetricsRow row;
  row.step = step;
  row.train_loss = 1.0 / double(step);
  return row;
}

}  // namespace

TEST_CASE("run folder: only its own temporary files are removed, and only when it holds a run") {
  const Folder folder;
  const std::vector<std::string> others = {"ckpt-12.safetensors.tmp.",
                                           "ckpt-1x.safetensors.tmp.7",
                                           "metrics.csv.tmp.7.bak",
                                           "my.metrics.csv.tmp.7",
                                           "notes.tmp.12",
                                           "thesis.tmp.tex"};
  const std::vector<std::string> own = {"best.safetensors.tmp.3", "began-with.tmp.2",
                                        "ckpt-00000120.safetensors.tmp.81", "config.toml.tmp.4",
                                        "metrics.csv.tmp.123456789"};
  for (const auto& names : {others, own})
    for (const std::string& name : names) folder.write(name, "x");
  fs::create_directory(folder.path / "empty.tmp.d");
  const auto before = names_in(folder.path);
  { RunFolder run(folder.name()); }
  fs::remove(folder.path / "lock");
  CHECK(names_in(folder.path) == before);

  folder.write("config.toml", "");
  { RunFolder run(folder.name()); }
  std::vector<std::string> left = others;
  for (const char* name : {"config.toml", "empty.tmp.d", "lock"}) left.push_back(name);
  std::sort(left.begin(), left.end());
  CHECK(names_in(folder.path) == left);
}

TEST_CASE(
    "run folder: temporary files of a run that was killed before it wrote its options go, too") {
  const Folder folder;
  const std::vector<std::string> run_files = {"began-with", "lock", "metrics.csv"};
  for (const char* name :
       {"began-with", "lock", "metrics.csv", "config.toml.tmp.4", "metrics.csv.tmp.12"})
    folder.write(name, "x");
  { RunFolder run(folder.name()); }
  CHECK(names_in(folder.path) == run_files);

  folder.write("metrics.csv.tmp.12", "x");
  folder.write("thesis.tex", "x");  // not a folder of a run alone
  { RunFolder run(folder.name()); }
  CHECK(fs::exists(folder.path / "metrics.csv.tmp.12"));
}

TEST_CASE("run folder: those of a sweep that was killed go, too") {
  const Folder folder;
  fs::create_directories(folder.path / "seed=1");
  for (const char* name :
       {"several.toml", "several.toml.tmp.4", "sweep.csv.tmp.4", "minutes.tmp.4", "thesis.tmp.4"})
    folder.write(name, "x");
  { RunFolder run(folder.name()); }
  CHECK(names_in(folder.path) ==
        std::vector<std::string>{"lock", "seed=1", "several.toml", "thesis.tmp.4"});
}

TEST_CASE("run folder: a checkpoint is named by digits, and the newest has the largest number") {
  const Folder folder;
  const RunFolder run(folder.name());
  for (const int64_t step : {100000001, 100000000, 99999999, 5})
    folder.write(RunFolder::checkpoint_name(step), "x");
  const std::vector<std::string> copies = {
      "ckpt-.safetensors", "ckpt--7.safetensors", "ckpt-00000005.safetensors.bak",
      "ckpt-99999999999999999999.safetensors", "ckpt-before-lr-change.safetensors"};
  for (const std::string& name : copies) folder.write(name, "x");
  CHECK(run.checkpoints() ==
        std::vector<std::string>{"ckpt-00000005.safetensors", "ckpt-99999999.safetensors",
                                 "ckpt-100000000.safetensors", "ckpt-100000001.safetensors"});
  run.remove_old_checkpoints(2);
  CHECK(run.checkpoints() ==
        std::vector<std::string>{"ckpt-100000000.safetensors", "ckpt-100000001.safetensors"});
  run.clear();
  CHECK(run.checkpoints().empty());
  for (const std::string& name : copies) CHECK(run.has(name));
}

TEST_CASE("run folder: what is not whole in metrics.csv is left out, with a note") {
  const Folder folder;
  RunFolder run(folder.name());
  run.start_metrics(0);
  for (const int64_t step : {4, 8, 12}) run.add_row(row_at(step));
  const std::string path = folder.file("metrics.csv"), whole = slurp(path);
  const std::string header = kMetricsHeader;
  const size_t second = whole.find("8,"), third = whole.find("12,");
  const std::string first_two = whole.substr(0, third);
  CHECK(run.take_notes().empty());

  struct Case {
    const char* what;
    std::string found, kept, note;
  };
  const Case cases[] = {
      {"a whole file", whole, whole, ""},
      {"rows past the step", whole + "16" + std::string(9, ',') + "\n", whole, ""},
      {"half a row", first_two + "12,0.5", first_two, "line 4 cannot be read"},
      {"a row without its end", whole.substr(0, whole.size() - 1), first_two, "line 4 cannot"},
      {"zeros", first_two + std::string(30, '\0') + "\n", first_two, "line 4 cannot be read"},
      {"zeros for a number", first_two + "12" + std::string(9, ',') + std::string(3, '\0') + "\n",
       first_two, "line 4 cannot be read"},
      {"no step", first_two + std::string(9, ',') + "\n", first_two, "line 4 cannot be read"},
      {"a step that is none", first_two + "nan" + std::string(9, ',') + "\n", first_two, "line 4"},
      {"a word", first_two + "12,word" + std::string(8, ',') + "\n", first_two, "line 4 cannot"},
      {"a damaged row and a whole one", whole.substr(0, second) + "8,\n" + whole.substr(third),
       whole.substr(0, second) + whole.substr(third), "line 3 cannot be read"},
      {"a row twice", first_two + whole.substr(second), whole, "line 4 cannot be read"},
      {"two damaged rows", header + "4\n8\n", header, "line 2 and 1 more cannot be read"},
      {"half a header", header.substr(0, 9), header, "is begun anew"},
      {"nothing", "", header, "is begun anew"}};
  for (const Case& c : cases) {
    CAPTURE(c.what);
    folder.write("metrics.csv", c.found);
    run.start_metrics(12);
    CHECK((slurp(path) == c.kept));
    const std::vector<std::string> notes = run.take_notes();
    REQUIRE(notes.size() == (c.note.empty() ? 0 : 1));
    if (!notes.empty()) {
      CHECK(contains(notes[0], "'" + path + "'"));
      CHECK(contains(notes[0], c.note));
    }
    CHECK(run.take_notes().empty());
  }
  fs::remove(path);
  run.start_metrics(12);
  CHECK(slurp(path) == header);
  CHECK(run.take_notes().size() == 1);
}

TEST_CASE(
    "run folder: a row that cannot be written is an error, and is written with the next one") {
  const Folder folder;
  RunFolder run(folder.name());
  run.start_metrics(0);
  run.add_row(row_at(4));
  const std::string path = folder.file("metrics.csv");
  fs::remove(path);
  fs::create_symlink("/dev/full", path);
  CHECK_THROWS_AS(run.add_row(row_at(8)), IoError);
  CHECK_THROWS_AS(run.add_row(row_at(12)), IoError);
  fs::remove(path);
  run.add_row(row_at(16));
  const std::string text = slurp(path);
  CHECK(text.starts_with(kMetricsHeader));
  for (const char* start : {"\n4,", "\n8,", "\n12,", "\n16,"}) CHECK(contains(text, start));
  CHECK(std::count(text.begin(), text.end(), '\n') == 5);
}

TEST_CASE("run folder: what cannot be removed, listed or looked for is an IoError with its name") {
  const Folder folder;
  const std::string path = folder.file("run");
  const RunFolder run(path);
  folder.write("run/ckpt-00000005.safetensors/file", "x");
  for (const char* name : {"run/ckpt-00000006.safetensors", "run/ckpt-00000010.safetensors"})
    folder.write(name, "x");
  CHECK_THROWS_WITH_AS(run.remove_old_checkpoints(1),
                       doctest::Contains("ckpt-00000005.safetensors': Directory not empty"),
                       IoError);
  CHECK_FALSE(run.has("ckpt-00000006.safetensors"));  // the next one is removed all the same
  CHECK_THROWS_AS(run.clear(), IoError);
  fs::create_symlink("circle", path + "/circle");
  CHECK_THROWS_WITH_AS(run.has("circle"), doctest::Contains("Too many levels"), IoError);
  CHECK_THROWS_WITH_AS(run.read("absent"), doctest::Contains("absent': No such file"), DataError);
  fs::remove_all(path);
  CHECK_THROWS_WITH_AS(run.checkpoints(), doctest::Contains("cannot list the run folder '"),
                       IoError);
}

TEST_CASE("run folder: only a lock that is held means another program") {
  const Folder folder;
  static int error;
  const auto fails = [](int, int) {
    errno = error;
    return -1;
  };
  error = EWOULDBLOCK;
  CHECK_THROWS_WITH_AS(RunFolder(folder.name(), fails),
                       doctest::Contains("another program trains in"), UsageError);
  for (const int other : {ENOLCK, EIO, EINTR}) {
    error = other;
    RunFolder run(folder.name(), fails);
    const std::vector<std::string> notes = run.take_notes();
    REQUIRE(notes.size() == 1);
    CHECK(contains(notes[0], "cannot be locked (" + std::string(std::strerror(other))));
  }
}

TEST_CASE("run folder: numbers of a checkpoint that no run can have are refused by name") {
  safetensors::File file;
  file.path = "x.safetensors";
  Progress progress;
  progress.step = progress.position = 30;
  progress.best_step = 20;
  progress.best_score = 0.5;
  progress.loss_sum = -2;
  progress.seen = 8;
  const std::map<std::string, std::string> good = to_metadata(progress);
  file.metadata = good;
  CHECK(to_progress(file).position == 30);
  CHECK(to_progress(file).loss_sum == -2);
  for (const double loss : {0.25, double(NAN), double(INFINITY)}) {  // of an average
    Progress averaged = progress;
    averaged.best_averaged = true;
    averaged.best_loss = loss;
    averaged.best_average_accuracy = 0.75;
    const Progress read = to_progress({.metadata = to_metadata(averaged), .path = "p"});
    CHECK(read.best_average_accuracy == 0.75);
    averaged.best_averaged = false;
    CHECK(std::isnan(
        to_progress({.metadata = to_metadata(averaged), .path = "p"}).best_average_accuracy));
    CHECK(read.best_averaged);
    CHECK((std::isfinite(loss) ? read.best_loss == loss : std::isnan(read.best_loss)));
  }

  const auto refused = [&](const char* key, const std::string& value) {
    CAPTURE(key);
    CAPTURE(value);
    file.metadata = good;
    file.metadata[key] = value;
    std::string message;
    try {
      to_progress(file);
    } catch (const DataError& e) {
      message = e.what();
    }
    CHECK(message.starts_with("x.safetensors: '" + std::string(key) + "' must be "));
    CHECK(contains(message, quoted(value)));
  };
  for (const char* key : {"step", "position", "best_step", "correct", "seen", "summed"})
    for (const char* value : {"-3", "nan", "1e300", "1e18", "1000000000000000000",
                              "9223372036854775808", "30.5", " 30", "+30", "0x1e", ""})
      refused(key, value);
  for (const char* value : {"nan", "inf", "-2", "1.5", "1e999", ""})
    refused("best_accuracy", value);
  for (const char* value : {"nan", "inf", "-inf", "1e999", "1x"}) refused("loss_sum", value);
  for (const char* value : {"nan", "inf", "-1"}) refused("norm_sum", value);
  refused("best_step", "31");
  refused("correct", "9");
}
