// Every parser of what comes from outside, for libFuzzer: FUZZ_TARGET names one of them. A parser
// may refuse an input with a DataError or a UsageError; anything else ends the program.
// Run:     make fuzz; tests/campaign/fuzz.sh build/fuzz 60
// Expect:  no crash, no input that takes 10 seconds or 512 MB
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string_view>

#include "core/io/safetensors.h"
#include "data/cache.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/npy.h"
#include "data/files/pickle.h"
#include "data/files/png.h"
#include "data/files/text_file.h"
#include "data/language/corpus.h"
#include "data/language/token_reader.h"
#include "data/tasks/listops.h"
#include "data/tasks/pathfinder_files.h"
#include "data/tasks/retrieval.h"
#include "examples/train/config_file.h"
#include "tests/data/cifar_samples.h"
#include "tests/data/npy_samples.h"
#include "tests/support/tar.h"

using namespace skiff;

namespace {

namespace fs = std::filesystem;

// ---- Where parsers find the input: a file that lies in memory, or files of a folder there

void write_whole(int file, std::string_view bytes) {
  const bool whole = ::ftruncate(file, 0) == 0 &&
                     ::pwrite(file, bytes.data(), bytes.size(), 0) == ssize_t(bytes.size());
  if (!whole) std::abort();
}

std::string file_of(std::string_view bytes) {
  static const int file = ::memfd_create("input", 0);
  write_whole(file, bytes);
  return "/proc/self/fd/" + std::to_string(file);
}

// FUZZ_FOLDER, which whoever starts the program removes.
const std::string& folder() {
  static const std::string path = [] {
    const char* given = std::getenv("FUZZ_FOLDER");
    const std::string place =
        given ? std::string(given) : (fs::temp_directory_path() / "skiff-fuzz").string();
    fs::create_directories(place);
    return place;
  }();
  return path;
}

void write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  if (file < 0) std::abort();
  write_whole(file, bytes);
  ::close(file);
}

// What a promise about accepted inputs says must hold.
void must(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

// ---- Targets

constexpr int64_t kMostBytes = int64_t(64) << 20;

void read_gzip(std::string_view bytes) {
  GzipReader reader(file_of(bytes));
  char block[4096];
  while (reader.offset() < kMostBytes && reader.read(block, sizeof block) == sizeof block) {
  }
}

void read_archive(std::string_view bytes) {
  ArchiveReader archive(file_of(bytes));
  while (archive.next()) {
    printable(archive.name());
    archive.read_all(kMostBytes);
  }
}

void read_lines(std::string_view bytes) {
  size_t taken = 0;
  LineReader reader("input", [&](char* into, size_t count) {
    const size_t n = std::min({count, size_t(7), bytes.size() - taken});
    bytes.copy(into, n, taken);
    taken += n;
    return n;
  });
  std::string_view line;
  while (reader.next(&line)) {
    const std::string shown = printable(line);
    must(printable(shown) == shown, "what is printable does not change");
  }
}

void read_expression(std::string_view text) {
  const listops::Tokens tokens = listops::parse(text);
  const int value = listops::evaluate(tokens);
  must(value >= 0 && value <= 9, "an expression has a value of one digit");
  must(listops::parse(listops::to_text(tokens)) == tokens, "a text of tokens gives the tokens");
  must(listops::parse(listops::to_source(tokens)) == tokens, "a source of tokens gives the tokens");
}

void read_pairs(std::string_view bytes) {
  for (const char* split : {"train", "eval", "test"})
    write_file(folder() + "/new_aan_pairs." + split + ".tsv", bytes);
  retrieval::check_files(folder());
  retrieval::load(folder(), {.min_frequency = 1, .decode = true, .cache = false});
}

void read_metadata(std::string_view bytes) {
  pathfinder::parse_metadata(std::string(bytes), "metadata", [](int64_t, const std::string&) {});
}

// The archive has the same size and time in every process, and the checksum is made to fit, so that
// inputs get as far as the fields.
CacheKey cache_key() {
  static const std::string source = [] {
    write_file(folder() + "/archive", "an archive");
    fs::last_write_time(folder() + "/archive", fs::file_time_type(std::chrono::seconds(1)));
    return folder() + "/archive";
  }();
  return {source, "text", "options"};
}
bool read_cache(std::string bytes) {
  static const CacheKey key = cache_key();
  if (bytes.size() > 4) {
    const size_t count = bytes.size() - 4;
    const uint32_t crc =
        uint32_t(::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), uInt(count)));
    std::memcpy(bytes.data() + count, &crc, sizeof crc);
  }
  write_file(cache_paths(key).front(), bytes);
  TaskData data;
  return load_cache(key, &data);
}

