// Every parser of a file that a user may bring, for libFuzzer: any bytes give a result or an Error,
// and nothing else. $FUZZ_TARGET chooses one; `run` beside this file builds, makes the first inputs
// and fuzzes. A checksum in the bytes is made right before they are parsed, or hardly an input
// would get behind it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/io/safetensors.h"
#include "data/cache.h"
#include "data/files/archive.h"
#include "data/files/npy.h"
#include "data/files/pickle.h"
#include "data/files/png.h"
#include "data/language/options.h"
#include "data/language/token_reader.h"
#include "data/tasks/listops.h"
#include "data/tasks/pathfinder_files.h"
#include "data/tasks/retrieval.h"
#include "examples/train/config_file.h"
#include "examples/train/metrics.h"
#include "layers/options.h"

using namespace skiff;
namespace fs = std::filesystem;

namespace {

// A file in memory, for parsers that ask for a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : file_(::memfd_create("input", MFD_CLOEXEC)) {
    if (::write(file_, bytes.data(), bytes.size()) != ssize_t(bytes.size())) std::abort();
  }
  ~MemoryFile() { ::close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

// A folder in memory that is removed at the end of the program.
const std::string& folder() {
  static const struct Folder {
    std::string path = "/dev/shm/skiff-fuzz-" + std::to_string(::getpid());
    Folder() { fs::create_directories(path); }
    ~Folder() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } made;
  return made.path;
}
void put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
uint32_t crc_of(std::string_view bytes) {
  return uint32_t(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// ---- safetensors ----

std::vector<std::string> safetensors_seeds() {
  const std::string path = folder() + "/seed.safetensors";
  std::vector<std::string> seeds;
  const std::vector<std::vector<safetensors::Entry>> files = {
      {},
      {{"a", tensor_of({1, 2, 3, 4, 5, 6}, {2, 3}, DType::Float32)}},
      {{"w", tensor_of({1.}, {1}, DType::Float64)}, {"empty", Tensor({0, 4}, DType::Float32)}}};
  for (const auto& tensors : files) {
    safetensors::write(path, tensors, {{"step", "7"}, {"task", "listops"}});
    seeds.push_back(slurp(path));
  }
  return seeds;
}
void read_safetensors(std::string_view bytes) {
  const MemoryFile file(bytes);
  safetensors::read(file.path());
}

// ---- numpy, pickle ----

std::vector<std::string> npy_seeds() {
  std::string header = "{'descr': '<U3', 'fortran_order': False, 'shape': (2, 2), }";
  header.resize(118, ' ');
  header += '\n';
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8) + char(header.size()) + '\0' + header;
  for (int i = 0; i < 12; ++i) bytes += std::string("a\0\0\0", 4);
  std::string strings = "{'descr': '|S4', 'fortran_order': True, 'shape': (3,), }";
  strings.resize(118, ' ');
  strings += '\n';
  return {bytes, std::string("\x93NUMPY\x01\x00", 8) + char(strings.size()) + '\0' + strings +
                     "abcdefghijkl"};
}
void read_npy(std::string_view bytes) {
  if (is_npy(bytes)) read_npy_strings(bytes, "a", 1, [](const std::vector<std::string>&) {});
}
std::vector<std::string> pickle_seeds() {
  return {std::string("\x80\x02}q\x00(U\x06labelsq\x01]q\x02(K\x01K\x02eU\x04"
                      "dataq\x03U\x04"
                      "abcdu.",
                      40),
          std::string("\x80\x03}(X\x06\x00\x00\x00labels](K\x00"
                      "eX\x04\x00\x00\x00"
                      "dataC\x02"
                      "abu.",
                      36),
          "(dp0\nS'labels'\np1\n(lp2\nI1\nasS'data'\np3\nS'ab'\np4\ns."};
}
void read_pickle(std::string_view bytes) { read_pickled_batch(bytes, "a"); }

// ---- archives ----

std::string tar_header(const std::string& name, const std::string& content, char kind) {
  std::string h(512, '\0');
  name.copy(h.data(), 100);
  std::snprintf(h.data() + 100, 8, "%07o", 0644);
  std::snprintf(h.data() + 124, 12, "%011o", unsigned(content.size()));
  std::memset(h.data() + 148, ' ', 8);
  h[156] = kind;
  std::memcpy(h.data() + 257,
              "ustar\0"
              "00",
              8);
  unsigned sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  std::snprintf(h.data() + 148, 8, "%06o", sum);
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512, '\0');
  return h + padded;
}
std::string gzipped(const std::string& bytes) {
  const std::string path = folder() + "/seed.gz";
  gzFile file = ::gzopen(path.c_str(), "wb");
  ::gzwrite(file, bytes.data(), unsigned(bytes.size()));
  ::gzclose(file);
  return slurp(path);
}
std::string zip_of(const std::string& name, const std::string& content) {
  const auto number = [](uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += char(value >> 8 * i & 255);
    return text;
  };
  const std::string about = number(20, 2) + number(0, 8) + number(crc_of(content), 4) +
                            number(uint32_t(content.size()), 4) +
                            number(uint32_t(content.size()), 4) + number(uint32_t(name.size()), 2) +
                            number(0, 2);
  const std::string local = "PK\x03\x04" + about + name + content;
  const std::string central = "PK\x01\x02" + number(20, 2) + about + number(0, 14) + name;
  return local + central + "PK\x05\x06" + number(0, 4) + number(1, 2) + number(1, 2) +
         number(uint32_t(central.size()), 4) + number(uint32_t(local.size()), 4) + number(0, 2);
}
std::vector<std::string> archive_seeds() {
  const std::string tar = tar_header("aclImdb/train/pos/1_9.txt", "a fine film", '0') +
                          tar_header("../x", "", '2') + tar_header("folder/", "", '5') +
                          std::string(1024, '\0');
  return {tar, gzipped(tar), zip_of("a/b.txt", "some text"), gzipped("no archive")};
}
void read_archive(std::string_view bytes) {
  const MemoryFile file(bytes);
  ArchiveReader archive(file.path());
  for (int i = 0; i < 1000 && archive.next(); ++i) archive.read_all(1 << 24);
}
void read_gzip(std::string_view bytes) {
  const MemoryFile file(bytes);
  GzipReader reader(file.path());
  std::string piece(1 << 16, '\0');
  for (int i = 0; i < 100 && reader.read(piece.data(), piece.size()) == piece.size(); ++i) {
  }
}

// ---- tasks ----

std::vector<std::string> listops_seeds() {
  return {"Source\tTarget\n( ( ( [MAX 2 ) 9 ) ] )\t9\n",
          "Source\tTarget\n[SM 1 2 [MED 3 4 ] ]\t6\n", "Source\tTarget\r\n( ( [MIN 4 ) ] )\t4\r\n"};
}
void read_listops(std::string_view bytes) {
  const MemoryFile file(bytes);
  listops::read_tsv(file.path(), /*check_values=*/true);
}
std::vector<std::string> expression_seeds() { return {"[MAX 2 9 [MIN 4 7 ] 0 ]", "7"}; }
void read_expression(std::string_view bytes) { listops::evaluate(listops::parse(bytes)); }
std::vector<std::string> retrieval_seeds() {
  return {"1.0\t1\t2\tb'one text'\tb\"it's another\"\n", "0.0\t3\t4\tb'\\xc3\\xa4\\n'\tb''\n"};
}
void read_retrieval(std::string_view bytes) {
  static const std::string place = folder() + "/retrieval/tsv_data";
  fs::create_directories(place);
  for (const char* name : {"train", "eval", "test"})
    put(place + "/new_aan_pairs." + name + ".tsv", bytes);
  for (const bool decode : {false, true})
    retrieval::load(folder() + "/retrieval", {.max_length = 64, .decode = decode, .cache = false});
}
std::vector<std::string> literal_seeds() { return {"b'a\\x41\\n\\''", "b\"\\\\\""}; }
void read_literal(std::string_view bytes) { retrieval::unescape(bytes); }
std::vector<std::string> metadata_seeds() {
  return {"imgs/1 sample_0.png 0 1 1.8 6 2.1 4 2\n", "imgs/2 b.png 1 0 1.8 14 2.1 4 2\nx\n"};
}
void read_metadata(std::string_view bytes) {
  const auto ignore = [](int64_t, const std::string&) {};
  pathfinder::parse_metadata(std::string(bytes), "a", ignore);
}

// ---- the cache ----

const CacheKey& cache_key() {
  static const CacheKey key = [] {
    put(folder() + "/source", "what was read");
    return CacheKey{folder() + "/source", "listops", "max-length=8"};
  }();
  return key;
}
std::vector<std::string> cache_seeds() {
  TaskData data;
  data.vocab = 5;
  data.classes = 2;
  data.vocabulary = {"", "", "", "a", "b"};
  data.note = "a note";
  save_cache(cache_key(), data);
  return {slurp(cache_paths(cache_key())[0])};
}
void read_cache(std::string_view bytes) {
  std::string file(bytes);
  if (file.size() >= 4) {
    const uint32_t crc = crc_of(std::string_view(file).substr(0, file.size() - 4));
    std::memcpy(file.data() + file.size() - 4, &crc, 4);
  }
  put(cache_paths(cache_key())[0], file);
  TaskData data;
  load_cache(cache_key(), &data);
}

// ---- images ----

std::vector<std::string> png_seeds() {
  GrayImage image{3, 5, std::vector<uint8_t>(15, 7)};
  return {encode_png(image)};
}
void read_png_bytes(std::string_view bytes) {
  std::string file(bytes);
  for (size_t at = 8; at + 12 <= file.size();) {  // chunks: length, kind, content, CRC
    const auto* length = reinterpret_cast<const unsigned char*>(file.data() + at);
    const size_t content =
        size_t(length[0]) << 24 | size_t(length[1]) << 16 | size_t(length[2]) << 8 | length[3];
    if (content > file.size() - at - 12) break;
    const uint32_t crc = crc_of(std::string_view(file).substr(at + 4, content + 4));
    for (size_t i = 0; i < 4; ++i) file[at + 8 + content + i] = char(crc >> 8 * (3 - i));
    at += content + 12;
  }
  for (const bool color : {false, true}) try {
      if (color)
        decode_color_png(file, "a");
      else
        decode_png(file, "a");
    } catch (const Error&) {
    }
}

// ---- texts ----

std::vector<std::string> text_seeds() {
  return {"a text\nof two lines", " = Head = \n \n words and <unk> . \n",
          "\xEF\xBB\xBF\xC3\xA4\r\n"};
}
void read_text(std::string_view bytes) {
  using Kind = Vocabulary::Kind;
  for (const Kind kind : {Kind::Bytes, Kind::Characters, Kind::Words, Kind::Ids}) try {
      TokenReader reader(kind);
      reader.begin("a");
      reader.add(bytes.substr(0, bytes.size() / 3));
      reader.add(bytes.substr(bytes.size() / 3));
      reader.end(true);
      TokenArray tokens;
      reader.finish(reader.size() / 2, &tokens);
    } catch (const Error&) {
    }
}
std::vector<std::string> vocabulary_seeds() {
  std::vector<std::string> seeds;
  for (const Vocabulary& v : {Vocabulary::bytes(), Vocabulary::characters({'a', 0xE4}),
                              Vocabulary::words({"<eos>", "<unk>", "word"}), Vocabulary::ids(9)})
    seeds.push_back(v.text());
  return seeds;
}
void read_vocabulary(std::string_view bytes) {
  const Vocabulary v = Vocabulary::from_text(bytes, "a");
  if (v.kind() != Vocabulary::Kind::Ids) v.encode("a word\n");
}

// ---- run folders ----

struct Configured {
  LanguageDataOptions text;
  ModelOptions model;
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "text", .help = ""}, o.text);
    field({.name = "model", .help = ""}, o.model);
  }
};
std::vector<std::string> config_seeds() {
  return {config_text(Configured()), "# a comment\nlayers = 4\nmixer=\"fd\" # another\n[group]\n"};
}
void read_config_text(std::string_view bytes) {
  Configured options;
  apply_config(options, parse_config(bytes, "a"));
}
std::vector<std::string> metrics_seeds() {
  return {text_of({.step = 7, .epoch = 0.5, .train_loss = 1.25}), kMetricsHeader};
}
void read_metrics(std::string_view bytes) { parse_row(bytes); }

