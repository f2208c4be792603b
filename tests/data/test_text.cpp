#include <doctest/doctest.h>

#include <map>

#include "core/check.h"
#include "data/tasks/text.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"

using namespace skiff;
using namespace skiff::testing;
using text::check_files;
using text::find;
using text::load;
using text::LoadOptions;

namespace {

using Ids = std::vector<uint16_t>;
using Words = std::vector<std::string>;

// Path and content of reviews in the layout of the archive. No folder is in the order of its names.
const std::vector<std::pair<std::string, std::string>> kFiles = {
    {"aclImdb/README", "not a review"},
    {"aclImdb/test/pos/7_9.txt", "caz"},
    {"aclImdb/test/neg/0_2.txt", "bb\xC3\xA9"},
    {"aclImdb/train/urls_pos.txt", "http"},
    {"aclImdb/train/unsup/0_0.txt", "never\xFF"},
    {"aclImdb/train/pos/2_8.txt", "aa\xC3\xA9"},
    {"aclImdb/train/pos/10_7.txt", "ab"},
    {"aclImdb/train/pos/._10_7.txt", "of another system\xFF"},
    {"aclImdb/train/pos/labeledBow.feat", "0:9"},
    {"aclImdb/train/neg/3_4.txt", "c\r\na<br />"},
};

std::string archive_of(std::vector<std::pair<std::string, std::string>> files) {
  return gzip_of(tar_of(files));
}

void write_folder(const Folder& folder, const std::string& below = "") {
  for (const auto& [name, content] : kFiles) folder.write(below + name, content);
}

LoadOptions options_of(Encoding encoding, int64_t max_length, int64_t min_frequency = 1) {
  LoadOptions options;
  options.encoding = encoding;
  options.max_length = max_length;
  options.min_frequency = min_frequency;
  return options;
}

bool same(const std::vector<Example>& a, const std::vector<Example>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Example& x, const Example& y) {
    return x.tokens == y.tokens && x.label == y.label;
  });
}

void check_same(const TaskData& a, const TaskData& b) {
  CHECK(a.vocabulary == b.vocabulary);
  CHECK(same(a.train, b.train));
  CHECK(same(a.val, b.val));
  CHECK(same(a.test, b.test));
}

std::string to_text(const TaskData& data, const Example& example) {
  std::string text;
  for (const uint16_t id : example.tokens.values()) text += data.vocabulary[id];
  return text;
}

}  // namespace

TEST_CASE("utf-8: every character comes back, and what is none is refused") {
  for (char32_t c = 0; c < 0x110000; c += (c < 0x1000 ? 1 : 97)) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string text = "a" + to_utf8(c) + "b";
    size_t at = 1;
    REQUIRE(next_character(text, &at) == c);
    REQUIRE(at == text.size() - 1);
  }
  for (const char* bad : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3z", "\xE0\x80\x80",
                          "\xE0\x9F\xBF", "\xE2\x82", "\xE2z\x82", "\xED\xA0\x80", "\xED\xBF\xBF",
                          "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF"}) {
    CAPTURE(bad);
    size_t at = 0;
    CHECK_THROWS_AS(next_character(bad, &at), DataError);
  }
  size_t at = 2;
  CHECK_THROWS_WITH_AS(next_character("ab\xE9 ", &at), "the text must be UTF-8, got 0xe9 at byte 2",
                       DataError);
}

TEST_CASE("text: characters get ids by frequency in training, reviews the order of their names") {
  const Folder folder;
  write_folder(folder);
  const TaskData data = load(folder.name(), options_of(Encoding::Characters, 64));
  // In training: a 4 times, b r < > / blank and others once, e acute once.
  CHECK(data.vocabulary == Words{"<pad>", "<unk>", "<eos>", "a", "b", "\n", "\r", " ", "/", "<",
                                 ">", "c", "r", "\xC3\xA9"});
  CHECK(data.vocab == 14);
  CHECK(data.classes == 2);
  CHECK(data.max_length == 64);
  CHECK_FALSE(data.pairs);
  CHECK_FALSE(data.images());
  CHECK(data.pad_to == 0);
  REQUIRE(data.train.size() == 3);
  CHECK(to_text(data, data.train[0]) == "c\r\na<br /><eos>");
  CHECK(to_text(data, data.train[1]) == "ab<eos>");  // 10_7.txt before 2_8.txt
  CHECK(data.train[2].tokens == Ids{3, 3, 13, 2});
  CHECK(data.train[0].label == 0);
  CHECK(data.train[1].label == 1);
  REQUIRE(data.test.size() == 2);
  CHECK(data.test[0].tokens == Ids{4, 4, 13, 2});
  CHECK(data.test[0].label == 0);
  CHECK(to_text(data, data.test[1]) == "ca<unk><eos>");
  CHECK(data.test[1].label == 1);
  CHECK(same(data.val, data.test));
  CHECK(data.val[0].tokens.bytes().data() == data.test[0].tokens.bytes().data());  // shared
  CHECK(data.note ==
        "validation is the test split; not the whole data set: 3 training and 2 test reviews "
        "instead of 25000 each");
}

