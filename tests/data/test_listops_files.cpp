// The files of ListOps: written, read, checked.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "core/check.h"
#include "data/files/binary_file.h"
#include "data/tasks/listops.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"

using namespace skiff;
using namespace skiff::listops;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

const Limits kSmall = {4, 4, 5, 40};  // depth, arguments, length
const std::string kHeader = "Source\tTarget\r\n";
const std::string kPaperSource = "( ( ( ( [MAX 4 ) ( ( ( [MIN 3 ) 7 ) ] ) ) 0 ) ] )";
const std::string kRows = kHeader + kPaperSource + "\t4\r\n( ( ( [SM 8 ) 5 ) ] )\t3\r\n";

// The message contains the words.
void check_holds(const std::string& message, const std::string& words) {
  CAPTURE(message);
  CAPTURE(words);
  CHECK(message.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("listops: the same seed writes the same bytes, another seed does not") {
  const Folder folder;
  const Counts counts = {40, 5, 5};
  for (const auto& [name, seed] : {std::pair("a", 1), {"b", 1}, {"c", 2}}) {
    generate((folder.path / name).string(), uint64_t(seed), counts, kSmall);
  }
  for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
    const std::string bytes = read_file(folder.file(std::string("a/") + file));
    CHECK(bytes.starts_with(kHeader));
    CHECK(bytes == read_file(folder.file(std::string("b/") + file)));
    CHECK(bytes != read_file(folder.file(std::string("c/") + file)));
  }
}

TEST_CASE("listops: what is written is what is read") {
  const Folder folder;
  const std::string place = folder.path.string();
  int64_t calls = 0;
  const Generated made = generate(place, 7, {30, 10, 5}, kSmall, false,
                                  [&](int64_t done, int64_t) { CHECK(done == ++calls); });
  CHECK(calls == 45);
  CHECK(made.accepted == 45);
  Generator generator(7, kSmall);
  for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
    for (const Record& row : read_tsv((folder.path / file).string(), true)) {
      CHECK(row.tokens == generator.next());
      CHECK(row.label == evaluate(row.tokens));
    }
  }
  CHECK(generator.accepted() == 45);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 3);  // nothing temporary
}

TEST_CASE("listops: existing files are kept unless overwriting is asked for") {
  const Folder folder;
  const std::string place = folder.path.string();
  const std::string file = folder.write("basic_val.tsv", "mine");
  CHECK_THROWS_WITH_AS(generate(place, 1, {2, 2, 2}, kSmall), doctest::Contains("--force"),
                       UsageError);
  CHECK(read_file(file) == "mine");
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
  generate(place, 1, {2, 2, 2}, kSmall, true);
  CHECK(read_file(file).starts_with(kHeader));
}

TEST_CASE("listops: a replacement that ends halfway leaves no training file of the old data") {
  const Folder folder;
  folder.write("basic_train.tsv", "old");
  const auto disturb = [&](int64_t done, int64_t total) {  // no file can take the place of a folder
    if (done == total) folder.write("basic_val.tsv/file", "");
  };
  CHECK_THROWS_AS(generate(folder.path.string(), 1, {2, 2, 2}, kSmall, true, disturb), IoError);
  CHECK_FALSE(fs::exists(folder.path / "basic_train.tsv"));
}

TEST_CASE("listops: two programs do not write into one folder at a time") {
  const Folder folder;
  const std::string place = folder.path.string();
  {
    const FolderLock lock(place);
    CHECK_THROWS_WITH_AS(generate(place, 1, {2, 2, 2}, kSmall),
                         doctest::Contains("another program writes to"), UsageError);
  }
  CHECK(fs::is_empty(folder.path));
  generate(place, 1, {2, 2, 2}, kSmall);
}

TEST_CASE("listops: a generation that fails leaves no file and the old ones") {
  const Folder folder;
  const std::string place = folder.path.string();
  generate(place, 1, {2, 2, 2}, kSmall);
  const std::string before = read_file(folder.file("basic_train.tsv"));
  CHECK_THROWS_AS(generate(place, 2, {2, 2, 2}, kSmall, true,
                           [](int64_t done, int64_t) {
                             if (done == 5) throw Error("stop");
                           }),
                  Error);
  CHECK_THROWS_AS(generate(place, 2, {2, 0, 2}, kSmall, true), UsageError);
  CHECK(read_file(folder.file("basic_train.tsv")) == before);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 3);
  const std::string file = folder.write("file", "");
  CHECK_THROWS_AS(generate(file + "/below", 1, {2, 2, 2}, kSmall), IoError);
}

