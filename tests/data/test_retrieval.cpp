#include <doctest/doctest.h>

#include "core/check.h"
#include "data/tasks/retrieval.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"

using namespace skiff;
using namespace skiff::testing;
using retrieval::check_files;
using retrieval::find;
using retrieval::load;
using retrieval::LoadOptions;
using retrieval::unescape;

namespace {

using Ids = std::vector<uint16_t>;

const std::string kTrain =
    "1.0\tW06-1\tP05-2\tb'ab'\tb\"it's \\xc3\\xa9\"\n"
    "0.0\tA\tB\tb'a\\nb \"x\"'\tb'bbbb'\n";
const std::string kVal = "0.0\tC\tD\tb'a~'\tb'b'\n";
const std::string kTest = "1.0\tE\tF\tb'b'\tb'a'\n1.0\tE\tG\tb'b'\tb'aa'\n";

const std::vector<std::pair<std::string, std::string>> kFiles = {
    {"new_aan_pairs.train.tsv", kTrain},
    {"new_aan_pairs.eval.tsv", kVal},
    {"new_aan_pairs.test.tsv", kTest}};

void write_files(const Folder& folder, const std::string& below) {
  for (const auto& [name, content] : kFiles) folder.write(below + name, content);
}

std::string to_text(const TaskData& data, const Elements& tokens) {
  std::string text;
  for (const uint16_t id : tokens.values()) text += data.vocabulary[id];
  return text;
}

void check_expected(const TaskData& data) {
  REQUIRE(data.train.size() == 2);
  REQUIRE(data.val.size() == 1);
  REQUIRE(data.test.size() == 2);
  CHECK(data.pairs);
  CHECK(data.classes == 2);
  CHECK(data.train[0].label == 1);
  CHECK(data.train[1].label == 0);
  CHECK(to_text(data, data.train[0].tokens) == "b'ab'<eos>");
  CHECK(to_text(data, data.train[0].second) == "b\"it's \\xc3\\xa9\"<eos>");
  CHECK(to_text(data, data.train[1].tokens) == "b'a\\nb \"x\"'<eos>");
  CHECK(to_text(data, data.val[0].tokens) == "b'a<unk>'<eos>");
  CHECK(to_text(data, data.test[1].second) == "b'aa'<eos>");
  CHECK(data.vocabulary[3] == "b");  // the most frequent, with the b of b''
  CHECK(data.vocabulary[4] == "'");
}

}  // namespace

TEST_CASE("retrieval: texts are the printed literals, found in every layout") {
  for (const char* below : {"", "aan/", "tsv_data/", "retrieval/", "lra_release/tsv_data/",
                            "lra_release/lra_release/tsv_data/"}) {
    CAPTURE(below);
    const Folder folder;
    write_files(folder, below);
    check_expected(load(folder.name()));
    check_expected(load(folder.file(std::string(below) + "new_aan_pairs.eval.tsv")));
  }
}

TEST_CASE("retrieval: CR LF, a byte order mark and a last line without an end are accepted") {
  const Folder folder;
  for (const auto& [name, content] : kFiles) {
    std::string changed = "\xEF\xBB\xBF";
    for (const char c : content) changed += c == '\n' ? "\r\n" : std::string(1, c);
    folder.write(name, changed.substr(0, changed.size() - (name[14] == 't' ? 2 : 0)));
  }
  check_expected(load(folder.name()));
}

TEST_CASE("retrieval: lra_release.gz is read as it is, the nested folders too") {
  const auto archive = [](const std::string& prefix) {
    std::string bytes = member("lra_release/listops-1000/basic_train.tsv", std::string(5000, 'x')) +
                        member(prefix + "._new_aan_pairs.train.tsv", "of another system") +
                        member(prefix + "new_aan_pairs.train.tsv.md5", "0");
    for (const size_t i : {1, 2, 0}) bytes += member(prefix + kFiles[i].first, kFiles[i].second);
    return bytes + kTarEnd;
  };
  for (const char* name : {"lra_release.gz", "lra_release.tar.gz", "lra_release/lra_release.gz"}) {
    const Folder folder;
    folder.write(name, gzip_of(archive("lra_release/lra_release/tsv_data/")));
    check_expected(load(folder.name()));
    check_expected(load(folder.file(name)));
  }
  const Folder folder;
  folder.write("lra_release.tar", archive("./tsv_data/"));
  check_expected(load(folder.name()));
  CHECK(check_files(folder.name()).usable());
}

TEST_CASE("retrieval: what an archive gave is kept beside it, for the same options") {
  const Folder folder;
  const std::string archive = folder.write("lra_release.gz", gzip_of(tar_of(kFiles)));
  const TaskData first = load(archive);
  const std::string cache = archive + ".retrieval.cache";
  REQUIRE(std::filesystem::exists(cache));
  check_expected(load(archive));
  CHECK(load(archive).vocabulary == first.vocabulary);
  LoadOptions options;
  options.max_length = 4;
  CHECK(load(archive, options).train[0].tokens.size() == 4);
  check_expected(load(archive));
  // It is really read: an archive that is damaged, but has the size and the time, gives the same.
  const auto time = std::filesystem::last_write_time(archive);
  folder.write("lra_release.gz", std::string(std::filesystem::file_size(archive), 'x'));
  CHECK_THROWS_AS(load(archive), DataError);
  std::filesystem::last_write_time(archive, time);
  check_expected(load(archive));
  options = {};
  options.cache = false;
  CHECK_THROWS_AS(load(archive, options), DataError);
}

