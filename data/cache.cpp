#include "data/cache.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <type_traits>
#include <utility>

#include "core/atomic_file.h"
#include "core/check.h"
#include "core/random.h"

namespace skiff {

namespace fs = std::filesystem;

namespace {

// The file: kMagic, the fingerprint, the data, and the CRC-32 of all that. The last character of
// kMagic is the version of the format.
constexpr std::string_view kMagic = "skiffdc2";

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

struct Mismatch {};  // thrown by Reader, and caught by load_cache

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(std::fopen(path.c_str(), "rbe"), &std::fclose) {
    if (!file_) throw Mismatch();
    std::error_code error;
    left_ = fs::file_size(path, error);
    if (error || left_ < sizeof crc_) throw Mismatch();
    left_ -= sizeof crc_;
  }
  void bytes(void* data, size_t count) {
    if (count > left_ || std::fread(data, 1, count, file_.get()) != count) throw Mismatch();
    left_ -= count;
    crc_ = uint32_t(::crc32_z(crc_, static_cast<const Bytef*>(data), count));
  }
  // A count of things that take at least a byte each, so that no memory is asked for in vain.
  void check_count(uint64_t count) const {
    if (count > left_) throw Mismatch();
  }
  void end() {
    uint32_t stated = 0;
    if (left_ != 0 || std::fread(&stated, 1, sizeof stated, file_.get()) != sizeof stated ||
        stated != crc_) {
      throw Mismatch();
    }
  }
  static constexpr bool reads = true;

 private:
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
  uint64_t left_ = 0;
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

// The size of a string or vector; resizes it when reading.
template <class File, class Container>
void field_size(File& file, Container& values) {
  uint64_t count = values.size();
  field(file, count);
  if constexpr (File::reads) {
    file.check_count(count);
    values.resize(size_t(count));
  }
}

template <class File>
void field(File& file, std::string& text) {
  field_size(file, text);
  file.bytes(text.data(), text.size());
}

// Elements as bytes where all of the task fit.
template <class File>
void field(File& file, std::vector<uint16_t>& values, bool narrow, std::string& buffer) {
  field_size(file, values);
  if (!narrow) return file.bytes(values.data(), values.size() * sizeof(uint16_t));
  buffer.resize(values.size());
  if constexpr (File::reads) {
    file.bytes(buffer.data(), buffer.size());
    std::transform(buffer.begin(), buffer.end(), values.begin(), [](char c) { return uint8_t(c); });
  } else {
    std::transform(values.begin(), values.end(), buffer.begin(),
                   [](uint16_t v) { return char(v); });
    file.bytes(buffer.data(), buffer.size());
  }
}

bool all_bytes(const TaskData& data) {
  const auto fits = [](const std::vector<uint16_t>& values) {
    return std::all_of(values.begin(), values.end(), [](uint16_t value) { return value < 256; });
  };
  for (const auto* examples : {&data.train, &data.val, &data.test}) {
    for (const Example& example : *examples) {
      if (!fits(example.tokens) || !fits(example.second)) return false;
    }
  }
  return true;
}

template <class File>
void fields(File& file, TaskData& data) {
  field(file, data.pairs);
  for (int64_t* value :
       {&data.height, &data.width, &data.pad_to, &data.vocab, &data.classes, &data.max_length}) {
    field(file, *value);
  }
  field(file, data.pixel_mean);
  field(file, data.pixel_deviation);
  field(file, data.note);
  field_size(file, data.vocabulary);
  for (std::string& name : data.vocabulary) field(file, name);
  bool narrow = File::reads || all_bytes(data);
  field(file, narrow);
  std::string buffer;
  for (auto* examples : {&data.train, &data.val, &data.test}) {
    field_size(file, *examples);
    for (Example& example : *examples) {
      field(file, example.label);
      field(file, example.cut);
      field(file, example.tokens, narrow, buffer);
      field(file, example.second, narrow, buffer);
    }
  }
}

bool load_file(const std::string& path, const std::string& fingerprint, TaskData* data) {
  try {
    Reader file(path);
    std::string magic(kMagic), stated;
    file.bytes(magic.data(), magic.size());
    if (magic != kMagic) return false;
    field(file, stated);
    if (stated != fingerprint) return false;
    TaskData read;
    fields(file, read);
    file.end();
    *data = std::move(read);
    return true;
  } catch (const Mismatch&) {
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

}  // namespace skiff
