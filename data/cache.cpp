#include "data/cache.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <type_traits>
#include <utility>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "core/random.h"
#include "data/batch.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"

namespace skiff {

namespace fs = std::filesystem;

namespace {

// The file: kMagic, the fingerprint, the data, and the CRC-32 of all that. The last character of
// kMagic is the version of the format.
constexpr std::string_view kMagic = "skiffdc6";

// What the file holds for; empty when the source is not there.
std::string fingerprint_of(const CacheKey& key) {
  struct stat status = {};
  if (::stat(key.source.c_str(), &status) != 0) return "";
  return std::to_string(status.st_size) + ' ' + std::to_string(status.st_mtim.tv_sec) + '.' +
         std::to_string(status.st_mtim.tv_nsec) + ' ' + key.task + ' ' + key.options;
}

// ---- Fields, written and read by the same description

class Writer {
 public:
  explicit Writer(const std::string& path) : file_(path) {}
  void bytes(const void* data, size_t count) {
    if (count == 0) return;  // the data may be null, which would start the checksum anew
    const std::string_view view(static_cast<const char*>(data), count);
    crc_ = uint32_t(::crc32_z(crc_, reinterpret_cast<const Bytef*>(view.data()), count));
    file_.write(view);
  }
  void end() {
    const uint32_t crc = crc_;
    bytes(&crc, sizeof crc);
    file_.publish();
  }
  static constexpr bool reads = false;

 private:
  AtomicFile file_;
  uint32_t crc_ = 0;
};

// Of no interest to a user, for whom the data is read anew.
struct Mismatch : DataError {
  Mismatch() : DataError("a cache that cannot be used") {}
};

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(nullptr, &std::fclose) {
    const int handle = open_file(path);
    file_.reset(::fdopen(handle, "rb"));
    if (!file_) ::close(handle);
    std::error_code error;
    left_ = fs::file_size(path, error);
    if (!file_ || error || left_ < sizeof(uint32_t)) throw Mismatch();
    left_ -= sizeof(uint32_t);
  }
  void bytes(void* data, size_t count) {
    if (count > left_) throw Mismatch();
    if (count == 0) return;
    read(data, count);
    left_ -= count;
    crc_ = uint32_t(::crc32_z(crc_, static_cast<const Bytef*>(data), count));
  }
  // A count of things that take at least so many bytes each, so that memory is asked for only
  // when the file has as much.
  void check_count(uint64_t count, size_t least) const {
    if (count > left_ / least) throw Mismatch();
  }
  void end() {
    uint32_t stated = 0;
    if (left_ != 0) throw Mismatch();
    read(&stated, sizeof stated);
    if (stated != crc_) throw Mismatch();
  }
  static constexpr bool reads = true;

 private:
  void read(void* data, size_t count) {
    if (std::fread(data, 1, count, file_.get()) != count) throw Mismatch();
  }

