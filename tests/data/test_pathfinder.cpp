// Pathfinder: miniatures of the released folders, of the archive and of the generator's folders.
#include <numeric>

#include "core/check.h"
#include "data/files/png.h"
#include "data/split.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/pathfinder_files.h"
#include "tests/data/npy_samples.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kSide = 32;

GrayImage picture(int number, int64_t side = kSide) {
  GrayImage image{side, side, {}};
  for (int64_t i = 0; i < side * side; ++i) {
    image.pixels.push_back(uint8_t(number * 5 + i * (number % 7 + 1)));
  }
  return image;
}
int label_of(int number) { return (number / 2) % 2; }

std::string text_of(const std::vector<Row11>& rows, const std::string& line_end = "\n") {
  std::string text;
  for (const Row11& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i > 0 ? " " : "") + row[i];
    text += line_end;
  }
  return text;
}

// The files of a level: 3 batches called 0, 2 and 10, of 8 images each, numbered in this order.
using Files = std::vector<std::pair<std::string, std::string>>;
enum class Metadata { Text, TextCrLf, Unicode, Bytes };
Files level_files(Metadata metadata = Metadata::Text) {
  Files files;
  int number = 0;
  for (const int batch : {0, 2, 10}) {
    std::vector<Row11> rows;
    for (int i = 0; i < 8; ++i, ++number) {
      rows.push_back(row_of(batch, i, label_of(number)));
      files.emplace_back(rows.back()[0] + '/' + rows.back()[1], encode_png(picture(number)));
    }
    const std::string content = metadata == Metadata::Text       ? text_of(rows)
                                : metadata == Metadata::TextCrLf ? text_of(rows, "\r\n")
                                : metadata == Metadata::Unicode  ? npy_of(rows, 'U')
                                                                 : npy_of(rows, 'S');
    files.emplace_back("metadata/" + std::to_string(batch) + ".npy", content);
  }
  return files;
}
const std::string kSet = "pathfinder32/curv_contour_length_14/";

void write_level(const Folder& folder, const std::string& place,
                 Metadata metadata = Metadata::Text) {
  for (const auto& [name, content] : level_files(metadata)) {
    folder.write(place + "/" + name, content);
  }
}

void check_order(const std::vector<Example>& examples, const std::vector<int64_t>& numbers) {
  REQUIRE(examples.size() == numbers.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const GrayImage image = picture(int(numbers[i]));
    CHECK(examples[i].tokens == Elements(image.pixels));
    CHECK_FALSE(examples[i].tokens.wide());  // one byte per pixel
    CHECK(examples[i].label == label_of(int(numbers[i])));
  }
}
void check_all(const TaskData& data) {  // 24 images
  const auto split = random_split({20, 2, 2});
  check_order(data.train, split[0]);
  check_order(data.val, split[1]);
  check_order(data.test, split[2]);
}

std::string load_error(const Folder& folder, int64_t side = kSide) {
  return message_of([&] { pathfinder::load(folder.name(), side); });
}

}  // namespace

TEST_CASE("pathfinder: all layouts, metadata in the order of its numbers, seeded split") {
  for (const char* place : {"pathfinder/pathfinder32", "pathfinder32", "lra_release/pathfinder32",
                            "lra_release/lra_release/pathfinder32"}) {
    CAPTURE(place);
    const Folder folder;
    const std::string level = std::string(place) + "/curv_contour_length_14";
    write_level(folder, level);
    folder.write(std::string(place) + "/curv_baseline/metadata/0.npy", "another level");
    folder.write(level + "/metadata/.0.npy.swp", "hidden");
    CHECK(fs::equivalent(pathfinder::find(folder.name(), 32), folder.path / level));
    CHECK(pathfinder::find(folder.name(), 128).empty());
    const TaskData data = pathfinder::load(folder.name(), 32);
    check_all(data);
    CHECK(data.height == 32);
    CHECK(data.width == 32);
    CHECK(data.max_length == 1024);
    CHECK(data.classes == 2);
    CHECK(data.pixel_mean == 0.5);
    CHECK(data.pixel_deviation == 0.5);
    CHECK(data.note == "20 / 2 / 2 examples, the benchmark has 160000 / 20000 / 20000");
    // The folders themselves.
    check_all(pathfinder::load(folder.file(place), 32));
    check_all(pathfinder::load(folder.file(level), 32));
    CHECK(pathfinder::find(folder.file(level), 128).empty());
  }
}

