#include "data/binary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/check.h"
#include "data/archive.h"

namespace skiff {

namespace {

constexpr size_t kChunk = size_t(1) << 20;

struct Handle {
  int file = -1;
  ~Handle() {
    if (file >= 0) ::close(file);
  }
};

void check_size(const std::string& path, size_t size, int64_t max_bytes) {
  check<DataError>(int64_t(size) <= max_bytes, path, ": a file of at most ", max_bytes,
                   " bytes is expected");
}

}  // namespace

std::string read_file(const std::string& path, int64_t max_bytes) {
  Handle handle{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  check<DataError>(handle.file >= 0, "cannot open '", path, "': ", std::strerror(errno));
  std::string bytes;
  // A small file takes one read and a second one that finds the end.
  for (size_t chunk = size_t(1) << 14;; chunk = std::min(2 * chunk, kChunk)) {
    const size_t size = bytes.size();
    bytes.resize(size + chunk);
    ssize_t count = -1;
    do {
      count = ::read(handle.file, bytes.data() + size, chunk);
    } while (count < 0 && errno == EINTR);
    check<DataError>(count >= 0, "cannot read '", path, "': ", std::strerror(errno));
    bytes.resize(size + size_t(count));
    if (count == 0) return bytes;
    check_size(path, bytes.size(), max_bytes);
  }
}

std::string read_gzip_file(const std::string& path, int64_t max_bytes) {
  GzipReader reader(path);
  std::string bytes;
  while (true) {
    const size_t size = bytes.size();
    bytes.resize(size + kChunk);
    const size_t count = reader.read(bytes.data() + size, kChunk);
    bytes.resize(size + count);
    check_size(path, bytes.size(), max_bytes);
    if (count < kChunk) return bytes;
  }
}

}  // namespace skiff
