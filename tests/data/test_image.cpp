// CIFAR-10: miniatures of both versions, broken files.
#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "data/split.h"
#include "data/tasks/image.h"
#include "tests/data/cifar_samples.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

std::string batch(int first, int count) {
  std::string bytes;
  for (int i = first; i < first + count; ++i) bytes += char(label_of(i)) + planes(i);
  return bytes;
}

// The gray pixels of image `number`.
std::vector<uint16_t> gray(int number) {
  const std::string rgb = planes(number);
  std::vector<uint16_t> pixels;
  for (size_t i = 0; i < 1024; ++i) {
    pixels.push_back(
        image::gray_of(uint8_t(rgb[i]), uint8_t(rgb[1024 + i]), uint8_t(rgb[2048 + i])));
  }
  return pixels;
}

// Images first .. first + count - 1 of a split.
void check_order(const std::vector<Example>& examples, const std::vector<int64_t>& numbers) {
  REQUIRE(examples.size() == numbers.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    CHECK(examples[i].tokens == gray(int(numbers[i])));
    CHECK(examples[i].label == label_of(int(numbers[i])));
  }
}

std::vector<int64_t> range(int64_t first, int64_t count) {
  std::vector<int64_t> numbers(size_t(count), 0);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::string load_error(const Folder& folder) {
  return message_of([&] { image::load(folder.name()); });
}

}  // namespace

TEST_CASE("image: gray is the integer luma of PIL") {
  CHECK(image::gray_of(255, 0, 0) == 76);
  CHECK(image::gray_of(0, 255, 0) == 150);
  CHECK(image::gray_of(0, 0, 255) == 29);
  CHECK(image::gray_of(255, 255, 255) == 255);
  CHECK(image::gray_of(0, 0, 0) == 0);
  CHECK(image::gray_of(10, 200, 30) == 124);
}

TEST_CASE("image: the binary version in every usual place, split like the S4 protocol") {
  for (const char* place :
       {"cifar-10-batches-bin", "cifar/cifar-10-batches-bin", "cifar10/cifar-10-batches-bin",
        "image/cifar-10-batches-bin", "cifar", "."}) {
    CAPTURE(place);
    const Folder folder;
    folder.write(std::string(place) + "/data_batch_1.bin", batch(0, 20));
    folder.write(std::string(place) + "/data_batch_2.bin", batch(20, 20));
    folder.write(std::string(place) + "/test_batch.bin", batch(100, 7));
    folder.write(std::string(place) + "/batches.meta.txt", "airplane\n");
    CHECK(fs::equivalent(image::find(folder.name()), folder.path / place));
    const TaskData data = image::load(folder.name());
    const auto split = random_split({36, 4});
    check_order(data.train, split[0]);
    check_order(data.val, split[1]);
    check_order(data.test, range(100, 7));
    CHECK(data.images());
    CHECK(data.height == 32);
    CHECK(data.width == 32);
    CHECK(data.max_length == 1024);
    CHECK(data.classes == 10);
    CHECK(data.vocab == 0);
    CHECK((0 / 255.0 - data.pixel_mean) / data.pixel_deviation ==
          doctest::Approx(-2.0098).epsilon(1e-4));
    CHECK((255 / 255.0 - data.pixel_mean) / data.pixel_deviation ==
          doctest::Approx(2.1705).epsilon(1e-4));
    CHECK(data.note == "a part of CIFAR-10: 36 / 4 / 7 examples, of 45000 / 5000 / 10000");
    CHECK(image::load((folder.path / place).string()).test.size() == 7);
  }
}

TEST_CASE("image: the original protocol has tokens and the last tenth for validation") {
  const Folder folder;
  folder.write("cifar-10-batches-bin/data_batch_1.bin", batch(0, 30));
  folder.write("cifar-10-batches-bin/test_batch.bin", batch(100, 5));
  image::LoadOptions options;
  options.original = true;
  const TaskData data = image::load(folder.name(), options);
  check_order(data.train, range(0, 27));
  check_order(data.val, range(27, 3));
  CHECK(data.vocab == 256);
  CHECK_FALSE(data.images());
  CHECK(data.max_length == 1024);
}

