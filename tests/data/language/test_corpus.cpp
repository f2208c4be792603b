#include <doctest/doctest.h>

#include "core/check.h"
#include "core/random.h"
#include "data/characters.h"
#include "data/language/corpus.h"
#include "data/language/evaluation.h"
#include "data/language/text_source.h"
#include "data/language/token_reader.h"
#include "tests/data/language/zip.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using Ids = std::vector<int32_t>;

Corpus load(const std::string& place, Units units = Units::Auto, const std::string& split = "") {
  LanguageDataOptions options;
  options.place = place;
  options.units = units;
  options.split = split;
  return load_corpus(options);
}

Ids ids_of(const TokenSpan& split) {
  Ids ids(size_t(split.size()), 0);
  split.copy(0, ids);
  return ids;
}

std::string text_of(const Corpus& corpus, const TokenSpan& split) {
  return corpus.vocabulary.decode(ids_of(split));
}

std::string joined(const Corpus& corpus) {
  return text_of(corpus, corpus.train) + "|" + text_of(corpus, corpus.val) + "|" +
         text_of(corpus, corpus.test);
}

std::string repeated(const std::string& text, size_t count) {
  std::string all;
  while (all.size() < count) all += text;
  all.resize(count);
  return all;
}

const std::vector<std::pair<std::string, std::string>> kWiki = {
    {"wikitext-2/wiki.test.tokens", " = B = \n old <unk> \n"},
    {"wikitext-2/wiki.train.tokens", " \n = A = \n \n the cat , the <unk> dog \n"},
    {"wikitext-2/wiki.valid.tokens", " the bird \n \n"}};

}  // namespace

TEST_CASE("tokens: kept in the narrowest of 8, 16 and 32 bits, whatever order they come in") {
  for (const int32_t largest : {255, 256, 65535, 65536, 2000000000}) {
    TokenArray tokens;
    const Ids small = {3, 0, 255}, more = {7, largest, 1};
    tokens.append(small);
    tokens.append(more);
    CHECK(tokens.bytes_per_token() == (largest < 256 ? 1 : largest < 65536 ? 2 : 4));
    CHECK(tokens.size() == 6);
    Ids all(6);
    tokens.copy(0, all);
    CHECK(all == Ids{3, 0, 255, 7, largest, 1});
    CHECK(tokens[4] == largest);
    CHECK(tokens.raw().size() == size_t(6 * tokens.bytes_per_token()));
    CHECK_THROWS_AS(tokens.copy(3, all), Error);
  }
  TokenArray narrow;
  narrow.append(Ids{300, 5, 300});
  std::vector<int32_t> new_ids(301, 1);
  narrow.replace(new_ids);
  CHECK(narrow.bytes_per_token() == 1);
  CHECK(narrow[2] == 1);
}

TEST_CASE("vocabulary: text() and from_text() give the same vocabulary, encode and decode undo") {
  const Vocabulary all[] = {Vocabulary::bytes(), Vocabulary::characters({U'\n', U'a', U'\u00e9'}),
                            Vocabulary::words({"the", "<eos>", "cat", "<unk>"}),
                            Vocabulary::ids(50257)};
  for (const Vocabulary& v : all) CHECK(Vocabulary::from_text(v.text(), "v") == v);
  CHECK(all[1].text() == "characters 3\nU+000A\nU+0061\nU+00E9\n");
  CHECK(all[1].encode("a\xC3\xA9\n") == Ids{1, 2, 0});
  CHECK(all[1].decode(Ids{1, 2, 0}) == "a\xC3\xA9\n");
  CHECK(all[0].encode("\xFF"
                      "a") == Ids{255, 97});
  CHECK(all[2].encode(" the  dog\n\ncat") == Ids{0, 3, 1, 1, 2});
  CHECK(all[2].decode(Ids{0, 3, 1, 1, 2, 0}) == "the <unk>\n\ncat the");
  CHECK(all[2].eos() == 1);
  CHECK(all[2].unk() == 3);
  CHECK(all[3].decode(Ids{5, 50256}) == "5 50256");
}