TEST_CASE("pathfinder: the inner lra_release counts, the outer one is not complete") {
  const Folder folder;
  write_level(folder, "lra_release/lra_release/" + kSet);
  folder.write("lra_release/" + kSet + "metadata/0.npy", text_of({row_of(0, 0, 1)}));
  check_all(pathfinder::load(folder.name(), 32));
  check_all(pathfinder::load(folder.file("lra_release"), 32));
}

TEST_CASE("pathfinder: metadata as text, with CR LF, and as NumPy strings U and S are the same") {
  for (const Metadata metadata : {Metadata::TextCrLf, Metadata::Unicode, Metadata::Bytes}) {
    const Folder folder;
    write_level(folder, kSet, metadata);
    check_all(pathfinder::load(folder.name(), 32));
  }
}

TEST_CASE("pathfinder: the original protocol has tokens and splits one after another") {
  const Folder folder;
  write_level(folder, kSet);
  pathfinder::LoadOptions options;
  options.original = true;
  const TaskData data = pathfinder::load(folder.name(), 32, options);
  std::vector<int64_t> first(20);
  std::iota(first.begin(), first.end(), int64_t(0));
  check_order(data.train, first);
  check_order(data.val, {20, 21});
  check_order(data.test, {22, 23});
  CHECK(data.vocab == 256);
  CHECK_FALSE(data.images());
}

TEST_CASE("pathfinder: empty, broken and missing images are skipped and counted") {
  const Folder folder;
  write_level(folder, kSet);
  folder.write(kSet + "imgs/0/sample_3.png", "");
  folder.write(kSet + "imgs/2/sample_0.png", "no image");
  fs::remove(folder.path / kSet / "imgs/10/sample_7.png");
  std::vector<std::string> messages;
  std::vector<int64_t> steps;
  pathfinder::LoadOptions options;
  options.warn = [&](const std::string& message) { messages.push_back(message); };
  options.progress = [&](int64_t done, int64_t total) { steps.insert(steps.end(), {done, total}); };
  const TaskData data = pathfinder::load(folder.name(), 32, options);
  const std::vector<int64_t> left = {0,  1,  2,  4,  5,  6,  7,  9,  10, 11, 12,
                                     13, 14, 15, 16, 17, 18, 19, 20, 21, 22};
  auto split = random_split({17, 2, 2});
  for (auto& part : split) {
    for (int64_t& index : part) index = left[size_t(index)];
  }
  check_order(data.train, split[0]);
  check_order(data.val, split[1]);
  check_order(data.test, split[2]);
  REQUIRE(messages.size() == 3);
  CHECK(messages[0] ==
        "skipped: " + folder.file(kSet + "imgs/0/sample_3.png") + ": the file is empty");
  CHECK(contains(messages[1], "imgs/2/sample_0.png: not a readable PNG image: "));
  CHECK(contains(messages[2], "imgs/10/sample_7.png': No such file"));
  CHECK(steps == std::vector<int64_t>{24, 24});
  CHECK(contains(data.note, "3 unreadable images are skipped"));

  const TaskReport report = pathfinder::check_files(folder.name(), 32);
  CHECK(report.usable());
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].rows() == 17);
  CHECK(report.splits[2].rows() == 2);
  CHECK(report.splits[0].lengths.max == 1024);
  CHECK(report.duplicates == 0);
  CHECK(report.notes.size() == 4);
}