TEST_CASE("image: the python version gives the same examples, from an array or a string") {
  const Content train = content_of(0, 12), test = content_of(100, 3);
  const auto split = random_split({11, 1});
  const std::pair<std::string, std::string> versions[] = {
      {pickle_2(train), pickle_2(test)},
      {pickle_string(train.pixels, train.labels), pickle_string(test.pixels, test.labels)}};
  for (const auto& [train_bytes, test_bytes] : versions) {
    const Folder folder;
    folder.write("cifar/cifar-10-batches-py/data_batch_1", train_bytes);
    folder.write("cifar/cifar-10-batches-py/test_batch", test_bytes);
    folder.write("cifar/cifar-10-batches-py/batches.meta", "not read");
    const fs::path batches = folder.path / "cifar" / "cifar-10-batches-py";
    // The names of the files say which version a folder holds.
    for (const std::string& place : {folder.name(), batches.string()}) {
      const TaskData data = image::load(place);
      check_order(data.train, split[0]);
      check_order(data.val, split[1]);
      check_order(data.test, range(100, 3));
    }
  }
}

TEST_CASE("image: both archives are read without unpacking") {
  const Folder folder;
  const std::string binary = "cifar-10-batches-bin/", python = "cifar-10-batches-py/";
  folder.write("b/cifar-10-binary.tar.gz",
               gzip_of(tar_of({{binary + "batches.meta.txt", "airplane"},
                               {binary + "test_batch.bin", batch(100, 3)},
                               {binary + "data_batch_1.bin", batch(0, 12)}})));
  folder.write("p/cifar/cifar-10-python.tar.gz",
               gzip_of(tar_of({{python + "data_batch_1", pickle_2(content_of(0, 12))},
                               {python + "readme.html", "<html>"},
                               {python + "test_batch", pickle_2(content_of(100, 3))}})));
  const auto split = random_split({11, 1});
  for (const char* place :
       {"b", "b/cifar-10-binary.tar.gz", "p", "p/cifar/cifar-10-python.tar.gz"}) {
    CAPTURE(place);
    const TaskData data = image::load(folder.file(place));
    check_order(data.train, split[0]);
    check_order(data.test, range(100, 3));
  }
  // Cut in the middle.
  const std::string whole =
      gzip_of(tar_of({{binary + "data_batch_1.bin", batch(0, 12)}, {"x", batch(0, 12)}}));
  folder.write("b/cifar-10-binary.tar.gz", whole.substr(0, whole.size() / 2));
  CHECK(contains(message_of([&] { image::load(folder.file("b")); }), "cifar-10-binary.tar.gz"));
  CHECK_FALSE(image::check_files(folder.file("b")).usable());
}

TEST_CASE("image: broken files end with one error that names file, record and reason") {
  struct Case {
    std::string train, test, message;
  };
  const std::string good = batch(0, 12);
  std::string bad_label = good;
  bad_label[2 * 3073] = 10;
  const Case cases[] = {
      {"", good, "data_batch_1.bin: the file is empty"},
      {good.substr(0, 100), good, "data_batch_1.bin: record 1: a record has 3073 bytes"},
      {good.substr(0, good.size() - 1), good, "record 12: a record has 3073 bytes"},
      {good + "x", good,
       "record 13: a record has 3073 bytes (a label and 32 x 32 x 3 values), the "
       "file ends after 1"},
      {bad_label, good, "data_batch_1.bin: record 3: the label must be in 0..9, got 10"},
      {good, bad_label, "test_batch.bin: record 3: the label must be in 0..9, got 10"},
      {good, "", "test_batch.bin: the file is empty"},
      {batch(0, 9), good, "at least 10 training images are needed, got 9"},
  };
  for (const Case& bad : cases) {
    const Folder folder;
    folder.write("data_batch_1.bin", bad.train);
    folder.write("test_batch.bin", bad.test);
    const std::string message = load_error(folder);
    CAPTURE(message);
    CHECK(contains(message, bad.message));
    CHECK(message.starts_with("image: " + folder.name()));
  }
}

TEST_CASE("image: missing files are named, with the place to get them") {
  const Folder folder;
  CHECK(contains(load_error(folder), "cannot find cifar-10-batches-bin"));
  CHECK(contains(load_error(folder), "cifar-10-binary.tar.gz"));
  CHECK(image::find(folder.name()).empty());
  CHECK_FALSE(image::check_files(folder.name()).found());
  folder.write("cifar/data_batch_1.bin", batch(0, 12));
  CHECK(contains(load_error(folder), "test_batch.bin: is missing; "));
  folder.write("cifar/test_batch.bin", batch(0, 12));
  CHECK(load_error(folder).empty());
  folder.write("cifar/data_batch_3.bin", batch(0, 12));
  CHECK(contains(load_error(folder), "data_batch_2.bin: is missing; "));
}

