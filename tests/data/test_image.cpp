// CIFAR-10: miniatures of both versions, pickles put together by hand, broken files.
#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "data/files/pickle.h"
#include "data/split.h"
#include "data/tasks/image.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

constexpr size_t kPixels = 3072;

// The three planes of an image that tells its number.
std::string planes(int number) {
  std::string bytes(kPixels, '\0');
  for (size_t i = 0; i < kPixels; ++i) bytes[i] = char(size_t(number) * 7 + i * 13 + (i >> 8));
  return bytes;
}
int label_of(int number) { return (number * 3) % 10; }

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

std::string little_endian(size_t value) {
  return {char(value), char(value >> 8), char(value >> 16), char(value >> 24)};
}
template <size_t N>
std::string raw(const char (&text)[N]) {
  return std::string(text, N - 1);
}

// ---- Pickles of a batch as each Python writes it

struct Content {
  std::string pixels;
  std::vector<int> labels;
};
Content content_of(int first, int count) {
  Content content;
  for (int i = first; i < first + count; ++i) {
    content.pixels += planes(i);
    content.labels.push_back(label_of(i));
  }
  return content;
}

// Protocol 2 of Python 2: the files of CIFAR-10 themselves.
std::string pickle_2(const Content& content) {
  std::string bytes = raw("\x80\x02}q\x01(U\x0b") + "batch_label" + raw("q\x02U\x15") +
                      "training batch 1 of 5" + raw("q\x03U\x06labelsq\x04]q\x05(");
  for (const int label : content.labels) bytes += std::string("K") + char(label);
  bytes += raw("eU\x04") + "data" + raw("q\x06") + "cnumpy.core.multiarray\n_reconstruct\n" +
           raw("q\x07") + "cnumpy\nndarray\n" + raw("q\x08K\x00\x85U\x01") + "b" +
           raw("\x87Rq\x09(K\x01K") + char(content.labels.size()) + raw("M\x00\x0c\x86") +
           "cnumpy\ndtype\n" + raw("q\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN") +
           raw("J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T") +
           little_endian(content.pixels.size()) + content.pixels + raw("tbU\x09") + "filenames" +
           raw("q\x0c]q\x0d(U\x05") + "a.pngU" + raw("\x05") + "b.png" + "eu.";
  return bytes;
}

// A dictionary with the pixels as one string.
std::string pickle_string(const std::string& pixels, const std::vector<int>& labels) {
  std::string bytes = raw("\x80\x02}(U\x06labels](");
  for (const int label : labels) bytes += std::string("K") + char(label);
  return bytes + raw("eU\x04") + "dataT" + little_endian(pixels.size()) + pixels + "u.";
}

std::string pickle_error(const std::string& bytes) {
  return message_of([&] { read_pickled_batch(bytes, "data_batch_1"); });
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
    // A folder of the python version is told from the binary one by the names of its files.
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

TEST_CASE("image: broken pickles end with file, offset and opcode, and run nothing") {
  const std::string start = raw("\x80\x02}(U\x06labels](K\x01") + "eU\x04";
  const std::string labels = raw("}(U\x06labels](K\x01") + "e";
  const std::string array =
      "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + raw("K\x00\x85U\x01") + "btR";
  const std::string type = "cnumpy\ndtype\n" + raw("U\x02u1K\x00K\x01\x87R");
  const std::pair<std::string, std::string> cases[] = {
      {"", "at byte 0, opcode 0x00: the file ends early, 0 bytes long"},
      {raw("\x80\x02}U\x05") + "lab", "at byte 3, opcode 'U': the file ends early, 8 bytes long"},
      {raw("\x80\x04}."), "at byte 0, opcode 0x80: only protocol 2 is read"},
      {"cos\nsystem\n(S'true'\ntR.",
       "opcode 'c': the pickle asks for 'os\\x0asystem', which CIFAR-10 "},
      {"cnumpy\nload\n.", "asks for 'numpy\\x0aload'"},
      {"(ios\nsystem\n.", "opcode 'i': files of CIFAR-10 do not use it"},
      {"G12345678.", "opcode 'G': files of CIFAR-10 do not use it"},
      {raw("\x82\x01."), "opcode 0x82: files of CIFAR-10 do not use it"},
      {".", "opcode '.': the pickle must hold one dictionary"},
      {"K1.", "must hold one dictionary"},
      {"}}.", "must hold one dictionary"},
      {"R.", "opcode 'R': a value is missing before it"},
      {"K1R.", "opcode 'R': needs a tuple, got an integer"},
      {"K1K1\x85R.", "opcode 'R': needs a global, got an integer"},
      {"K1a.", "opcode 'a': a value is missing before it"},
      {"}K1a.", "opcode 'a': needs a list, got a dictionary"},
      {"K1u.", "opcode 'u': a mark is missing before it"},
      {"}(K1u.", "opcode 'u': a key has no value"},
      {"b.", "opcode 'b': a value is missing before it"},
      {raw("h\x07."), "opcode 'h': nothing was stored as number 7"},
      {"I12\n.", "opcode 'I': files of CIFAR-10 do not use it"},
      {"cnumpy\nndarray", "the file ends early"},
      {"c", "the file ends early"},
      {"}.", "data_batch_1: the dictionary has no 'data'"},
      {raw("}U\x04") + "dataNs.", "data_batch_1: the dictionary has no 'labels'"},
      {labels + raw("U\x04") + "dataNu.", "'data' must be an array, got None"},
      {raw("}(U\x06labelsNU\x04") + "dataNu.", "'labels' must be a list, got None"},
      {raw("}(U\x06labels](Ne") + raw("U\x04") + "dataNu.", "label 1 must be an integer, got None"},
      {"cnumpy\ndtype\n" + raw("U\x02i8K\x00K\x01\x87R."), "must hold bytes (u1), got 'i8'"},
      {"cnumpy\nndarray\n)R.", "'numpy\\x0andarray' is not a function"},
      {"cnumpy.core.multiarray\n_reconstruct\n)R.", "an array of NumPy is expected"},
      {array + raw("(K\x01K\x05\x85") + type + raw("\x89U\x05") + "12345tb.",
       "the array must have two dimensions, got 1"},
      {array + raw("(K\x01K\x05K\x02\x86") + type + raw("\x89U\x05") + "12345tb.",
       "an array of 5 x 2 bytes does not fit its 5 bytes of data"},
      {array + "(NNtb.", "the state of an array is"},
      {labels + raw("U\x04") + "data" + array + raw("(K\x01K\x02K\x02\x86") + type +
           raw("\x89U\x04") + "1234tbu.",
       "'data' has 2 rows for 1 labels"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string reason = expected;  // a macro of doctest captures it
    const std::string message = pickle_error(bytes);
    CAPTURE(message);
    CAPTURE(reason);
    CHECK(contains(message, reason));
    CHECK(message.starts_with("data_batch_1: "));
  }
  // A whole file that ends anywhere.
  const std::string whole = pickle_2(content_of(0, 2));
  for (size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 97) {
    CHECK_THROWS_AS(read_pickled_batch(whole.substr(0, size), "a"), DataError);
  }
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

TEST_CASE("image: a pickle cannot ask for more memory than its file is worth") {
  const std::string bytes(900000, 'N');
  CHECK(growth_of([&] { pickle_error(bytes); }) < kMostGrowth);
  CHECK(contains(pickle_error(bytes), "more than 262144 values"));
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