TEST_CASE("pathfinder: broken folders end with one error that names file, line and reason") {
  struct Case {
    std::string file, content, message;
  };
  const std::string good = text_of({row_of(2, 0, 1), row_of(2, 1, 0)});
  const auto with = [](size_t column, const std::string& value) {
    Row11 row = row_of(2, 1, 0);
    row[column] = value;
    return text_of({row_of(2, 0, 1), row});
  };
  const Case cases[] = {
      {"metadata/2.npy", "", "2.npy: the file is empty"},
      {"metadata/2.npy", good + "\n", "2.npy: line 3: 4 columns are needed (folder, file, index"},
      {"metadata/2.npy", "imgs/2 sample_0.png 0\n", "line 1: 4 columns are needed"},
      {"metadata/2.npy", with(3, "2"), "2.npy: line 2: the label must be 0 or 1, got '2'"},
      {"metadata/2.npy", with(3, "1.0"), "line 2: the label must be 0 or 1, got '1.0'"},
      {"metadata/2.npy", with(0, "../../x"), "line 2: the image must be a file in the folder"},
      {"metadata/2.npy", with(1, "/etc/passwd"), "line 2: the image must be a file in the folder"},
      {"metadata/2.npy", npy_of({row_of(2, 0, 3)}, 'U'), "line 1: the label must be 0 or 1"},
      {"metadata/2.npy", npy_of({row_of(2, 0, 1)}, 'U').substr(0, 300),
       "2.npy: 1 x 11 strings of 52 bytes are announced, got "},
      {"metadata/2.npy", npy_header("{'descr': '<U1', 'fortran_order': False, 'shape': (9, 0)}"),
       "2.npy: at least 4 columns are needed, got 0"},
      {"metadata/combined.npy", good, "combined.npy: a metadata file must be called <number>.npy"},
      {"metadata/-1.npy", good, "-1.npy: a metadata file must be called <number>.npy"},
      {"imgs/2/sample_1.png", encode_png(picture(1, 64)),
       "imgs/2/sample_1.png: the image must be 32 x 32 pixels, got 64 x 64"},
  };
  for (const Case& bad : cases) {
    const Folder folder;
    write_level(folder, kSet);
    folder.write(kSet + bad.file, bad.content);
    const std::string message = load_error(folder);
    CAPTURE(message);
    CHECK(contains(message, bad.message));
    CHECK(message.starts_with("pathfinder: " + folder.file(kSet + bad.file) + ": "));
    const TaskReport report = pathfinder::check_files(folder.name(), 32);
    CHECK_FALSE(report.usable());
    REQUIRE(report.splits[0].problems.size() == 1);
    CHECK(contains(to_string(report.splits[0].problems[0]), bad.message));
    CHECK(report.splits[0].problems[0].file == folder.file(kSet + bad.file));
  }
}

TEST_CASE("pathfinder: a missing folder, level, metadata or all images are named") {
  const Folder folder;
  CHECK(contains(load_error(folder), "cannot find pathfinder32/curv_contour_length_14 in '"));
  CHECK_FALSE(pathfinder::check_files(folder.name(), 32).found());
  fs::create_directories(folder.path / "pathfinder32/curv_baseline/metadata");
  CHECK(contains(load_error(folder), "length_14: the folder 'metadata' is missing"));
  CHECK_FALSE(pathfinder::check_files(folder.name(), 32).usable());
  fs::create_directories(folder.path / kSet / "metadata");
  CHECK(contains(load_error(folder), "no metadata/<number>.npy is there"));
  write_level(folder, kSet);
  CHECK(load_error(folder).empty());
  fs::remove_all(folder.path / kSet / "imgs");
  CHECK(contains(load_error(folder),
                 "at least 10 images are needed, got 0 and 24 that cannot be read"));
  CHECK_FALSE(pathfinder::check_files(folder.name(), 32).usable());
  CHECK(contains(load_error(folder, 128), "cannot find pathfinder128/"));
}

TEST_CASE("pathfinder: of two folders in lra_release.gz with as many images the inner one counts") {
  Files members;
  for (const auto& [name, content] : level_files()) {
    members.emplace_back("lra_release/lra_release/" + kSet + name, content);
    members.emplace_back("lra_release/" + kSet + name,
                         name.ends_with(".png") ? encode_png(picture(99)) : content);
  }
  const Folder folder;
  folder.write("lra_release.gz", gzip_of(tar_of(members)));
  pathfinder::LoadOptions options;
  options.cache = false;
  check_all(pathfinder::load(folder.name(), 32, options));
}