TEST_CASE("image: a pickle of another size or with other labels is refused") {
  const Folder folder;
  const Content good = content_of(0, 12);
  const auto error_of = [&](const std::string& bytes) {
    folder.write("data_batch_1", bytes);
    folder.write("test_batch", pickle_2(good));
    return load_error(folder);
  };
  CHECK(error_of(pickle_2(good)).empty());
  Content wrong = good;
  wrong.labels[4] = 11;
  CHECK(contains(error_of(pickle_2(wrong)),
                 "data_batch_1: record 5: the label must be in 0..9, got 11"));
  CHECK(contains(error_of(pickle_string(std::string(12 * 100, 'x'), good.labels)),
                 "data_batch_1: 'data' must have rows of 3072 bytes, got 12 x 100"));
  CHECK(
      contains(error_of(pickle_string("", {})), "must be as many equal rows as there are labels"));
  CHECK(contains(error_of("cos\nsystem\n."), folder.file("data_batch_1") + ": at byte 0, opcode"));
}

TEST_CASE("image: a check goes on after bad records and reports all splits") {
  const Folder folder;
  std::string train = batch(0, 40);
  train[0] = 77;
  train[3073] = 78;
  folder.write("cifar/cifar-10-batches-bin/data_batch_1.bin", train + "abc");
  folder.write("cifar/cifar-10-batches-bin/test_batch.bin", batch(5, 10));
  const TaskReport report = image::check_files(folder.name());
  CHECK(report.found());
  CHECK_FALSE(report.usable());
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].rows() == 35);
  CHECK(report.splits[1].rows() == 3);
  CHECK(report.splits[2].rows() == 10);
  CHECK(report.splits[0].lengths.min == 1024);
  CHECK(report.splits[0].problem_count == 3);
  CHECK(to_string(report.splits[0].problems[1]) ==
        folder.file("cifar/cifar-10-batches-bin/data_batch_1.bin") +
            ": record 2: the label must be in 0..9, got 78");
  CHECK(report.splits[2].problem_count == 0);
  CHECK(report.duplicates == 10);
  CHECK(report.notes.size() == 1);

  folder.write("cifar/cifar-10-batches-bin/data_batch_1.bin", batch(0, 40));
  CHECK(image::check_files(folder.name()).usable());
}

TEST_CASE("image: a check counts what is beside a file that cannot be read") {
  const Folder folder;
  for (int i = 1; i <= 3; ++i) {
    folder.write("data_batch_" + std::to_string(i) + ".bin", batch(20 * i, 20));
  }
  folder.write("test_batch.bin", batch(100, 7));
  fs::permissions(folder.path, fs::perms(0755));
  fs::permissions(folder.path / "data_batch_2.bin", fs::perms(0));
  const auto report_of = [](const TaskReport& report) {
    std::string text;
    for (const SplitReport& split : report.splits) {
      text += std::to_string(split.rows()) + ' ';
      for (const Problem& problem : split.problems) text += to_string(problem) + ' ';
    }
    return text;
  };
  const std::string unreadable = in_child([&]() -> std::string {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return "setuid failed";
    return report_of(image::check_files(folder.name()));
  });
  CHECK(contains(unreadable, "36 "));
  CHECK(contains(unreadable, "data_batch_2.bin': Permission denied 4 7 "));

  // The same for an archive that is cut.
  const Folder cut;
  const std::string tar = tar_of({{"test_batch.bin", batch(100, 7)},
                                  {"data_batch_1.bin", batch(0, 20)},
                                  {"data_batch_2.bin", batch(20, 20)}});
  cut.write("cifar-10-binary.tar.gz", gzip_of(tar.substr(0, tar.size() - 4000)));
  const std::string half = report_of(image::check_files(cut.name()));
  CAPTURE(half);
  CHECK(half.starts_with("18 " + cut.file("cifar-10-binary.tar.gz") +
                         ": the archive is damaged or cut"));
  CHECK(half.ends_with(" 2 7 "));
}

TEST_CASE("image: a folder that may not be searched is no folder without images") {
  const Folder folder;  // of mode 700
  folder.write("cifar-10-batches-bin/data_batch_1.bin", batch(0, 20));
  for (const auto& look : {std::function<void()>([&] { image::load(folder.name()); }),
                           std::function<void()>([&] { image::check_files(folder.name()); })}) {
    CHECK(contains(message_for_others(look), "Permission denied"));
  }
}
