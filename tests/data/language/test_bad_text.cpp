// Every text that cannot be used is one error with its place, its reason and the exit code.
#include <doctest/doctest.h>

#include <functional>

#include "core/check.h"
#include "data/files/binary_file.h"
#include "data/language/corpus.h"
#include "data/language/evaluation.h"
#include "data/language/ngram.h"
#include "data/language/text_source.h"
#include "data/language/windows.h"
#include "tests/data/language/zip.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

Corpus load(const std::string& place, Units units = Units::Auto, const std::string& split = "",
            int64_t vocab = 0) {
  LanguageDataOptions options;
  options.place = place;
  options.units = units;
  options.split = split;
  options.vocab = vocab;
  return load_corpus(options);
}

struct Bad {
  std::string file, content, message;
  Units units = Units::Auto;
  std::string split = "";
  int64_t vocab = 0;
  int code = 3;
};

// The file alone in a folder; the message must be one line that begins with its name or an option.
void check_bad(const Bad& bad) {
  const Folder folder;
  const std::string place = folder.write(bad.file, bad.content);
  CAPTURE(bad.file);
  CAPTURE(bad.message);
  int code = 0;
  const std::string message = message_of([&] {
    try {
      load(place, bad.units, bad.split, bad.vocab);
    } catch (const Error& error) {
      code = error.exit_code();
      throw;
    }
  });
  CAPTURE(message);
  CHECK(code == bad.code);
  CHECK(contains(message, bad.message));
  CHECK((message.starts_with(folder.name()) || message.starts_with("--")));
  CHECK_FALSE(contains(message, "\n"));
}

std::string header(uint64_t magic, uint64_t version, uint64_t count) {
  return little_endian(magic, 4) + little_endian(version, 4) + little_endian(count, 4) +
         std::string(1012, '\0');
}

const std::string kText(1000, 'x');

}  // namespace

TEST_CASE("bad text: contents that are none") {
  // Gzip files one after another are one file.
  const std::string spaces = gzip_of(std::string(size_t(1) << 23, ' '));
  std::string many_spaces;
  for (int i = 0; i < 9; ++i) many_spaces += spaces;
  const Bad all[] = {
      {"empty.txt", "", "empty.txt: the file is empty"},
      {"mark.txt", "\xEF\xBB\xBF", "mark.txt: the train split has no tokens, the whole text has 0"},
      {"one.txt", "a", "the train split has no tokens, the whole text has 1"},
      {"two.txt", "ab", "the val split has no tokens", Units::Auto, "0.5,0.1,0.4"},
      {"x.txt", "abc\xE9 d", "x.txt: the text must be UTF-8, got 0xe9 at byte 3; --units bytes",
       Units::Characters},
      {"x.txt",
       "\xEF\xBB\xBF"
       "abc\xE9 d",
       "got 0xe9 at byte 6", Units::Characters},
      {"x.txt", std::string(70000, 'a') + "\xED\xA0\x80", "got 0xed at byte 70000",
       Units::Characters},
      {"x.txt", std::string(65534, 'a') + "\xE2\x82z", "got 0xe2 at byte 65534", Units::Characters},
      {"cut.txt", "abcdef\xE2\x82", "got 0xe2 at byte 6", Units::Characters},
      {"words.txt", "a b \xFF\xFE c", "words must be UTF-8, got '\\xff\\xfe'", Units::Words},
      {"words.txt", "a b c d e f g h i new",
       "the word 'new' is not in the training text, which "
       "has no <unk>",
       Units::Words, "0.9,0.1"},
      {"words.txt", "a b c d e f g h i <unk>", "the word '<unk>' is not in the training text",
       Units::Words, "0.9,0.1"},
      {"long.txt", std::string(200000, 'x'), "a word is longer than 65536 bytes", Units::Words},
      {"x.gz", gzip_of(kText).substr(0, 20), "x.gz: the gzip data is damaged or cut after"},
      {"zeros.gz", many_spaces, "unpacked text has more than"},
  };
  for (const Bad& bad : all) check_bad(bad);
}