  std::unique_ptr<FILE, int (*)(FILE*)> file_;
  uint64_t left_ = 0;  // up to the checksum
  uint32_t crc_ = 0;
};

template <class File, class Number>
requires std::is_arithmetic_v<Number>
void field(File& file, Number& value) { file.bytes(&value, sizeof value); }

template <class File>
void field(File& file, bool& value) {
  uint8_t byte = value;
  field(file, byte);
  value = byte != 0;
}

// The size of a string or vector, whose elements take at least so many bytes each in the file;
// resizes it when reading.
template <class File, class Container>
void field_size(File& file, Container& values, size_t least) {
  uint64_t count = values.size();
  field(file, count);
  if constexpr (File::reads) {
    file.check_count(count, least);
    values.resize(size_t(count));
  }
}

template <class File>
void field(File& file, std::string& text) {
  field_size(file, text, 1);
  file.bytes(text.data(), text.size());
}

template <class Number, class File>
void field_as(File& file, Elements& elements) {
  std::vector<Number> values;
  if constexpr (!File::reads) {
    for (const uint16_t value : elements.values()) values.push_back(Number(value));
  }
  field_size(file, values, sizeof(Number));
  file.bytes(values.data(), values.size() * sizeof(Number));
  if constexpr (File::reads) elements = Elements(values);
}

template <class File>
void field(File& file, Elements& elements) {
  bool wide = elements.wide();
  field(file, wide);
  wide ? field_as<uint16_t>(file, elements) : field_as<uint8_t>(file, elements);
}

// A member that fields() leaves out would be lost without a word. The compiler counts those of
// InputFormat and of Example where they are named, and those of TaskData's own here.
struct Anything {
  template <class T>
  operator T() const;
};
template <class... Members>
concept MakesTaskData = requires(Members... members) {
  TaskData{InputFormat{}, members...};
};
using A = Anything;
static_assert(MakesTaskData<A, A, A, A, A, A> && !MakesTaskData<A, A, A, A, A, A, A>,
              "TaskData has another number of members: name all of them in fields()");

template <class File>
void fields(File& file, TaskData& data) {
  auto& [pairs, height, width, mean, deviation, pad_to, vocab, classes, max_length] =
      static_cast<InputFormat&>(data);
  const auto all = [&](auto&... members) { (field(file, members), ...); };
  all(pairs, height, width, mean, deviation, pad_to, vocab, classes, max_length);
  field(file, data.val_is_test);
  field_size(file, data.vocabulary, sizeof(uint64_t));
  for (std::string& name : data.vocabulary) field(file, name);
  field(file, data.note);
  for (auto* examples : {&data.train, &data.val, &data.test}) {
    field_size(file, *examples,
               sizeof(Example::label) + sizeof(Example::cut) + sizeof(Example::group) +
                   2 * (1 + sizeof(uint64_t)));
    for (Example& example : *examples) {
      auto& [tokens, second, label, cut, group] = example;
      all(label, cut, group, tokens, second);
    }
  }
}

// Whether every id, pixel and label is one that the rest of the data knows. A file with a right
// checksum may still come from anywhere.
bool in_range(const TaskData& data) {
  const bool known = data.classes >= 1 && (data.images() || data.vocab >= 1);
  if (!data.vocabulary.empty() && int64_t(data.vocabulary.size()) != data.vocab) return false;
  constexpr int64_t kLargestSide = int64_t(1) << 20;
  if (data.height > kLargestSide || data.width < 0 || data.width > kLargestSide) return false;
  constexpr int64_t kMostKinds = int64_t(1) << 16, kLongest = 10'000'000;  // as --max-length
  if (data.classes > kMostKinds || data.vocab > kMostKinds) return false;
  for (const int64_t length : {data.max_length, data.pad_to})
    if (length < 0 || length > kLongest) return false;
  if (!std::isfinite(data.pixel_mean) || !(data.pixel_deviation > 0)) return false;
  for (const auto* examples : {&data.train, &data.val, &data.test}) {
    for (const Example& example : *examples) {
      if (!known || !problem_of(example, data).empty()) return false;
    }
  }
  return true;
}

bool load_file(const std::string& path, const std::string& fingerprint, TaskData* data) {
  try {
    Reader file(path);
    std::string magic(kMagic), stated(fingerprint);
    uint64_t size = 0;
    file.bytes(magic.data(), magic.size());
    field(file, size);
    if (magic != kMagic || size != fingerprint.size()) return false;
    file.bytes(stated.data(), stated.size());
    if (stated != fingerprint) return false;
    TaskData read;
    fields(file, read);
    file.end();
    if (!in_range(read)) return false;
    *data = std::move(read);
    return true;
  } catch (const std::exception&) {  // whatever is wrong with it, the data is read anew
    return false;
  }
}

}  // namespace

std::vector<std::string> cache_paths(const CacheKey& key) {
  std::vector<std::string> paths = {key.source + '.' + key.task + ".cache"};
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = fs::path(home) / ".cache";
  } else {
    return paths;
  }
  const fs::path source = fs::absolute(key.source).lexically_normal();
  char hash[20];
  std::snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_name(source.string()));
  const std::string name = source.filename().string() + '.' + hash + '.' + key.task + ".cache";
  paths.push_back((folder / "skiff" / name).string());
  return paths;
}

bool load_cache(const CacheKey& key, TaskData* data) {
  const std::string fingerprint = fingerprint_of(key);
  if (fingerprint.empty()) return false;
  for (const std::string& path : cache_paths(key)) {
    if (load_file(path, fingerprint, data)) return true;
  }
  return false;
}

bool save_cache(const CacheKey& key, const TaskData& data) {
  std::string fingerprint = fingerprint_of(key);
  if (fingerprint.empty()) return false;
  for (const fs::path path : cache_paths(key)) {
    try {
      std::error_code error;
      if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
      Writer file(path.string());
      file.bytes(kMagic.data(), kMagic.size());
      field(file, fingerprint);
      fields(file, const_cast<TaskData&>(data));  // a Writer only reads it
      file.end();
      return true;
    } catch (const IoError&) {  // the next place may do
    }
  }
  return false;
}

TaskData cached(bool use, const CacheKey& key, const std::vector<std::string>& vocabulary,
                const std::function<TaskData()>& read) {
  TaskData data;
  if (use && load_cache(key, &data) && (vocabulary.empty() || data.vocabulary == vocabulary))
    return data;
  use = use && vocabulary.empty();
  const std::string before = use ? fingerprint_of(key) : "";
  data = read();  // takes minutes, in which the archive may be replaced
  if (use && fingerprint_of(key) == before) save_cache(key, data);
  return data;
}

}  // namespace skiff