void read_vocabulary(std::string_view text) {
  const Vocabulary vocabulary = Vocabulary::from_text(text, "vocabulary");
  must(Vocabulary::from_text(vocabulary.text(), "text()") == vocabulary,
       "a vocabulary is read as it was written");
}

// The first byte says how; the rest comes in pieces of which the second byte gives the size. Files
// of ids come in the pieces of the library, which have an even size.
void read_tokens(std::string_view bytes) {
  if (bytes.size() < 2) return;
  using Kind = Vocabulary::Kind;
  constexpr Kind kKinds[] = {Kind::Bytes, Kind::Characters, Kind::Words, Kind::Ids};
  const bool ids = (bytes[0] & 3) == 3;
  const size_t piece = ids ? kTextPiece : 1 + size_t(uint8_t(bytes[1]));
  const bool close_line = bytes[0] & 4;
  TokenReader reader(kKinds[bytes[0] & 3]);
  bytes.remove_prefix(2);
  reader.begin("input");
  for (size_t at = 0; at < bytes.size(); at += piece) reader.add(bytes.substr(at, piece));
  reader.end(close_line);
  const int64_t size = reader.size();
  TokenArray tokens;
  const Vocabulary vocabulary = reader.finish(size, &tokens);
  for (int64_t i = 0; i < tokens.size(); ++i)
    must(tokens[i] >= 0 && tokens[i] < vocabulary.size(), "every token is in the vocabulary");
}

void read_corpus(std::string_view bytes) { load_corpus({.place = file_of(bytes)}); }

// ---- Inputs to begin with

std::string tensors() {
  const std::string path = folder() + "/seed.safetensors";
  safetensors::write(path,
                     {{"a", tensor_of({1, 2, 3, 4}, {2, 2}, DType::Float32)},
                      {"b", tensor_of(std::vector<int32_t>{7, 8}, {2})}},
                     {{"key", "value"}});
  return read_file(path);
}