// ---- the table ----

struct Target {
  const char* name;
  std::vector<std::string> (*seeds)();
  void (*parse)(std::string_view bytes);
};
constexpr Target kTargets[] = {
    {"safetensors", safetensors_seeds, read_safetensors},
    {"npy", npy_seeds, read_npy},
    {"pickle", pickle_seeds, read_pickle},
    {"archive", archive_seeds, read_archive},
    {"gzip", archive_seeds, read_gzip},
    {"listops", listops_seeds, read_listops},
    {"expression", expression_seeds, read_expression},
    {"retrieval", retrieval_seeds, read_retrieval},
    {"literal", literal_seeds, read_literal},
    {"metadata", metadata_seeds, read_metadata},
    {"cache", cache_seeds, read_cache},
    {"png", png_seeds, read_png_bytes},
    {"text", text_seeds, read_text},
    {"vocabulary", vocabulary_seeds, read_vocabulary},
    {"config", config_seeds, read_config_text},
    {"metrics", metrics_seeds, read_metrics},
};
const Target* target = nullptr;

}  // namespace

// Before the first input: $FUZZ_TARGET is chosen, or `list`; $FUZZ_SEEDS is the folder for the
// first inputs.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("FUZZ_TARGET");
  for (const Target& t : kTargets) {
    if (name && name == std::string("list")) std::puts(t.name);
    if (name && name == std::string(t.name)) target = &t;
  }
  if (name && name == std::string("list")) std::exit(0);
  if (!target) {
    std::fprintf(stderr, "error: $FUZZ_TARGET must name a target; FUZZ_TARGET=list prints them\n");
    std::exit(2);
  }
  if (const char* seeds = std::getenv("FUZZ_SEEDS")) {
    int number = 0;
    for (const std::string& seed : target->seeds())
      put(std::string(seeds) + "/seed-" + std::to_string(number++), seed);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    target->parse({reinterpret_cast<const char*>(data), size});
  } catch (const Error&) {
  }
  return 0;
}
