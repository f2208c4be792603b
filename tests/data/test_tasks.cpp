// The table of tasks: miniature data of every task, loaded and checked through its row.
#include <doctest/doctest.h>
#include <png.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/check.h"
#include "data/files/png.h"
#include "data/fingerprint.h"
#include "data/pathfinder/dataset.h"
#include "data/tasks.h"
#include "data/tasks/listops.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

uint8_t pixel(int image, int at) { return uint8_t(image * 37 + at * 11 + at / 256); }

std::string color_png(int number) {
  std::string pixels;
  for (int i = 0; i < 1024; ++i) {
    for (const int plane : {0, 1024, 2048}) pixels += char(pixel(number, plane + i));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = 32;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  REQUIRE(::png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
  bytes.resize(size);
  return bytes;
}

// The records of CIFAR-10's binary version.
std::string records(int first, int count) {
  std::string bytes;
  for (int i = first; i < first + count; ++i) {
    bytes += char(i % 10);
    for (int k = 0; k < 3072; ++k) bytes += char(pixel(i, k));
  }
  return bytes;
}

void write_fashion(const Folder& folder, const std::string& split, int first, int count) {
  const auto big_endian = [](int value) {
    return std::string{char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
  };
  std::string images = big_endian(2051) + big_endian(count) + big_endian(28) + big_endian(28);
  std::string labels = big_endian(2049) + big_endian(count);
  for (int i = first; i < first + count; ++i) {
    for (int k = 0; k < 784; ++k) images += char(pixel(i, k));
    labels += char(i % 10);
  }
  folder.write("fashion/" + split + "-images-idx3-ubyte", images);
  folder.write("fashion/" + split + "-labels-idx1-ubyte", labels);
}

const std::string kReviews[] = {"aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb", "an \xC3\xA9t\xC3\xA9",
                                "bad", "abab<br />"};
const std::string kLeft = "b'a paper\\n'", kRight = "b\"it's another\"";

// Data of every task in one folder.
void write_all(const Folder& folder) {
  listops::generate(folder.file("listops"), 3, {20, 3, 3}, {.min_length = 4, .max_length = 40});
  folder.write("aclImdb/train/neg/1_1.txt", kReviews[0]);
  folder.write("aclImdb/train/pos/1_9.txt", kReviews[1]);
  folder.write("aclImdb/test/neg/1_2.txt", kReviews[2]);
  folder.write("aclImdb/test/pos/1_8.txt", kReviews[3]);
  for (const char* split : {"train", "eval", "test"}) {
    folder.write("aan/new_aan_pairs." + std::string(split) + ".tsv",
                 "1.0\tA\tB\t" + kLeft + "\t" + kRight + "\n");
  }
  for (int i = 0; i < 5; ++i) {
    folder.write("cifar/data_batch_" + std::to_string(i + 1) + ".bin", records(4 * i, 4));
  }
  folder.write("cifar/test_batch.bin", records(20, 2));
  write_fashion(folder, "train", 0, 24);
  write_fashion(folder, "t10k", 24, 2);
  for (const int64_t size : {32, 128}) {
    pathfinder::generate_dataset(folder.name(), {pathfinder::pathfinder_settings(size, 14)}, 1, 10,
                                 10);
  }
}

}  // namespace

TEST_CASE("tasks: every row of the table finds, loads and checks its data") {
  const Folder folder, empty;
  write_all(folder);
  std::set<std::string> names;
  for (const Task& task : tasks()) {
    CAPTURE(task.name);
    CHECK(names.insert(task.name).second);
    CHECK(&task_named(task.name) == &task);
    CHECK(task.has_data(folder.name()));
    CHECK(task.has_data(empty.name()) ==
          (*task.elsewhere && std::filesystem::exists(task.elsewhere)));
    CHECK_FALSE(task.hint.empty());
    CHECK_FALSE(task.origin.empty());
    const TaskData data = task.load(
        {.task = task.name, .folder = folder.name(), .max_length = task.shape.max_length});
    CHECK(data.classes == task.shape.classes);
    CHECK(data.pairs == task.shape.pairs);
    CHECK(data.height == task.shape.height);
    CHECK(data.width == task.shape.width);
    CHECK(data.max_length == task.shape.max_length);
    CHECK(data.images() == (task.shape.features == 1));
    CHECK((task.class_names.empty() || int64_t(task.class_names.size()) == data.classes));
    CHECK(task.check_files(folder.name()).usable());
    CHECK_FALSE(task.check_files(empty.name()).found());
  }
  CHECK_THROWS_WITH_AS(task_named("listop"), doctest::Contains("did you mean 'listops'"),
                       UsageError);
}

TEST_CASE("tasks: encode gives what load() gives for the same text or image") {
  const Folder folder;
  write_all(folder);
  const auto equal = [](const Example& a, const Elements& tokens, bool cut) {
    CHECK(a.tokens == tokens);
    CHECK(a.cut == cut);
  };
  const auto options_of = [&](const char* task, int64_t max_length, Protocol protocol, bool bytes) {
    return DataOptions{.task = task,
                       .folder = folder.name(),
                       .max_length = max_length,
                       .protocol = protocol,
                       .bytes = bytes};
  };
  for (const int64_t length : {2048, 9}) {
    for (const Protocol protocol : {Protocol::S4, Protocol::Original}) {
      for (const bool bytes : {false, true}) {
        CAPTURE(length);
        CAPTURE(int(protocol));
        CAPTURE(bytes);
        DataOptions options = options_of("text", length, protocol, bytes);
        const Task* task = &task_named("text");
        TaskData data = task->load(options);
        for (int i = 0; i < 4; ++i) {
          const Example& read = (i < 2 ? data.train : data.test)[size_t(i % 2)];
          equal(task->encode(kReviews[i], data.vocabulary, options), read.tokens, read.cut);
        }
        options = options_of("retrieval", length, protocol, bytes);
        task = &task_named("retrieval");
        data = task->load(options);
        equal(task->encode(kLeft, data.vocabulary, options), data.test[0].tokens, length == 9);
        equal(task->encode(kRight, data.vocabulary, options), data.test[0].second, length == 9);
      }
    }
    const DataOptions options = options_of("listops", length, Protocol::S4, false);
    const Task& task = task_named("listops");
    const TaskData data = task.load(options);
    const auto rows = listops::read_tsv(folder.file("listops/basic_test.tsv"));
    REQUIRE(rows.size() == data.test.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const Example& read = data.test[i];
      for (const auto& text :
           {listops::to_text(rows[i].tokens), listops::to_source(rows[i].tokens)}) {
        equal(task.encode(text, data.vocabulary, options), read.tokens, read.cut);
      }
    }
  }
  {
    const Task& task = task_named("image");
    const TaskData data = task.load({.task = "image", .folder = folder.name()});
    for (int i = 0; i < 2; ++i) {
      equal(task.encode(color_png(20 + i), {}, {}), data.test[size_t(i)].tokens, false);
    }
  }
  {
    const Task& task = task_named("fashion");
    const TaskData data = task.load({.task = "fashion", .folder = folder.name()});
    GrayImage image{28, 28, {}};
    for (int k = 0; k < 784; ++k) image.pixels.push_back(pixel(24, k));
    equal(task.encode(encode_png(image), {}, {}), data.test[0].tokens, false);
  }
  for (const char* name : {"pathfinder32", "pathx"}) {
    const Task& task = task_named(name);
    const TaskData data = task.load({.task = name, .folder = folder.name()});
    const std::string set = task.shape.width == 32 ? "pathfinder32" : "pathfinder128";
    std::vector<std::vector<uint16_t>> read, encoded;
    for (const auto* examples : {&data.train, &data.val, &data.test}) {
      for (const Example& example : *examples) read.push_back(example.tokens.values());
    }
    for (int i = 0; i < 10; ++i) {
      const std::string file = set + "/curv_contour_length_14/imgs/0/sample_" + std::to_string(i);
      const std::string png = encode_png(read_png(folder.file(file + ".png")));
      encoded.push_back(task.encode(png, {}, {}).tokens.values());
    }
    std::sort(read.begin(), read.end());
    std::sort(encoded.begin(), encoded.end());
    CHECK(read == encoded);
  }
}

TEST_CASE("tasks: encode refuses what the task cannot have") {
  const GrayImage gray{32, 32, std::vector<uint8_t>(1024)};
  const auto refuses = [](const char* name, const std::string& input, const char* reason) {
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(task_named(name).encode(input, {}, {}), doctest::Contains(reason),
                         DataError);
  };
  refuses("listops", "[MAX 3 11 ]", "11");
  refuses("listops", "[MAX 3 1", "");
  refuses("text", "", "empty");
  refuses("text", "a\xFF", "UTF-8");
  refuses("retrieval", "", "empty");
  refuses("image", "no image", "PNG");
  refuses("fashion", encode_png(gray), "must be 28 x 28 pixels, got 32 x 32");
  refuses("fashion", color_png(1), "must be gray");
  refuses("pathx", encode_png(gray), "must be 128 x 128 pixels, got 32 x 32");
  refuses("pathfinder32", "", "empty");
}

TEST_CASE("tasks: a row names the options that change what load() gives, and no others") {
  const Folder folder;
  write_all(folder);
  const std::map<std::string, std::string> other = {{"max-length", "5"},
                                                    {"protocol", "gr"},
                                                    {"bytes", "true"},
                                                    {"aan-decode", "true"},
                                                    {"val-split", "0.5"}};
  for (const Task& task : tasks()) {
    const DataOptions options{.task = task.name, .folder = folder.name(), .max_length = 2048};
    const auto loaded = [&](const DataOptions& o) {
      const TaskData data = task.load(o);
      return std::tuple(data.vocab, fingerprint(data.train), fingerprint(data.val),
                        fingerprint(data.test));
    };
    for (const std::string& name : field_names(options)) {
      if (name == "task" || name == "data") continue;
      CAPTURE(task.name);
      CAPTURE(name);
      DataOptions changed = options;
      REQUIRE(from_texts(changed, {{name, other.at(name)}}).empty());
      const bool reads = std::find(task.reads.begin(), task.reads.end(), name) != task.reads.end();
      CHECK((loaded(changed) != loaded(options)) == reads);
    }
  }
}