// Two files in an archive of libarchive's format, with its filter.
std::string packed(int format, int filter) {
  std::string bytes(1 << 20, '\0');
  size_t used = 0;
  archive* out = archive_write_new();
  archive_write_set_format(out, format);
  archive_write_add_filter(out, filter);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  for (const char* name : {"aclImdb/train/pos/0_9.txt", "b.txt"}) {
    const std::string text = std::string("Good, ") + name;
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, int64_t(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(out, entry);
    archive_write_data(out, text.data(), text.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
  bytes.resize(used);
  return bytes;
}

std::string cached_task() {
  TaskData data;
  data.vocab = 4;
  data.classes = 2;
  data.vocabulary = {"<pad>", "<unk>", "<eos>", "a"};
  data.train.push_back({.tokens = {3, 3, 2}, .label = 1});
  must(save_cache(cache_key(), data), "a cache can be written");
  const std::string bytes = read_file(cache_paths(cache_key()).front());
  must(read_cache(bytes), "a cache is read as it was written");
  return bytes;
}

struct Target {
  std::function<void(std::string_view)> run;
  std::function<std::vector<std::string>()> seeds;
};

const std::map<std::string, Target>& targets() {
  using Seeds = std::vector<std::string>;
  const auto given = [](Seeds seeds) { return [seeds] { return seeds; }; };
  static const std::map<std::string, Target> all = {
      {"archive",
       {read_archive,
        [] {
          return Seeds{packed(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE),
                       packed(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP),
                       packed(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE),
                       packed(ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE),
                       testing::member("../up", "x") + testing::kTarEnd};
        }}},
      {"cache", {[](std::string_view bytes) { read_cache(std::string(bytes)); }, [] { return Seeds{cached_task()}; }}},
      {"color_png",
       {[](std::string_view bytes) { decode_color_png(bytes, "input"); },
        [] {
          return Seeds{encode_png({2, 3, {0, 1, 2, 3, 4, 5}})};
        }}},
      {"config",
       {[](std::string_view text) { parse_config(text, "input"); },
        given({"task = \"text\"\nsteps = 7\nlr = 0.5\n", "# c\nout='a\"b'\nmask-padding=false\n"})}},
      {"corpus",
       {read_corpus, given({"a text of some words\nand lines\n", "\xEF\xBB\xBF" "a\r\nb\r\n",
                            std::string("\x1f\x8b\x08\0", 4)})}},
      {"expression",
       {read_expression,
        given({"[MAX 4 [MIN 3 7 X 0 X", "( ( ( [MAX 4 ) 3 ) ] )", "[SM 1 [MED 2 3 ] ]"})}},
      {"gzip", {read_gzip, [] {
                  return Seeds{packed(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP)};
                }}},
      {"lines", {read_lines, given({"a\nb\r\n\n", "\xEF\xBB\xBF" "a\x1b[1m\xC3\xA9"})}},
      {"listops",
       {[](std::string_view bytes) { listops::read_tsv(file_of(bytes), true); },
        given({"Source\tTarget\n( ( ( [MAX 4 ) 3 ) ] )\t4\n",
               "Source\tTarget\r\n( ( ( [MED 4 ) 3 ) ] )\t3\r\n"})}},
      {"literal",
       {[](std::string_view text) { retrieval::unescape(text); },
        given({"b'a\\n\\xc3\\xa9\\''", "b\"\\\\ \\t\""})}},
      {"metadata",
       {read_metadata,
        given({"imgs/0 sample_0.png 0 1 1.0 14 4 2 0.5 1 1\n",
               testing::npy_of({testing::row_of(0, 1, 0)}, 'U'),
               testing::npy_of({testing::row_of(0, 1, 0)}, 'S')})}},
      {"npy",
       {[](std::string_view bytes) {
          read_npy_strings(bytes, "input", 1, [](const std::vector<std::string>&) {});
        },
        given({testing::npy_of({testing::row_of(0, 1, 0)}, 'U'),
               testing::npy_of({testing::row_of(0, 1, 0), testing::row_of(1, 2, 1)}, 'S'),
               testing::npy_header(
                   "{'descr': '|S536870912', 'fortran_order': False, 'shape': (536870912, 512)}")})}},
      {"pairs",
       {read_pairs, given({"1.0\t1\t2\tb'a text'\tb\"another\"\n0.0\t3\t4\tb'\\xc3'\tb'x'\n"})}},
      {"pickle",
       {[](std::string_view bytes) { read_pickled_batch(bytes, "input"); },
        given({testing::pickle_2(testing::content_of(0, 2)),
               testing::pickle_string("abcdef", {1, 2})})}},
      {"png",
       {[](std::string_view bytes) { decode_png(bytes, "input"); },
        [] {
          return Seeds{encode_png({2, 3, {0, 1, 2, 3, 4, 5}})};
        }}},
      {"safetensors",
       {[](std::string_view bytes) { safetensors::read(file_of(bytes)); },
        [] { return Seeds{tensors()}; }}},
      {"tokens",
       {read_tokens, given({std::string("\0\x03", 2) + "bytes", std::string("\x01\x02", 2) + "\xC3\xA9t",
                            std::string("\x06\x05", 2) + "a b a\n",
                            std::string("\x03\x04\x01\0\x02\0", 6)})}},
      {"vocabulary", {read_vocabulary, [] {
                        return Seeds{Vocabulary::bytes().text(),
                                     Vocabulary::characters({U'a', U'\u00e9'}).text(),
                                     Vocabulary::words({"<eos>", "<unk>", "the"}).text(),
                                     Vocabulary::ids(50257).text()};
                      }}},
  };
  return all;
}

const Target* target = nullptr;

void write_seeds(const std::string& place) {
  for (const auto& [name, one] : targets()) {
    fs::create_directories(place + "/" + name);
    int number = 0;
    for (const std::string& seed : one.seeds())
      std::ofstream(place + "/" + name + "/seed-" + std::to_string(++number), std::ios::binary)
          << seed;
    std::printf("%s\n", name.c_str());
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* place = std::getenv("FUZZ_SEEDS")) {
    write_seeds(place);
    std::exit(0);
  }
  const char* name = std::getenv("FUZZ_TARGET");
  const auto found = targets().find(name ? name : "");
  if (found == targets().end()) {
    std::fprintf(stderr, "error: FUZZ_TARGET must be one of");
    for (const auto& one : targets()) std::fprintf(stderr, " %s", one.first.c_str());
    std::fprintf(stderr, ", got '%s'\n", name ? name : "");
    std::exit(2);
  }
  target = &found->second;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    target->run({reinterpret_cast<const char*>(data), size});
  } catch (const DataError&) {
  } catch (const UsageError&) {
  }
  return 0;
}