TEST_CASE("listops: accepts LF and CR LF, a byte order mark, and a last line without end") {
  const Folder folder;
  std::string lf = kRows;
  lf.erase(std::remove(lf.begin(), lf.end(), '\r'), lf.end());
  const std::string cut = lf.substr(0, lf.size() - 1);
  for (const std::string& content :
       {kRows, lf, cut, "\xEF\xBB\xBF" + kRows, "\xEF\xBB\xBF" + cut}) {
    const auto rows = read_tsv(folder.write("basic_train.tsv", content), true);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].tokens == "x4n37]0]");
    CHECK(rows[0].label == 4);
    CHECK(rows[0].line == 2);
    CHECK(rows[1].tokens == "s85]");
    CHECK(rows[1].label == 3);
  }
}

TEST_CASE("listops: lines longer than a read are whole") {
  Tokens tokens = "s";
  for (int i = 0; i < 700000; ++i) tokens += '1';
  tokens += ']';
  const Folder folder;
  const std::string row = to_source(tokens) + "\t0\r\n";
  const auto rows = read_tsv(folder.write("basic_train.tsv", kHeader + row + row), true);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].tokens == tokens);
  CHECK(rows[1].tokens == tokens);
}

TEST_CASE("listops: bad files are refused with file, line, reason and value") {
  struct Case {
    std::string content, message;
  };
  const std::string pair = "( ( ( [MAX 4 ) 3 ) ] )";
  const Case cases[] = {
      // the file
      {"", "basic_train.tsv: the file is empty"},
      {kHeader, "the file has a header but no rows"},
      {"Source\tTarget", "the file has a header but no rows"},
      {"\xEF\xBB\xBF", ":1: the header must be 'Source<TAB>Target', got ''"},
      {"\r\n" + kRows, ":1: the header must be"},
      {pair + "\t4\r\n", ":1: the header must be 'Source<TAB>Target', got '( ( ( [MAX"},
      {"Source,Target\r\n", "got 'Source,Target'"},
      {"source\ttarget\r\n", "got 'source\\x09target'"},
      {"Source\tTarget\tMore\r\n", "the header must be"},
      {" Source\tTarget\r\n", "the header must be"},
      {"\"Source\"\t\"Target\"\r\n", "the header must be"},
      {"Source\tTarget\r" + pair + "\t4\r", ":1: the header must be"},  // CR alone ends no line
      {std::string("\x1f\x8b\x08\x00", 4), "got '\\x1f"},
      {"\xFF\xFES\0o\0", "the header must be"},
      // columns
      {kHeader + pair + "\r\n", ":2: 2 columns are needed, got 1"},
      {kHeader + pair + " 4\r\n", ":2: 2 columns are needed, got 1"},
      {kHeader + pair + "\t4\t\r\n", ":2: 2 columns are needed, got 3"},
      {kRows + "\r\n", ":4: the line is empty"},
      {kHeader + "\n" + pair + "\t4\n", ":2: the line is empty"},
      {kRows + kHeader, ":4: unknown token 'Source'"},
      // target
      {kHeader + pair + "\t\r\n", ":2: the target must be an integer, got ''"},
      {kHeader + pair + "\tfour\r\n", "must be an integer, got 'four'"},
      {kHeader + pair + "\t4.0\r\n", "must be an integer, got '4.0'"},
      {kHeader + pair + "\t 4\r\n", "must be an integer, got ' 4'"},
      {kHeader + pair + "\t+4\r\n", "must be an integer, got '+4'"},
      {kHeader + pair + "\t4 \r\n", "must be an integer, got '4 '"},
      {kHeader + pair + "\t10\r\n", "must be in 0..9, got '10'"},
      {kHeader + pair + "\t-1\r\n", "must be in 0..9, got '-1'"},
      {kHeader + pair + "\t99999999999999999999\r\n", "must be an integer, got '9999999999"},
      {kHeader + pair + "\t4\r\r\n", "must be an integer, got '4\\x0d'"},
      {kRows + pair + "\t3\r\n", ":4: the target must be the value 4 of the source, got '3'"},
      // source
      {kHeader + "\t4\r\n", ":2: the expression is empty"},
      {kHeader + "( ( ) )\t4\r\n", "the expression is empty"},
      {kHeader + "( ( ( [AVG 4 ) 3 ) ] )\t4\r\n", "unknown token '[AVG'"},
      {kHeader + "( ( ( [max 4 ) 3 ) ] )\t4\r\n", "unknown token '[max'"},
      {kHeader + "( ( ( MAX 4 ) 3 ) ] )\t4\r\n", "unknown token 'MAX'"},
      {kHeader + "( ( ( [MAX 14 ) 3 ) ] )\t4\r\n", "unknown token '14'"},
      {kHeader + "((([MAX 4) 3) ])\t4\r\n", "unknown token '((([MAX'"},
      {kHeader + "\"" + pair + "\"\t4\r\n", "unknown token '\"('"},
      {kHeader + std::string("( ( ( [MAX\0 4 ) 3 ) ] )\t4\r\n", 26), "unknown token '[MAX\\x00'"},
      {kHeader + std::string(1000, 'a') + "\t4\r\n", "'" + std::string(40, 'a') + "...'"},
      {kHeader + "( ( ( [MAX 4 ) 3 )\t4\r\n", "is not complete: 1 operator without end"},
      {kHeader + "( ( [MAX ] )\t4\r\n", "[MAX has no arguments"},
      {kHeader + "] )\t4\r\n", "ends no operator"},
      {kHeader + "4 4\t4\r\n", "the expression ends before token 2 of 2"},
      {kHeader + pair + " 4\t4\r\n", "the expression ends before token 5 of 5"},
      {kHeader + "( ( [MAX 4 ) 3 ) ] )\t4\r\n", "the parentheses do not match the operators"},
      {kHeader + "( ( ( [MAX 4 ) 3 ) ]\t4\r\n", "the parentheses do not match the operators"},
      {kHeader + "( ( ( [MAX 4 ) 3 ) ] ) )\t4\r\n", "at character 23: ' )'"},
      {kHeader + "( ( ( [MAX 4 )  3 ) ] )\t4\r\n", "at character 16: ' 3"},
      {kHeader + "( ( ( [MAX 4 ) 3 ) X )\t4\r\n", "the parentheses do not match the operators"},
  };
  CHECK(std::size(cases) >= 25);
  const Folder folder;
  for (const Case& bad : cases) {
    CAPTURE(bad.content);
    const std::string file = folder.write("basic_train.tsv", bad.content);
    std::string message = "accepted";
    try {
      read_tsv(file, true);
    } catch (const DataError& error) {
      message = error.what();
    }
    check_holds(message, bad.message);
    check_holds(message, "listops: " + file);
  }
}