TEST_CASE("vocabulary: what has no id is listed, a wrong text is refused") {
  const Vocabulary characters = Vocabulary::characters({U'a', U'b'});
  CHECK(message_of([&] { characters.encode("axb\xC3\xA9x\n"); }) ==
        "the text has characters that the vocabulary does not have: 'x' (U+0078), '\xC3\xA9' "
        "(U+00E9), '\\x0a' (U+000A)");
  CHECK(contains(message_of([&] { characters.encode("cdefghijklmn"); }), "and 2 more"));
  CHECK(message_of([&] { Vocabulary::words({"a"}).encode("b a\n"); }) ==
        "the text has words that the vocabulary does not have: 'b', <eos> (the end of a line)");
  CHECK_THROWS_AS(Vocabulary::ids(5).encode("a"), DataError);
  CHECK_THROWS_AS(Vocabulary::bytes().token(256), DataError);
  CHECK_THROWS_AS(Vocabulary::bytes().decode(Ids{-1}), DataError);
  for (const char* text :
       {"", "bytes", "bytes 255\n", "bytes x\n", "letters 2\na\nb\n", "characters 2\nU+0061\n",
        "characters 2\nU+0062\nU+0061\n", "characters 1\nU+D800\n", "characters 1\nU+110000\n",
        "characters 1\na\n", "words 2\na\na\n", "words 1\na b\n", "words 1\n\n", "words 0\n",
        "words 2\na\n", "ids 0\n", "ids -3\n", "bytes 256\nx\n"}) {
    CAPTURE(text);
    CHECK(message_of([&] {
            Vocabulary::from_text(text, "run/vocabulary.txt");
          }).starts_with("run/vocabulary.txt: "));
  }
}

