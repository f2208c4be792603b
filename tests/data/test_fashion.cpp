// Fashion-MNIST: miniatures of the IDX files, broken ones, and the installed set if it is there.
#include <cmath>

#include "core/check.h"
#include "data/split.h"
#include "data/tasks/fashion.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

constexpr int kPixels = 784;

std::string big_endian(int value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}
uint8_t pixel_of(int number, int at) { return uint8_t(number * 31 + at); }

std::string images(int first, int count, int magic = 2051, int height = 28, int width = 28) {
  std::string bytes =
      big_endian(magic) + big_endian(count) + big_endian(height) + big_endian(width);
  for (int i = first; i < first + count; ++i) {
    for (int k = 0; k < kPixels; ++k) bytes += char(pixel_of(i, k));
  }
  return bytes;
}
std::string labels(int first, int count, int magic = 2049) {
  std::string bytes = big_endian(magic) + big_endian(count);
  for (int i = first; i < first + count; ++i) bytes += char(i % 10);
  return bytes;
}

void check_order(const std::vector<Example>& examples, const std::vector<int64_t>& numbers) {
  REQUIRE(examples.size() == numbers.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const int number = int(numbers[i]);
    CHECK(examples[i].label == number % 10);
    REQUIRE(examples[i].tokens.size() == kPixels);
    for (int k = 0; k < kPixels; ++k) REQUIRE(examples[i].tokens[size_t(k)] == pixel_of(number, k));
  }
}

void write_all(const Folder& folder, const std::string& place) {
  folder.write(place + "/train-images-idx3-ubyte", images(0, 36));
  folder.write(place + "/train-labels-idx1-ubyte", labels(0, 36));
  folder.write(place + "/t10k-images-idx3-ubyte", images(100, 4));
  folder.write(place + "/t10k-labels-idx1-ubyte", labels(100, 4));
}

}  // namespace

TEST_CASE("fashion: plain and gzipped files in every usual place") {
  for (const char* place : {".", "fashion-mnist", "fashion_mnist", "fashion", "FashionMNIST/raw"}) {
    CAPTURE(place);
    const Folder folder;
    write_all(folder, place);
    // One of the four gzipped, as after unpacking the others by hand.
    fs::remove(folder.path / place / "train-images-idx3-ubyte");
    folder.write_gzip(std::string(place) + "/train-images-idx3-ubyte.gz", images(0, 36));
    CHECK(fs::equivalent(fashion::find(folder.name()), folder.path / place));
    const TaskData data = fashion::load(folder.name());
    const auto split = random_split({33, 3});
    check_order(data.train, split[0]);
    check_order(data.val, split[1]);
    check_order(data.test, {100, 101, 102, 103});
    CHECK(data.height == 28);
    CHECK(data.width == 28);
    CHECK(data.max_length == 784);
    CHECK(data.classes == 10);
    CHECK(data.note == "a part of Fashion-MNIST: 33 / 3 / 4 examples, of 55000 / 5000 / 10000");
    CHECK(fashion::check_files(folder.name()).usable());
  }
}