TEST_CASE("text: truncation keeps a place for the end mark and comes before counting") {
  const Folder folder;
  write_folder(folder);
  const TaskData data = load(folder.name(), options_of(Encoding::Characters, 3));
  CHECK(data.vocabulary == Words{"<pad>", "<unk>", "<eos>", "a", "\r", "b", "c"});
  CHECK(to_text(data, data.train[0]) == "c\r<eos>");
  CHECK(to_text(data, data.train[2]) == "aa<eos>");
  for (const Encoding encoding : {Encoding::Characters, Encoding::Bytes, Encoding::Original}) {
    CHECK(count_cut(load(folder.name(), options_of(encoding, 2)).train) ==
          (encoding == Encoding::Original ? 2 : 3));  // without an end mark "ab" fits
    CHECK(count_cut(load(folder.name(), options_of(encoding, 64)).train) == 0);
  }
  CHECK(load(folder.name(), options_of(Encoding::Characters, 64, 2)).vocabulary ==
        Words{"<pad>", "<unk>", "<eos>", "a", "b"});
  CHECK_THROWS_AS(load(folder.name(), options_of(Encoding::Characters, 1)), UsageError);
}

TEST_CASE("text: bytes, and the original protocol without end mark and with fixed length") {
  const Folder folder;
  write_folder(folder);
  const TaskData bytes = load(folder.name(), options_of(Encoding::Bytes, 5));
  CHECK(bytes.vocab == 259);
  CHECK(bytes.pad_to == 0);
  CHECK(bytes.train[0].tokens == Ids{'c' + 3, '\r' + 3, '\n' + 3, 'a' + 3, 2});
  CHECK(bytes.train[2].tokens == Ids{'a' + 3, 'a' + 3, 0xC3 + 3, 0xA9 + 3, 2});
  CHECK(bytes.vocabulary[0xC3 + 3] == "<0xc3>");
  const TaskData original = load(folder.name(), options_of(Encoding::Original, 4));
  CHECK(original.vocab == 257);
  CHECK(original.pad_to == 4);
  CHECK(original.train[1].tokens == Ids{'a' + 1, 'b' + 1});
  CHECK(original.train[2].tokens == Ids{'a' + 1, 'a' + 1, 0xC3 + 1, 0xA9 + 1});
  CHECK(original.vocabulary[0xA9 + 1] == "<0xa9>");
  CHECK(original.vocabulary[0] == "<pad>");
}

TEST_CASE("text: the folder and the archive are found where users have them, and give the same") {
  const Folder plain;
  write_folder(plain, "");
  const LoadOptions options = options_of(Encoding::Characters, 64);
  const TaskData expected = load(plain.name(), options);
  for (const char* below : {"imdb/", "text/"}) {
    const Folder folder;
    write_folder(folder, below);
    check_same(load(folder.name(), options), expected);
    check_same(load(folder.file(std::string(below) + "aclImdb"), options), expected);
  }
  for (const char* name : {"aclImdb_v1.tar.gz", "imdb/aclImdb_v1.tar.gz", "aclImdb_v1.tgz",
                           "aclImdb/aclImdb_v1.tar", "text/aclImdb.tar.gz"}) {
    CAPTURE(name);
    const Folder folder;
    folder.write(name, archive_of(kFiles));
    check_same(load(folder.name(), options), expected);
    check_same(load(folder.file(name), options), expected);
    CHECK(std::distance(std::filesystem::recursive_directory_iterator(folder.path), {}) <= 2);
  }
  const Folder other;  // another name and another top folder
  auto files = kFiles;
  for (auto& [name, content] : files) name = "./a/" + name;
  check_same(load(other.write("reviews.tgz", archive_of(files)), options), expected);
  CHECK(find(other.name()).empty());
}