TEST_CASE("text stream: any byte string cut anywhere gives the same text as at once") {
  const auto stream_of = [](const std::string& bytes) {
    const Vocabulary v;
    TextStream stream(&v);
    std::string text;
    for (const char c : bytes) {
      const std::string more = stream.add(uint8_t(c));
      CHECK_NOTHROW(count_characters(more));  // only whole characters are given out
      text += more;
    }
    return text + stream.finish();
  };
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(stream_of("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z") ==
        "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
  CHECK(stream_of("\x80") == mark);
  CHECK(stream_of("\xC0\xAF") == mark + mark);             // no character begins so
  CHECK(stream_of("\xE2\x82") == mark);                    // cut: one mark
  CHECK(stream_of("\xE2\x82z") == mark + "z");             // the byte is looked at again
  CHECK(stream_of("\xE0\x80\x80") == mark + mark + mark);  // overlong
  CHECK(stream_of("\xED\xA0\x80") == mark + mark + mark);  // a surrogate
  CHECK(stream_of("\xF4\x90\x80\x80") == mark + mark + mark + mark);
  CHECK(stream_of("\xF0\x9F\xE2\x82\xAC") == mark + "\xE2\x82\xAC");
  const Vocabulary words = Vocabulary::words({"a", "<eos>", "b"});
  TextStream stream(&words);
  std::string text;
  for (const int32_t id : {0, 2, 1, 0}) text += stream.add(id);
  CHECK(text + stream.finish() == "a b\na");
}

TEST_CASE("corpus: a text file is bytes, split by shares in order; a byte order mark is left out") {
  const Folder folder;
  const std::string text = repeated("0123456789", 200);
  const Corpus corpus = load(folder.write("any.txt", "\xEF\xBB\xBF" + text));
  CHECK(corpus.vocabulary == Vocabulary::bytes());
  CHECK(joined(corpus) ==
        text.substr(0, 180) + "|" + text.substr(180, 10) + "|" + text.substr(190));
  CHECK(corpus.train.text_bytes == 180);
  CHECK(corpus.start() == -1);
  CHECK(corpus.notes == std::vector<std::string>{"byte order marks left out: 1"});
  CHECK(load(folder.name(), Units::Auto, "0.5,0.5").val.size() == 100);
  CHECK(load(folder.name(), Units::Auto, "0.7,0.1,0.2").test.size() == 40);
  CHECK(fingerprint(corpus).starts_with("200 tokens of 256 bytes, CRC-32 "));
  CHECK(fingerprint(corpus) != fingerprint(load(folder.name(), Units::Auto, "0.5,0.5")));
  CHECK(fingerprint(corpus) == fingerprint(load(folder.name())));
}

TEST_CASE("corpus: shares are rounded down as nanoGPT rounds them") {
  CHECK(borders({0.9, 0.1, 0}, 1115394) == std::array<int64_t, 2>{1003854, 1115394});
  CHECK(borders({0.9, 0.05, 0.05}, 100000000) == std::array<int64_t, 2>{90000000, 95000000});
  CHECK(borders({0.7, 0.1, 0.2}, 10) == std::array<int64_t, 2>{7, 8});
  CHECK(borders({1, 0, 0}, 7) == std::array<int64_t, 2>{7, 7});
}

TEST_CASE(
    "corpus: tinyshakespeare, text8 and enwik8 have their own units and splits, also zipped") {
  const Folder folder;
  const std::string text = repeated("b a \xC3\xA9\n", 101 * 7);  // 101 times 6 characters
  const Corpus tiny = load(folder.write("input.txt", text));
  CHECK(tiny.vocabulary == Vocabulary::characters({U'\n', U' ', U'a', U'b', U'\u00e9'}));
  CHECK(tiny.train.size() == 545);
  CHECK(tiny.val.size() == 61);
  CHECK(tiny.test.size() == 0);
  CHECK(tiny.train.text_bytes + tiny.val.text_bytes == 707);
  CHECK(text_of(tiny, tiny.train) + text_of(tiny, tiny.val) == text);
  CHECK(tiny.train[0] == 3);

  const std::string zip =
      folder.write("text8.zip", zip_of({{"text8", repeated("one two ", 1000)}}));
  const Corpus text8 = load(zip);
  CHECK(text8.vocabulary.kind() == Vocabulary::Kind::Characters);
  CHECK(text8.train.size() == 900);
  CHECK(text8.test.size() == 50);
  CHECK(contains(text8.notes.at(0), "the published file has 100000000 bytes, this one 1000"));
  const Corpus enwik8 = load(folder.write_gzip("enwik8.gz", repeated("<xml>\xFF", 1000)));
  CHECK(enwik8.vocabulary.kind() == Vocabulary::Kind::Bytes);
  CHECK(enwik8.val.size() == 50);
}

TEST_CASE("corpus: words end lines with <eos>, ids are in order of appearance, others are <unk>") {
  const Folder folder;
  for (const auto& [name, content] : kWiki) folder.write(name, content);
  const Corpus corpus = load(folder.name());
  CHECK(corpus.name == "WikiText, words");
  CHECK(corpus.vocabulary ==
        Vocabulary::words({"<eos>", "=", "A", "the", "cat", ",", "<unk>", "dog"}));
  CHECK(ids_of(corpus.train) == Ids{0, 1, 2, 1, 0, 0, 3, 4, 5, 3, 6, 7, 0});
  CHECK(ids_of(corpus.val) == Ids{3, 6, 0, 0});
  CHECK(ids_of(corpus.test) == Ids{1, 6, 1, 0, 6, 6, 0});
  CHECK(corpus.val.text_bytes == int64_t(kWiki[2].second.size()));
  CHECK(corpus.start() == 0);
  CHECK(corpus.notes == std::vector<std::string>{"words outside training that became <unk>: 3"});
  // The same with the words of one file cut by shares: 13 of 17 tokens are training.
  const Corpus shares =
      load(folder.write("one/x.txt", kWiki[1].second + kWiki[2].second), Units::Words, "0.8,0.2");
  CHECK(ids_of(shares.train) == ids_of(corpus.train));
  CHECK(ids_of(shares.val) == ids_of(corpus.val));
}

TEST_CASE("corpus: words and characters may lie across the pieces in which a file is read") {
  const Folder folder;
  for (int shift = -4; shift <= 4; ++shift) {
    const std::string before = repeated("a b\n", kTextPiece - 4 + size_t(shift));
    const std::string text = before + "x\xF0\x9F\x98\x80\xE2\x82\xACy\n";
    const std::string path = folder.write("x.txt", text);
    CHECK(text_of(load(path, Units::Characters, "0.1,0.9"),
                  load(path, Units::Characters, "0.1,0.9").val)
              .ends_with("x\xF0\x9F\x98\x80\xE2\x82\xACy\n"));
    const Corpus words = load(path, Units::Words, "0.9999999,0.0000001");
    CHECK(text_of(words, words.train).ends_with("x\xF0\x9F\x98\x80\xE2\x82\xACy"));
  }
}

TEST_CASE("corpus: the same from a folder, zip stored, deflated and streamed, tar and tar.gz") {
  const Folder folder;
  for (const auto& [name, content] : kWiki) folder.write("plain/" + name, content);
  const std::string expected = fingerprint(load(folder.file("plain")));
  CHECK(fingerprint(load(folder.file("plain/wikitext-2"))) == expected);
  for (const bool deflated : {false, true}) {
    for (const bool descriptor : {false, true}) {
      if (descriptor && !deflated) continue;  // no reader finds the end of such data
      std::vector<ZipFile> files;
      for (const auto& [name, content] : kWiki)
        files.push_back({name, content, deflated, descriptor});
      files.push_back({"__MACOSX/wikitext-2/._wiki.train.tokens", "\xFF"});
      const std::string zip = folder.write("zip/wikitext-2-v1.zip", zip_of(files));
      CHECK(fingerprint(load(zip)) == expected);
      CHECK(fingerprint(load(folder.file("zip"))) == expected);  // found by its name
    }
  }
  CHECK(fingerprint(load(folder.write("w.tar", tar_of(kWiki)))) == expected);
  CHECK(fingerprint(load(folder.write("w.tar.gz", gzip_of(tar_of(kWiki))))) == expected);
}

TEST_CASE("corpus: many small files, the last 5 % of each folder for validation, names sorted") {
  const Folder folder;
  std::vector<std::pair<std::string, std::string>> files = {{"aclImdb/README", "no review"},
                                                            {"aclImdb/train/urls_pos.txt", "http"}};
  for (int i = 39; i >= 0; --i) {  // no folder is in the order of its names
    for (const char* part : {"train/pos", "test/neg"}) {
      const std::string number = std::to_string(i);
      files.emplace_back("aclImdb/" + std::string(part) + "/" + number + "_7.txt",
                         part[1] + number + (i % 2 ? "\n" : ""));
    }
  }
  for (const auto& [name, content] : files) folder.write(name, content);
  const Corpus corpus = load(folder.name());
  CHECK(corpus.name == "80 text files in 2 folders");
  CHECK(text_of(corpus, corpus.train).starts_with("e0\ne10\ne11\ne12\n"));
  CHECK(text_of(corpus, corpus.val) == "e8\ne9\nr8\nr9\n");  // of 40, 38 and 2
  CHECK(corpus.test.size() == 0);
  const std::string archive = folder.write("more/aclImdb_v1.tar.gz", gzip_of(tar_of(files)));
  CHECK(fingerprint(load(archive)) == fingerprint(corpus));
  CHECK(fingerprint(load(folder.file("more"))) == fingerprint(corpus));
  const Corpus three = load(archive, Units::Auto, "0.8,0.1,0.1");
  CHECK(text_of(three, three.test) == "e6\ne7\ne8\ne9\nr6\nr7\nr8\nr9\n");
}

TEST_CASE(
    "corpus: a folder without .txt files is its other texts; beside them those are left out") {
  const Folder folder;
  folder.write("b.py", "print('some code, long enough')\n");
  folder.write("a.md", "# A title\n\nSome words for a text.\n");
  folder.write("c.png", "\x89PNG no text");
  const Corpus sources = load_corpus({.place = folder.name()});
  CHECK(sources.name == "2 text files");
  CHECK(sources.train.size() + sources.val.size() + sources.test.size() == 66);
  CHECK(sources.train[0] == '#');
  folder.write("text.txt", std::string(200, 'x'));
  const Corpus text = load_corpus({.place = folder.name()});
  CHECK(text.train.size() + text.val.size() + text.test.size() == 200);
  REQUIRE(text.notes.size() == 1);
  CHECK(text.notes[0] == "2 other texts beside the .txt files are left out, such as a.md");
}

TEST_CASE("corpus: many small files of an archive take about the memory of their text") {
  const Folder folder;
  std::vector<std::pair<std::string, std::string>> files;
  for (int i = 0; i < 300; ++i) files.emplace_back("train/" + std::to_string(i) + ".txt", "text");
  const std::string archive = folder.write("x.tar", tar_of(files));
  CHECK(growth_of([&] { load(archive); }) < kMostGrowth);
}

// Each in memory of exactly its size: only sanitizers see a read beyond it.
TEST_CASE("tokens: a file of ids may be shorter than the numbers that a header would have") {
  for (const size_t bytes : {2, 4, 6, 8, 10, 12, 1022, 1024}) {
    CAPTURE(bytes);
    std::vector<char> file(bytes, '\1');
    TokenReader reader(Vocabulary::Kind::Ids);
    reader.begin("ids.bin");
    reader.add({file.data(), file.size()});
    reader.end(false);
    CHECK(reader.size() == int64_t(bytes / 2));
    TokenArray tokens;
    CHECK(reader.finish(reader.size(), &tokens).size() == 258);
  }
}

TEST_CASE("corpus: token files of nanoGPT and of llm.c") {
  const Folder folder;
  const auto bin = [](const Ids& ids) {
    std::string bytes;
    for (const int32_t id : ids) bytes += little_endian(uint64_t(id), 2);
    return bytes;
  };
  const auto header = [](int32_t magic, int32_t version, size_t count) {
    return little_endian(uint64_t(magic), 4) + little_endian(uint64_t(version), 4) +
           little_endian(count, 4) + std::string(1012, '\0');
  };
  const Ids train = {50256, 7, 300, 0, 9}, val = {4, 5};
  folder.write("nano/train.bin", bin(train));
  folder.write("nano/val.bin", bin(val));
  folder.write("llm/x_train_000001.bin", header(20240520, 1, 3) + bin({50256, 7, 300}));
  folder.write("llm/x_train_000002.bin", header(20240520, 1, 2) + bin({0, 9}));
  folder.write("llm/x_val_000000.bin", header(20240520, 1, 2) + bin(val));
  for (const char* place : {"nano", "llm"}) {
    const Corpus corpus = load(folder.file(place));
    CHECK(ids_of(corpus.train) == train);
    CHECK(ids_of(corpus.val) == val);
    CHECK(corpus.vocabulary == Vocabulary::ids(50257));
    CHECK(corpus.train.tokens->bytes_per_token() == 2);
    CHECK(corpus.train.text_bytes == 0);
  }
  LanguageDataOptions options;
  options.place = folder.file("nano");
  options.vocab = 50304;
  CHECK(load_corpus(options).vocabulary.size() == 50304);
}

TEST_CASE("corpus: a score in bits, per byte and per word is that of the text that was scored") {
  const Folder folder;
  const Corpus bytes =
      load(folder.write("x.txt", "one two\n\n three\xC3\xA9\n"), Units::Bytes, "0.5,0.5");
  const LanguageScore first = scored_text(bytes.train, bytes.vocabulary);  // "one two\n\n"
  CHECK(bytes.train.size() == 9);
  CHECK(first.targets == 8);
  CHECK(first.text_bytes == 8);
  CHECK(first.words == 4);  // one, two, two line ends
  LanguageScore score{8 * std::log(2.0), 4, 2, 3};
  CHECK(score.bits() == doctest::Approx(2));
  CHECK(score.perplexity() == doctest::Approx(4));
  CHECK(score.bits_per_byte() == doctest::Approx(4));
  CHECK(score.word_perplexity() == doctest::Approx(std::exp2(8.0 / 3)));
}

TEST_CASE(
    "corpus: the first file of a folder is of training, and too few files are cut by tokens") {
  const Folder folder;
  folder.write("train/all.txt", repeated("training ", 3000));
  for (int i = 0; i < 20; ++i) folder.write("test/" + std::to_string(i) + ".txt", "small\n");
  const Corpus many = load(folder.name());
  CHECK(text_of(many, many.train).find("training") != std::string::npos);
  CHECK(text_of(many, many.val) == "small\n");
  const Folder two;
  two.write("train/all.txt", repeated("training ", 3000));
  two.write("test/all.txt", repeated("test ", 1000));
  const Corpus few = load(two.name());
  CHECK(few.train.size() == 3800 + 1);  // 95 % of all, with a line end after each file
  CHECK(few.val.size() == 201);
}

TEST_CASE("corpus: empty files among those of one text are left out, and a note counts them") {
  const Folder folder;
  folder.write("package/__init__.py", "");
  folder.write("package/a.py", repeated("a = 1\n", 300));
  folder.write("package/b.py", repeated("b = 2\n", 300));
  const Corpus corpus = load(folder.file("package"));
  CHECK(joined(corpus).find("b = 2") != std::string::npos);
  CHECK(corpus.notes == std::vector<std::string>{"empty files left out: 1"});
}