TEST_CASE("bad text: token files") {
  const std::string six = std::string("\1\0\2\0\3\0", 6);
  const Bad all[] = {
      {"x.bin", "", "x.bin: the file is empty"},
      {"x.bin", std::string("\1\0\2", 3), "x.bin: tokens have 2 bytes each, got a file of 3 bytes"},
      {"x.bin", six, "x.bin: ids must be in 0..2 (--vocab), got 3 at byte 4", Units::Auto, "", 3},
      {"x.bin", six, "--units: token files have ids, so it must be auto, got words", Units::Words,
       "", 0, 2},
      {"x.bin", header(20240521, 1, 3) + six,
       "x.bin: the header of llm.c must begin with the number 20240520"},
      {"x.bin", header(20240520, 7, 3) + six, "the version of llm.c's header must be 1, got 7"},
      {"x.bin", header(20240520, 1, 4) + six,
       "by its header the file has 4 tokens of 2 bytes, so 1032 bytes, got 1030"},
      {"x.bin", header(20240520, 1, 0xFFFFFFFF) + six, "by its header the file has -1 tokens"},
      {"x.bin", header(20240520, 1, 3).substr(0, 200),
       "the header of llm.c has 1024 bytes, got 200"},
      {"x.bin", six.substr(0, 2), "the train split has no tokens"},
  };
  for (const Bad& bad : all) check_bad(bad);
}

TEST_CASE("bad text: options") {
  const Bad all[] = {
      {"x.txt", kText, "must sum to 1, and the first two be above 0, got '0.5,0.6'", Units::Auto,
       "0.5,0.6", 0, 2},
      {"x.txt", kText, "--split: shares of training, validation and test must sum to 1",
       Units::Auto, "0,0.5,0.5", 0, 2},
      {"x.txt", kText, "--split: shares of training", Units::Auto, "1", 0, 2},
      {"x.txt", kText, "the first two be above 0", Units::Auto, "1,0", 0, 2},
      {"x.txt", kText, "--split: at most three shares", Units::Auto, "0.7,0.1,0.1,0.1", 0, 2},
      {"x.txt", kText, "--split: must be a number from 0 to 1, got '1.5'", Units::Auto, "1.5,-0.5",
       0, 2},
      {"x.txt", kText, "--split: must be a number from 0 to 1, got 'x'", Units::Auto, "x,1", 0, 2},
      {"x.txt", kText, "--split: must be a number", Units::Auto, "0.9,", 0, 2},
      {"x.txt", kText, "--vocab: is for token files", Units::Auto, "", 100, 2},
  };
  for (const Bad& bad : all) check_bad(bad);
}

TEST_CASE("bad text: archives") {
  const ZipFile good{"a.txt", kText};
  ZipFile encrypted = good, wrong = good, stored = good;
  encrypted.encrypted = true;
  wrong.crc_error = 1;
  stored.deflated = false;
  const std::string zip = zip_of({stored, {"b.txt", "b"}});
  std::string flipped = zip;
  flipped[100] ^= 1;  // of the stored text
  const std::string tar = tar_of({{"a.txt", kText}});
  const Bad all[] = {
      {"x.zip", zip.substr(0, zip.size() / 2), "x.zip"},
      {"x.zip", zip.substr(0, 20), "x.zip"},
      {"x.zip", zip_of({encrypted}), "x.zip: a.txt: the file is encrypted"},
      {"x.zip", zip_of({wrong}), "ZIP bad CRC"},
      {"x.zip", flipped, "ZIP bad CRC"},
      {"x.zip", zip_of({{"../a.txt", kText}}),
       "x.zip: the name '../a.txt' leads out of the archive"},
      {"x.zip", zip_of({{"a/../../b.txt", kText}}), "the name 'a/../../b.txt' leads out"},
      {"x.zip", zip_of({{"/etc/a.txt", kText}}), "x.zip: the name '/etc/a.txt' is absolute"},
      {"x.zip", zip_of({{"\\a.txt", kText}}), "is absolute"},
      {"x.tar.gz", gzip_of(tar_of({{"../a.txt", kText}})), "leads out of the archive"},
      {"x.zip", zip_of({good, good}), "there are two files of the name 'a.txt'"},
      {"x.zip", zip_of({}), "x.zip: no text found; expected"},
      {"x.zip", zip_of({{"a.png", "x"}, {"b.png", "y"}}), "x.zip: no text found; expected"},
      {"x.zip", zip_of({{"d/wiki.train.tokens", "a\n"}}), "there is no wiki.valid.tokens beside"},
      {"x.tar", tar.substr(0, 900), "x.tar: the archive is damaged or cut"},
      {"x.tar.gz", gzip_of(tar).substr(0, 30), "the gzip data is damaged or cut"},
      {"x.zip", zip_of({{"bomb.txt", std::string(size_t(66) << 20, ' ')}}),
       "too much for its size"},
  };
  for (const Bad& bad : all) check_bad(bad);
}