TEST_CASE("listops: a target that is not the value passes unless values are checked") {
  const Folder folder;
  const std::string file =
      folder.write("basic_train.tsv", kHeader + "( ( ( [MAX 4 ) 3 ) ] )\t9\r\n");
  CHECK(read_tsv(file)[0].label == 9);
  CHECK_THROWS_AS(read_tsv(file, true), DataError);
}

TEST_CASE("listops: a missing file and a folder in its place say what to do") {
  const Folder folder;
  const std::string place = folder.path.string();
  CHECK_THROWS_WITH_AS(load(place), doctest::Contains("lra_data generate listops --out DIR"),
                       DataError);
  folder.write("basic_train.tsv", kRows);
  CHECK_THROWS_WITH_AS(load(place), doctest::Contains("basic_val.tsv'; 'lra_data generate"),
                       DataError);
  fs::create_directory(folder.path / "basic_val.tsv");
  CHECK_THROWS_WITH_AS(load(place), doctest::Contains("cannot read"), DataError);
}

TEST_CASE("listops: the files are found in every usual place") {
  for (const char* place : {".", "listops", "listops-1000", "lra_release/listops-1000",
                            "lra_release/lra_release/listops-1000"}) {
    CAPTURE(place);
    const Folder folder;
    for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
      folder.write((fs::path(place) / file).string(), kRows);
    }
    CHECK(fs::equivalent(find(folder.path.string()), folder.path / place));
    CHECK(load(folder.path.string()).val.size() == 2);
    CHECK(load((folder.path / place / "basic_test.tsv").string()).train.size() == 2);
  }
}