TEST_CASE("retrieval: truncation, bytes and the original protocol") {
  const Folder folder;
  write_files(folder, "");
  LoadOptions options;
  options.max_length = 4;
  CHECK(to_text(load(folder.name(), options), load(folder.name(), options).train[0].tokens) ==
        "b'a<eos>");
  CHECK(count_cut(load(folder.name(), options).train) == 2);
  CHECK(count_cut(load(folder.name()).train) == 0);
  options.encoding = Encoding::Bytes;
  CHECK(load(folder.name(), options).train[0].tokens == Ids{'b' + 3, '\'' + 3, 'a' + 3, 2});
  options.encoding = Encoding::Original;
  const TaskData original = load(folder.name(), options);
  CHECK(original.train[0].tokens == Ids{'b' + 1, '\'' + 1, 'a' + 1, 'b' + 1});
  CHECK(original.vocab == 257);
  CHECK(original.pad_to == 4);
}

TEST_CASE("retrieval: decoding gives the text as it was written") {
  CHECK(unescape("b'a\\nb\\t\\r\\\\\\'\\x41\\xC3\\xa9\"'") == "a\nb\t\r\\'A\xC3\xA9\"");
  CHECK(unescape("b\"it's\"") == "it's");
  CHECK(unescape("b''").empty());
  for (const char* bad : {"", "b'", "b", "'a'", "b'a", "b'a\"", "abc", "b'\\'", "b'\\q'", "b'\\x4'",
                          "b'\\xg0'", "b'a'b'", "b'\\u0041'"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(unescape(bad), DataError);
  }
  const Folder folder;
  write_files(folder, "aan/");
  LoadOptions options;
  options.decode = true;
  const TaskData data = load(folder.name(), options);
  CHECK(to_text(data, data.train[0].tokens) == "ab<eos>");
  CHECK(to_text(data, data.train[0].second) == "it's \xC3\xA9<eos>");
  CHECK(to_text(data, data.train[1].tokens) == "a\nb \"x\"<eos>");
  folder.write("aan/new_aan_pairs.train.tsv", "1\tA\tB\tb'a\\xff\\xc3z'\tb''\n");
  const TaskData replaced = load(folder.name(), options);
  CHECK(to_text(replaced, replaced.train[0].tokens) == "a\xEF\xBF\xBD\xEF\xBF\xBDz<eos>");
  CHECK(to_text(replaced, replaced.train[0].second) == "<eos>");
}

TEST_CASE("retrieval: bad rows are one error with file, line and reason") {
  const Folder folder;
  write_files(folder, "");
  struct Case {
    std::string content, message;
  };
  const Case cases[] = {
      {"", "new_aan_pairs.train.tsv: the file is empty"},
      {kTrain + "\n", "train.tsv:3: the line is empty"},
      {kTrain + "1.0\tA\tB\tb'a'\n", "train.tsv:3: 5 columns are needed, got 4: '1.0"},
      {"1.0\tA\tB\tb'a'\tb'b'\tmore\n", ":1: 5 columns are needed, got 6"},
      {"label\tid1\tid2\ttext1\ttext2\n", ":1: the label must be 0.0 or 1.0, got 'label'"},
      {"2.0\tA\tB\tb'a'\tb'b'\n", "the label must be 0.0 or 1.0, got '2.0'"},
      {"0.5\tA\tB\tb'a'\tb'b'\n", "the label must be"},
      {"nan\tA\tB\tb'a'\tb'b'\n", "the label must be"},
      {"1.0x\tA\tB\tb'a'\tb'b'\n", "the label must be"},
      {" 1\tA\tB\tb'a'\tb'b'\n", "the label must be"},
      {"\tA\tB\tb'a'\tb'b'\n", "the label must be 0.0 or 1.0, got ''"},
      {"1.0\tA\tB\t\tb'b'\n", ":1: the left text is empty"},
      {"1.0\tA\tB\tb'a'\t\n", ":1: the right text is empty"},
      {kTrain + "1.0\tA\tB\tb'a'\tb'was cut he",
       ":3: the right text has no end quote, it ends with"},
      {"1.0\tA\tB\tb'a\"\tb'b'\n", "the left text has no end quote"},
      {"1.0\tA\tB\tb'\tb'b'\n", "the left text has no end quote"},
      {"1.0\tA\tB\tb'caf\xE9'\tb'b'\n", ":1: the text must be UTF-8, got 0xe9 at byte 5"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.message);
    const std::string file = folder.write("new_aan_pairs.train.tsv", c.content);
    CHECK_THROWS_WITH_AS(load(folder.name()), doctest::Contains(c.message.c_str()), DataError);
    const TaskReport report = check_files(folder.name());
    CHECK_FALSE(report.usable());
    CHECK(report.splits[0].problem_count == 1);
    CHECK(to_string(report.splits[0].problems[0]).find(c.message) != std::string::npos);
    const std::string archive = folder.write(
        "a/lra_release.gz",
        gzip_of(tar_of({kFiles[1], kFiles[2], {"x/new_aan_pairs.train.tsv", c.content}})));
    CHECK_THROWS_WITH_AS(load(archive), doctest::Contains(c.message.c_str()), DataError);
  }
  LoadOptions decoding;
  decoding.decode = true;
  folder.write("new_aan_pairs.train.tsv", kTrain + "1.0\tA\tB\ta\tb'b'\n");
  CHECK(load(folder.name()).train.size() == 3);
  CHECK_THROWS_WITH_AS(load(folder.name(), decoding),
                       doctest::Contains(":3: a text must be a byte literal b'...', got 'a'"),
                       DataError);
  folder.write("new_aan_pairs.train.tsv", kTrain + "1.0\tA\tB\tb'\\q'\tb'b'\n");
  CHECK_THROWS_WITH_AS(load(folder.name(), decoding), doctest::Contains(":3: unknown escape '\\q'"),
                       DataError);
}

TEST_CASE("retrieval: missing files and damaged archives are one error") {
  const Folder folder;
  CHECK_THROWS_WITH_AS(load(folder.name()),
                       doctest::Contains("cannot find new_aan_pairs.train.tsv"), DataError);
  folder.write("aan/new_aan_pairs.train.tsv", kTrain);
  folder.write("aan/new_aan_pairs.test.tsv", kTest);
  CHECK_THROWS_WITH_AS(load(folder.name()),
                       doctest::Contains("aan/new_aan_pairs.eval.tsv'; the files"), DataError);
  const TaskReport report = check_files(folder.name());
  CHECK(report.splits[1].problems[0].reason == "the file is missing");
  CHECK(report.splits[2].rows() == 2);
  CHECK_FALSE(report.usable());

  const Folder other;
  other.write("lra_release.gz", gzip_of(tar_of({kFiles[0], kFiles[1]})));
  CHECK_THROWS_WITH_AS(load(other.name()),
                       doctest::Contains("lra_release.gz: new_aan_pairs.test.tsv"), DataError);
  std::string whole;
  for (int i = 0; i < 3000; ++i) whole += "1.0\tA\tB\tb'" + std::to_string(i * i) + "'\tb'b'\n";
  whole = gzip_of(tar_of({{kFiles[0].first, whole}, kFiles[1], kFiles[2]}));
  other.write("lra_release.gz", whole.substr(0, whole.size() / 2));
  CHECK_THROWS_WITH_AS(load(other.name()), doctest::Contains("gzip data is damaged or cut"),
                       DataError);
  CHECK_FALSE(check_files(other.name()).usable());
  other.write("other.tar.gz", gzip_of(tar_of({{"a.txt", "a"}})));
  CHECK_FALSE(check_files(other.file("other.tar.gz")).found());
}

TEST_CASE("retrieval: a check counts classes, lengths, duplicates and texts without quotes") {
  const Folder folder;
  write_files(folder, "");
  folder.write("new_aan_pairs.train.tsv",
               kTrain + "0.0\tX\tY\tb'b'\tb'aa'\n1\tX\tY\tplain\tb'c'\n");
  const TaskReport report = check_files(folder.name());
  CHECK(report.usable());
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].class_counts == std::vector<int64_t>{2, 2});
  CHECK(report.splits[0].lengths.max == 16);
  CHECK(report.splits[0].lengths.min == 4);
  CHECK(report.splits[1].name == "val");
  CHECK(report.splits[2].rows() == 2);
  CHECK(report.duplicates == 1);
  REQUIRE(report.notes.size() == 2);
  CHECK(report.notes[1].starts_with("1 texts are not byte literals"));
}