TEST_CASE("fashion: broken files end with one error that names file, record and reason") {
  struct Case {
    const char* file;
    std::string content, message;
  };
  const char* train_images = "train-images-idx3-ubyte";
  const char* train_labels = "train-labels-idx1-ubyte";
  const char* test_labels = "t10k-labels-idx1-ubyte";
  std::string bad_label = labels(0, 36);
  bad_label[8 + 6] = 10;
  const Case cases[] = {
      {train_images, "", "the header has 16 bytes, the file ends after 0"},
      {train_images, images(0, 36).substr(0, 15),
       "the header has 16 bytes, the file ends after 15"},
      {train_images, labels(0, 36), "the file must begin with 2051, got 2049"},
      {train_images, images(0, 36, 2051, 32, 28), "must be 28 x 28 pixels, got 32 x 28"},
      {train_images, images(0, 36).substr(0, 16 + 5 * 784 + 10),
       "record 6: the header promises 36 records of 784 bytes, the file ends after 10 bytes"},
      {train_images, images(0, 36) + "xy", "more bytes follow the last of 36 records"},
      {train_images, images(0, 35), "has 35 images for the 36 labels of "},
      {train_images, images(0, 0), "the file has a header but no records"},
      {train_images, big_endian(2051) + big_endian(-1) + big_endian(28) + big_endian(28),
       "at most 60000 records are expected, the header promises 4294967295"},
      {train_labels, images(0, 36), "the file must begin with 2049, got 2051"},
      {train_labels, labels(0, 36).substr(0, 20), "record 13: the header promises 36 records of 1"},
      {train_labels, bad_label, "record 7: the label must be in 0..9, got 10"},
      {test_labels, labels(0, 5), "has 4 images for the 5 labels of "},
      {test_labels, labels(255, 4), ""},
  };
  for (const Case& bad : cases) {
    const Folder folder;
    write_all(folder, ".");
    folder.write(bad.file, bad.content);
    const std::string message = message_of([&] { fashion::load(folder.name()); });
    CAPTURE(message);
    CHECK(contains(message, bad.message));
    const TaskReport report = fashion::check_files(folder.name());
    CHECK(report.found());
    CHECK(report.usable() == message.empty());
    if (message.empty()) continue;
    CHECK(message.starts_with("fashion: " + folder.name()));
    const SplitReport& split = report.splits[bad.file == test_labels ? 2 : 0];
    CHECK(split.problem_count == 1);
    CHECK(contains(message, split.problems[0].reason));
  }
}

TEST_CASE("fashion: a cut gzip file and missing files are named") {
  const Folder folder;
  CHECK(fashion::find(folder.name()).empty());
  CHECK_FALSE(fashion::check_files(folder.name()).found());
  write_all(folder, ".");
  fs::remove(folder.path / "t10k-labels-idx1-ubyte");
  CHECK_THROWS_WITH_AS(fashion::load(folder.name()),
                       doctest::Contains("t10k-labels-idx1-ubyte: is missing; 'apt-get install"),
                       DataError);
  folder.write_gzip("t10k-labels-idx1-ubyte.gz", labels(100, 4));
  CHECK_NOTHROW(fashion::load(folder.name()));
  const auto size = fs::file_size(folder.path / "t10k-labels-idx1-ubyte.gz");
  fs::resize_file(folder.path / "t10k-labels-idx1-ubyte.gz", size - 9);
  CHECK_THROWS_WITH_AS(fashion::load(folder.name()),
                       doctest::Contains("t10k-labels-idx1-ubyte.gz: the gzip data is damaged"),
                       DataError);
}

TEST_CASE("fashion: the header is checked before the rest is unpacked") {
  const Folder folder;
  write_all(folder, ".");
  fs::remove(folder.path / "train-images-idx3-ubyte");
  // Gzip files one after another are one file.
  const std::string packed = gzip_of(std::string(size_t(10) << 20, '\0'));
  std::string bytes;
  for (int i = 0; i < 12; ++i) bytes += packed;
  CHECK(bytes.size() < 1000000);
  folder.write("train-images-idx3-ubyte.gz", bytes);
  CHECK(growth_of([&] { fashion::check_files(folder.name()); }) < kMostGrowth);
  CHECK_THROWS_WITH_AS(fashion::load(folder.name()),
                       doctest::Contains("the file must begin with 2051, got 0"), DataError);
}

TEST_CASE("fashion: the installed set has the counts, the mean and the deviation of the header") {
  if (fashion::find(fashion::kSystemFolder).empty()) return;  // the package is not installed
  const Folder empty;
  const TaskData data = fashion::load(empty.name());
  CHECK(data.train.size() == 55000);
  CHECK(data.val.size() == 5000);
  CHECK(data.test.size() == 10000);
  CHECK(data.note.empty());
  double sum = 0, squares = 0;
  for (const auto* examples : {&data.train, &data.val}) {
    for (const Example& example : *examples) {
      for (const uint16_t pixel : example.tokens.values()) {
        sum += pixel / 255.0;
        squares += pixel / 255.0 * pixel / 255.0;
      }
    }
  }
  const double count = 60000.0 * kPixels, mean = sum / count;
  CHECK(std::abs(mean - fashion::kMean) < 5e-5);
  CHECK(std::abs(std::sqrt(squares / count - mean * mean) - fashion::kDeviation) < 5e-5);
  CHECK(class_counts(data.test, 10) == std::vector<int64_t>(10, 1000));
}