TEST_CASE("text: held-out training reviews validate, and every review is in one split") {
  const Folder folder;
  std::vector<std::pair<std::string, std::string>> files;
  for (const char* part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
    for (int i = 10; i < 20; ++i) {
      files.emplace_back("aclImdb/" + std::string(part) + "/" + std::to_string(i) + ".txt",
                         std::string(size_t(i), part[0] == 't' && part[1] == 'r' ? 'r' : 'e'));
    }
  }
  folder.write("aclImdb_v1.tar.gz", archive_of(files));
  LoadOptions options = options_of(Encoding::Characters, 64);
  options.val_split = 0.1;
  const TaskData data = load(folder.name(), options);
  CHECK(data.train.size() == 18);
  CHECK(data.val.size() == 2);
  CHECK(data.test.size() == 20);
  CHECK(data.note.starts_with("validation is 2 of the training reviews; not the whole"));
  std::map<std::pair<size_t, int32_t>, int> times;
  for (const auto* split : {&data.train, &data.val}) {
    for (const Example& example : *split) ++times[{example.tokens.size(), example.label}];
  }
  CHECK(times.size() == 20);
  check_same(load(folder.name(), options), data);
  for (const double bad : {-0.1, 1.0, 0.99, 0.01}) {
    options.val_split = bad;
    CHECK_THROWS_AS(load(folder.name(), options), UsageError);
  }
}

TEST_CASE("text: bad data is one error with the file and the reason") {
  const Folder folder;
  const auto with = [](const std::string& name, const std::string& content) {
    auto files = kFiles;
    files.emplace_back("aclImdb/" + name, content);
    return files;
  };
  const auto without = [](const std::string& part) {
    auto files = kFiles;
    std::erase_if(files,
                  [&](const auto& file) { return file.first.find(part) != file.first.npos; });
    return files;
  };
  struct Case {
    std::vector<std::pair<std::string, std::string>> files;
    std::string message;
  };
  const Case cases[] = {
      {with("train/pos/5_8.txt", "ab\xFFz"),
       "train/pos/5_8.txt: the text must be UTF-8, got 0xff at byte 2"},
      {with("test/neg/5_8.txt", "caf\xE9"), "test/neg/5_8.txt: the text must be UTF-8"},
      {with("train/neg/5_1.txt", std::string(100, 'a') + "\xC3"), "got 0xc3 at byte 100"},
      {with("train/pos/5_8.txt", ""), "train/pos/5_8.txt: the review is empty"},
      {without("/test/pos"), "has no reviews in test/pos; https://"},
      {without("/test/"), "has no reviews in test/neg"},
      {without("/train/neg"), "has no reviews in train/neg"},
  };
  const LoadOptions options = options_of(Encoding::Characters, 64);
  for (const Case& c : cases) {
    CAPTURE(c.message);
    const std::string archive = folder.write("aclImdb_v1.tar.gz", archive_of(c.files));
    CHECK_THROWS_WITH_AS(load(folder.name(), options), doctest::Contains(c.message.c_str()),
                         DataError);
    CHECK_THROWS_WITH_AS(load(archive, options), doctest::Contains("text: "), DataError);
    const Folder unpacked;
    for (const auto& [name, content] : c.files) unpacked.write(name, content);
    CHECK_THROWS_WITH_AS(load(unpacked.name(), options), doctest::Contains(c.message.c_str()),
                         DataError);
    const TaskReport report = check_files(unpacked.name());
    CHECK(report.found());
    CHECK_FALSE(report.usable());
  }
  const std::string whole = archive_of(kFiles);
  folder.write("aclImdb_v1.tar.gz", whole.substr(0, whole.size() - 20));
  CHECK_THROWS_WITH_AS(load(folder.name(), options),
                       doctest::Contains("aclImdb_v1.tar.gz: the gzip data is damaged or cut"),
                       DataError);
  CHECK_FALSE(check_files(folder.name()).usable());
  folder.write("aclImdb_v1.tar.gz", gzip_of(tar_of({{"other/a.txt", "a"}})));
  CHECK_THROWS_WITH_AS(load(folder.name(), options),
                       doctest::Contains("has no reviews in train/neg"), DataError);
  const Folder empty;
  CHECK_THROWS_WITH_AS(load(empty.name()), doctest::Contains("cannot find train/neg in"),
                       DataError);
  CHECK_THROWS_AS(load(empty.file("none")), DataError);
}