TEST_CASE("retrieval: a document alone is encoded as in the files, printed or decoded") {
  CHECK(retrieval::literal_of("it's \xC3\xA9\n\\") == "b\"it's \\xc3\\xa9\\n\\\\\"");
  CHECK(retrieval::literal_of("'\"") == "b'\\'\"'");
  CHECK(unescape(retrieval::literal_of("it's \"\xFF\t\"")) == "it's \"\xFF\t\"");
  const Folder folder;
  write_files(folder, "");
  const Task task = retrieval::task();
  for (const bool decode : {false, true}) {
    CAPTURE(decode);
    const TaskData data =
        load(folder.name(), {.min_frequency = 1, .decode = decode, .cache = false});
    DataOptions options;
    options.aan_decode = decode;
    options.max_length = data.max_length;
    const auto ids = [&](std::string_view text) {
      return task.encode(text, data.vocabulary, options).tokens.values();
    };
    CHECK(ids("it's \xC3\xA9") == data.train[0].second.values());
    CHECK(ids("b\"it's \\xc3\\xa9\"") == data.train[0].second.values());
    CHECK(ids("a\nb \"x\"") == data.train[1].tokens.values());
    CHECK_FALSE(ids("a\xFF").empty());  // no UTF-8: as in a file, where it is replaced
  }
}