TEST_CASE("bad text: a zip cut anywhere is an error, never a shorter text") {
  const Folder folder;
  const std::string zip = zip_of({{"d/wiki.train.tokens", "a b\n"},
                                  {"d/wiki.valid.tokens", "a\n"},
                                  {"d/wiki.test.tokens", "b\n"}});
  const std::string expected = fingerprint(load(folder.write("whole.zip", zip)));
  for (size_t length = 0; length < zip.size(); length += 3) {
    CAPTURE(length);
    const std::string path = folder.write("x.zip", zip.substr(0, length));
    std::string read = expected;
    message_of([&] { read = fingerprint(load(path)); });
    CHECK(read == expected);  // where nothing of the texts is missing
  }
}

TEST_CASE("bad text: folders") {
  const Folder folder;
  const auto fails = [&](const std::string& place, const std::string& message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(load(folder.file(place)), doctest::Contains(message.c_str()), DataError);
  };
  fails("none", "cannot find '");
  std::filesystem::create_directories(folder.path / "empty");
  fails("empty", "empty: no text found; expected wiki.{train,valid,test}.tokens");
  folder.write("novalid/wiki.train.tokens", "a\n");
  fails("novalid", "there is no wiki.valid.tokens beside wiki.train.tokens");
  folder.write("notrain/wiki.valid.raw", "a\n");
  fails("notrain", "there is no wiki.train.raw beside wiki.valid.raw");
  folder.write("bins/train.bin", "ab");
  fails("bins", "there is no val.bin beside train.bin");
  folder.write("emptyvalid/wiki.train.raw", "a\n");
  folder.write("emptyvalid/wiki.valid.raw", "");
  fails("emptyvalid", "wiki.valid.raw: the file is empty");
  folder.write("both/enwik8", kText);
  folder.write("both/text8", kText);
  fails("both", "there are 2 data sets: ");
  folder.write("several/a/input.txt", kText);
  folder.write("several/b/wiki.train.raw", kText);
  folder.write("several/b/wiki.valid.raw", kText);
  fails("several", "several/b/ (WikiText, raw); name one of them");
  folder.write("archives/enwik8.zip", "");
  folder.write("archives/text8.zip", "");
  fails("archives", "there are 2 archives of texts");
  folder.write("files/wiki.train.raw", kText);
  folder.write("files/wiki.valid.raw", kText);
  CHECK_THROWS_WITH_AS(load(folder.file("files"), Units::Auto, "0.9,0.1"),
                       doctest::Contains("--split: the splits of WikiText, raw are its files"),
                       UsageError);
  std::filesystem::permissions(folder.path, std::filesystem::perms(0700));
  CHECK(contains(message_for_others([&] { load(folder.file("files")); }), "Permission denied"));
}

TEST_CASE("bad text: splits too short for windows, evaluation or n-grams") {
  const Folder folder;
  const Corpus corpus = load(folder.write("x.txt", kText));
  const auto refused = [&](int64_t length, int64_t batch, WindowOrder order, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(WindowBatches(corpus.train, {length, order}, batch, 1),
                         doctest::Contains(message), UsageError);
  };
  refused(900, 1, WindowOrder::Random, "need 901 tokens, but the split has 900; use a smaller");
  refused(100, 9, WindowOrder::Blocks, "needs 9 blocks of 100 tokens, but the split has 8");
  refused(100, 9, WindowOrder::Streams, "9 streams of 100 tokens are too short for windows of 100");
  refused(0, 1, WindowOrder::Blocks, "the length must be at least 1");
  refused(10, 0, WindowOrder::Blocks, "the batch size must be at least 1");
  CHECK_THROWS_AS(evaluation_windows(1, 10, {}), DataError);
  CHECK_THROWS_WITH_AS(evaluation_windows(100, 10, {EvaluationRule::Sliding, 11}),
                       doctest::Contains("--eval-stride: must be at most the length 10, got 11"),
                       UsageError);
  CHECK_THROWS_AS(NgramModel(corpus.train, {.order = 0}), UsageError);
  CHECK_THROWS_AS(NgramModel(corpus.train, {.order = kHighestOrder + 1}), UsageError);
  CHECK_THROWS_AS(NgramModel(TokenSpan{}, {}), DataError);
}