TEST_CASE("text: a check counts classes, lengths, problems and duplicates") {
  const Folder folder;
  auto files = kFiles;
  files.emplace_back("aclImdb/train/neg/8_1.txt", "ab");
  files.emplace_back("aclImdb/train/neg/9_1.txt", "a\xFF");
  folder.write("aclImdb_v1.tar.gz", archive_of(files));
  const TaskReport report = check_files(folder.name());
  CHECK_FALSE(report.usable());
  REQUIRE(report.splits.size() == 2);
  const SplitReport& train = report.splits[0];
  CHECK(train.name == "train");
  CHECK(train.class_counts == std::vector<int64_t>{2, 2});
  CHECK(train.lengths.max == 10);
  CHECK(train.lengths.min == 2);
  REQUIRE(train.problems.size() == 1);
  CHECK(to_string(train.problems[0]).find("train/neg/9_1.txt: the text must be UTF-8") !=
        std::string::npos);
  CHECK(report.splits[1].problem_count == 0);
  CHECK(report.splits[1].rows() == 2);
  CHECK(report.duplicates == 1);
  REQUIRE(report.notes.size() == 2);
  CHECK(report.notes[1].starts_with("not the whole data set: 4 training and 2 test"));
  folder.write("aclImdb_v1.tar.gz", archive_of(kFiles));
  CHECK(check_files(folder.name()).usable());
  CHECK_FALSE(check_files(folder.file("none")).found());
  folder.write("other.tar.gz", gzip_of(tar_of({{"a.txt", "a"}})));
  CHECK_FALSE(check_files(folder.file("other.tar.gz")).found());
}

TEST_CASE("text: a review that is no review in size is refused") {
  const Folder folder;
  const std::string large(size_t(1) << 20, 'x');
  for (const char* more : {"", "x"}) {
    auto files = kFiles;
    files.emplace_back("aclImdb/train/neg/8_1.txt", large + more);
    folder.write("aclImdb_v1.tar.gz", archive_of(files));
    write_folder(folder, "unpacked/");
    folder.write("unpacked/aclImdb/train/neg/8_1.txt", large + more);
    CHECK(check_files(folder.name()).usable() == (*more == '\0'));
    CHECK(check_files(folder.file("unpacked")).usable() == (*more == '\0'));
  }
}

TEST_CASE("text: a check counts the reviews before the place where an archive is cut") {
  const Folder folder;
  const std::string tar = tar_of(kFiles);
  const size_t last = tar.find("aclImdb/train/neg/3_4.txt");
  folder.write("aclImdb_v1.tar.gz", gzip_of(tar.substr(0, last + 100)));
  const TaskReport report = check_files(folder.name());
  CHECK(report.splits[0].rows() == 2);
  CHECK(report.splits[1].rows() == 2);
  REQUIRE(report.splits[0].problem_count == 1);  // train/neg was not reached
  CHECK(report.splits[0].problems[0].file == folder.file("aclImdb_v1.tar.gz"));
  CHECK(report.splits[0].problems[0].reason.starts_with("the archive is damaged or cut"));
}

TEST_CASE("text: a folder of reviews that may not be read is no empty one") {
  const Folder folder;
  write_folder(folder);
  std::filesystem::permissions(folder.path, std::filesystem::perms(0755));
  const auto closed = folder.path / "aclImdb/train/pos";
  std::filesystem::permissions(closed, std::filesystem::perms(0711));  // found, but not listed
  CHECK(
      contains(message_for_others([&] { load(folder.name()); }), "train/pos': Permission denied"));
  CHECK(message_for_others([&] {
          const TaskReport report = check_files(folder.name());
          fail(to_string(report.splits[0].problems.at(0)));
        }).find("Permission denied") != std::string::npos);
  std::filesystem::permissions(closed, std::filesystem::perms(0755));
}

TEST_CASE("text: a check goes on after a review of an archive that is too long") {
  const Folder folder;
  auto files = kFiles;
  files.insert(files.begin() + 1, {"aclImdb/test/neg/1_1.txt", std::string((1 << 20) + 1, 'x')});
  folder.write("aclImdb_v1.tar.gz", archive_of(files));
  const TaskReport report = check_files(folder.name());
  REQUIRE(report.splits.size() == 2);
  CHECK(report.splits[0].problem_count == 0);
  CHECK(report.splits[1].problem_count == 1);
  CHECK(report.splits[1].rows() == 2);
}