TEST_CASE("listops: ids follow the frequency in the training split") {
  const Folder folder;
  // Training tokens: 5 x 1; X x 2; then [MAX and [SM once each, in code point order.
  folder.write("basic_train.tsv",
               kHeader + "( ( ( ( ( [SM 1 ) 1 ) 1 ) 1 ) ( ( [MAX 1 ) ] ) ) ] )\t5\r\n");
  folder.write("basic_val.tsv", kHeader + "( ( ( [MAX 1 ) 8 ) ] )\t8\r\n");
  folder.write("basic_test.tsv", kHeader + "1\t1\r\n");
  const TaskData data = load(folder.path.string());
  CHECK(data.vocabulary ==
        std::vector<std::string>{"<pad>", "<unk>", "<eos>", "1", "X", "[MAX", "[SM"});
  CHECK(data.vocab == 7);
  CHECK(data.classes == 10);
  CHECK(data.max_length == 2048);
  using Ids = std::vector<uint16_t>;
  CHECK(data.train[0].tokens == Ids{6, 3, 3, 3, 3, 5, 3, 4, 4, 2});
  CHECK(data.train[0].label == 5);
  CHECK(data.val[0].tokens == Ids{5, 3, 1, 4, 2});  // 8 is unknown
  CHECK(data.test[0].tokens == Ids{3, 2});

  LoadOptions options;
  options.min_frequency = 2;
  CHECK(load(folder.path.string(), options).train[0].tokens == Ids{1, 3, 3, 3, 3, 1, 3, 4, 4, 2});
  options.append_eos = false;
  CHECK(load(folder.path.string(), options).test[0].tokens == Ids{3});
}

TEST_CASE("listops: truncation keeps a place for the end mark and comes before counting") {
  const Folder folder;
  for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
    folder.write(file, kHeader + "( ( ( ( ( [SM 3 ) 4 ) 5 ) 6 ) ] )\t8\r\n");
  }
  LoadOptions options;
  options.max_length = 4;
  const TaskData data = load(folder.path.string(), options);
  CHECK(data.vocabulary == std::vector<std::string>{"<pad>", "<unk>", "<eos>", "3", "4", "[SM"});
  CHECK(data.train[0].tokens == std::vector<uint16_t>{5, 3, 4, 2});
  CHECK(count_cut(data.train) == 1);
  options.append_eos = false;
  CHECK(load(folder.path.string(), options).train[0].tokens.size() == 4);
  options.max_length = 7;
  options.append_eos = true;
  CHECK(load(folder.path.string(), options).train[0].tokens.size() == 7);
  CHECK(count_cut(load(folder.path.string(), options).train) == 0);  // just fits
  options.max_length = 1;
  CHECK_THROWS_AS(load(folder.path.string(), options), UsageError);
}

TEST_CASE("listops: generated data has the 18 ids of the benchmark") {
  const Folder folder;
  generate(folder.path.string(), 1, {300, 20, 20}, kSmall);
  const TaskData data = load(folder.path.string());
  CHECK(data.vocab == 18);
  CHECK(data.train.size() == 300);
  for (const auto* examples : {&data.train, &data.val, &data.test}) {
    for (const Example& example : *examples) {
      const std::vector<uint16_t> ids = example.tokens.values();
      CHECK(ids.back() == kEosId);
      CHECK(std::count(ids.begin(), ids.end(), kEosId) == 1);
      CHECK(*std::min_element(ids.begin(), ids.end()) == kEosId);
      CHECK(*std::max_element(ids.begin(), ids.end()) < 18);
    }
  }
}

// ---- Check

TEST_CASE("listops: a check of good files reports what is there") {
  const Folder folder;
  generate((folder.path / "listops").string(), 1, {60, 20, 10}, kSmall);
  const TaskReport report = check_files(folder.path.string());
  CHECK(report.usable());
  CHECK(fs::path(report.folder).filename() == "listops");
  CHECK(report.duplicates == 0);
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].name == "train");
  CHECK(report.splits[0].rows() == 60);
  CHECK(report.splits[2].rows() == 10);
  CHECK(report.splits[1].lengths.min > 5);
  CHECK(report.splits[1].lengths.max < 40);
}

TEST_CASE("listops: a check goes on after bad lines and counts all of them") {
  const Folder folder;
  std::string many = kRows;
  for (int i = 0; i < 30; ++i) many += "( ( ( [MAX 4 ) 3 ) ] )\t3\r\n";
  folder.write("basic_train.tsv", many);
  folder.write("basic_val.tsv", kRows);
  const TaskReport report = check_files(folder.path.string());
  CHECK(report.found());
  CHECK_FALSE(report.usable());
  REQUIRE(report.splits.size() == 3);
  const SplitReport& train = report.splits[0];
  CHECK(train.rows() == 2);
  CHECK(train.problem_count == 30);
  CHECK(train.problems.size() == 20);
  CHECK(to_string(train.problems[1]) ==
        train.file + ":5: the target must be the value 4 of the source, got '3'");
  CHECK(report.splits[1].problem_count == 0);
  CHECK(report.splits[2].problem_count == 1);  // missing
  CHECK(report.splits[2].problems[0].line == 0);
  CHECK(report.duplicates == 2);  // both rows of val are in train
}