TEST_CASE("pathfinder: lra_release.gz is read as a stream, and its cache afterwards") {
  Files members = {{"lra_release/listops-1000/basic_train.tsv", "Source\tTarget\n"},
                   {"lra_release/" + kSet + "metadata/0.npy", text_of({row_of(0, 0, 1)})},
                   {"lra_release/" + kSet + "imgs/0/sample_0.png", encode_png(picture(0))},
                   {"lra_release/lra_release/pathfinder32/curv_baseline/metadata/0.npy", "x"}};
  for (auto& [name, content] : level_files()) {
    members.emplace_back("lra_release/lra_release/" + kSet + name, content);
  }
  members.emplace_back("lra_release/lra_release/" + kSet + "metadata/._0.npy", "of a Mac");
  const Folder folder;
  const std::string archive = folder.write("lra_release.gz", gzip_of(tar_of(members)));
  const fs::path kept = folder.path / "lra_release.gz.pathfinder32.cache";
  CHECK(pathfinder::find(folder.name(), 32) == archive);
  CHECK(pathfinder::find(archive, 32) == archive);
  // Another level beside it hides nothing.
  fs::create_directories(folder.path / "pathfinder32/curv_contour_length_9/metadata");
  folder.write("pathfinder32/curv_contour_length_9/metadata/0.npy", "x");
  CHECK(pathfinder::find(folder.name(), 32) == archive);
  fs::remove_all(folder.path / "pathfinder32");
  CHECK(pathfinder::check_files(folder.name(), 32).usable());
  CHECK_FALSE(fs::exists(kept));

  std::vector<std::string> messages;
  pathfinder::LoadOptions options;
  options.warn = [&](const std::string& message) { messages.push_back(message); };
  options.cache = false;
  check_all(pathfinder::load(folder.name(), 32, options));
  CHECK_FALSE(fs::exists(kept));
  options.cache = true;
  check_all(pathfinder::load(archive, 32, options));
  CHECK(fs::exists(kept));
  CHECK(messages.size() == 2);  // the archive was read twice
  check_all(pathfinder::load(folder.name(), 32, options));
  CHECK(messages.size() == 2);

  // A damaged cache is made again, also one of another archive.
  fs::resize_file(kept, 5000);
  check_all(pathfinder::load(folder.name(), 32, options));
  CHECK(messages.size() == 3);
  CHECK(fs::file_size(kept) > 5000);
  folder.write("lra_release.gz", gzip_of(tar_of(members)) + gzip_of(kTarEnd));
  check_all(pathfinder::load(folder.name(), 32, options));
  CHECK(messages.size() == 4);

  CHECK(contains(load_error(folder, 128),
                 "lra_release.gz: the archive has no folder "
                 "pathfinder128/curv_contour_length_14/"));
  fs::resize_file(archive, fs::file_size(archive) / 2);
  CHECK(contains(load_error(folder), "pathfinder: " + archive));
}

TEST_CASE("pathfinder: Path-X is the same with 128 pixels per side") {
  const Folder folder;
  std::vector<Row11> rows;
  for (int i = 0; i < 12; ++i) {
    rows.push_back(row_of(0, i, i % 2));
    folder.write("pathfinder128/curv_contour_length_14/" + rows.back()[0] + '/' + rows.back()[1],
                 encode_png(picture(i, 128)));
  }
  folder.write("pathfinder128/curv_contour_length_14/metadata/0.npy", text_of(rows));
  const TaskData data = pathfinder::load(folder.name(), 128);
  CHECK(data.train.size() == 10);
  CHECK(data.train[0].tokens.size() == 16384);
  CHECK(data.max_length == 16384);
  CHECK(data.height == 128);
  CHECK(pathfinder::check_files(folder.name(), 128).usable());
  CHECK_FALSE(pathfinder::check_files(folder.name(), 32).found());
}

TEST_CASE("pathfinder: a metadata file that is there twice does not double its images") {
  const Folder folder;
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [name, content] : level_files()) members.emplace_back(kSet + name, content);
  members.push_back(members[8]);  // metadata/0.npy once more, as `tar rf` adds it
  REQUIRE(members.back().first.ends_with("metadata/0.npy"));
  folder.write("lra_release.gz", gzip_of(tar_of(members)));
  const TaskData data = pathfinder::load(folder.name(), kSide);
  CHECK(data.train.size() + data.val.size() + data.test.size() == 24);
  const Folder two;
  write_level(two, "pathfinder32/curv_contour_length_14");
  two.write(kSet + "metadata/00.npy", level_files()[8].second);
  const std::string message = message_of([&] { pathfinder::load(two.name(), kSide); });
  CHECK(message.find("has the same number") != std::string::npos);
}