TEST_CASE("listops: lra_release.gz is read as it is, the innermost folder counts") {
  const Folder folder;
  const auto rows = [](const std::string& source, const std::string& value) {
    return kHeader + source + '\t' + value + "\r\n";
  };
  const std::string max = "( ( ( [MAX 4 ) 3 ) ] )", min = "( ( ( [MIN 4 ) 3 ) ] )";
  using Files = std::vector<std::pair<std::string, std::string>>;
  const Files outer = {{"lra_release/listops-1000/basic_train.tsv", "cut"},
                       {"lra_release/listops-1000/basic_val.tsv", rows("1", "1")}};
  const Files inner = {{"lra_release/lra_release/listops-1000/basic_test.tsv", rows(min, "3")},
                       {"lra_release/lra_release/listops-1000/basic_train.tsv", rows(max, "4")},
                       {"lra_release/lra_release/listops-1000/basic_val.tsv", rows(max, "4")}};
  const auto joined = [](Files a, const Files& b) {
    a.insert(a.end(), b.begin(), b.end());
    return testing::tar_of(a);
  };
  for (const std::string& bytes : {joined(outer, inner), joined(inner, outer)}) {
    const std::string archive = folder.write("lra_release.gz", testing::gzip_of(bytes));
    for (int time = 0; time < 2; ++time) {  // the second one from the cache
      const TaskData data = load(folder.path.string());
      REQUIRE(data.train.size() == 1);
      REQUIRE(data.val.size() == 1);
      CHECK(data.vocab == 7);
      CHECK(data.train[0].tokens.size() == 5);
      CHECK(data.val[0].tokens == data.train[0].tokens);
      CHECK(data.test[0].label == 3);
      CHECK(fs::exists(archive + ".listops.cache"));
    }
    const TaskReport report = check_files(folder.path.string());
    CHECK(report.usable());
    CHECK(report.splits[0].file == archive + ": " + inner[1].first);
    CHECK(report.duplicates == 1);
  }
  const std::string archive = folder.write("lra_release.gz", joined(outer, {}));
  CHECK_THROWS_WITH_AS(load(archive), doctest::Contains("basic_train.tsv:1: the header must be"),
                       DataError);
  CHECK_FALSE(check_files(archive).usable());
  CHECK_THROWS_WITH_AS(load(folder.write("lra_release.gz", joined({outer[1]}, {inner[1]}))),
                       doctest::Contains("lra_release.gz: basic_test.tsv'"), DataError);
  const std::string other = folder.write("other.tar.gz", testing::tar_of({{"a.txt", "a"}}));
  CHECK_FALSE(check_files(other).found());
}

TEST_CASE("listops: a check of a folder without the task finds nothing") {
  const Folder folder;
  const TaskReport report = check_files(folder.path.string());
  CHECK_FALSE(report.found());
  CHECK_FALSE(report.usable());
  CHECK(report.splits.empty());
}

TEST_CASE("listops: of the folders of the release the inner one counts, in the outer one, too") {
  const Folder folder;
  for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
    folder.write(std::string("rel/lra_release/listops-1000/") + file, kRows);
    folder.write(std::string("rel/lra_release/lra_release/listops-1000/") + file, kRows);
  }
  const std::string inner = "lra_release/lra_release/listops-1000";
  CHECK(find(folder.file("rel")) == folder.file("rel/" + inner));
  CHECK(find(folder.file("rel/lra_release")) == folder.file("rel/" + inner));
}

TEST_CASE(
    "listops: a check goes on after a file that cannot be opened, in the split it belongs to") {
  const Folder folder;
  folder.write("basic_train.tsv", kRows);
  fs::create_directories(folder.path / "basic_val.tsv");
  folder.write("basic_test.tsv", "Source\tTarget\nx\t4\n");
  const TaskReport report = check_files(folder.name());
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].problem_count == 0);
  CHECK(report.splits[1].problem_count == 1);
  CHECK(report.splits[2].problem_count == 1);
}
