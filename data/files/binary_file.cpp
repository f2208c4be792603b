#include "data/files/binary_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/check.h"

namespace skiff {

namespace fs = std::filesystem;

namespace {

constexpr size_t kChunk = size_t(1) << 20;

struct Handle {
  int file = -1;
  ~Handle() {
    if (file >= 0) ::close(file);
  }
};

fs::file_type type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  check<DataError>(error != std::errc::permission_denied, "cannot read '", path.string(),
                   "': ", error.message());
  return type;
}

}  // namespace

bool is_there(const fs::path& path) {
  const fs::file_type type = type_of(path);
  return type != fs::file_type::none && type != fs::file_type::not_found;
}
bool is_file(const fs::path& path) { return type_of(path) == fs::file_type::regular; }
bool is_folder(const fs::path& path) { return type_of(path) == fs::file_type::directory; }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  check<DataError>(!error, "cannot read '", folder.string(), "': ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

int open_file(const std::string& path) {
  int file = -1;
  do {  // without O_NONBLOCK, to open a pipe is to wait for its writer
    file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (file < 0 && errno == EINTR);
  check<DataError>(file >= 0, "cannot open '", path, "': ", std::strerror(errno));
  struct stat status = {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  fail<DataError>("cannot read '", path, "': it is ",
                  S_ISDIR(status.st_mode) ? "a folder" : "a pipe, a socket or a device",
                  ", not a file");
}

std::string read_file(const std::string& path, int64_t max_bytes) {
  const Handle handle{open_file(path)};
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
    check<DataError>(int64_t(bytes.size()) <= max_bytes, path, ": a file of at most ", max_bytes,
                     " bytes is expected");
  }
}

FolderLock::FolderLock(const std::string& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  check<IoError>(folder_ >= 0, "cannot open '", folder, "': ", std::strerror(errno));
  // Some network file systems cannot lock a folder, and then nothing is held.
  if (::flock(folder_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(folder_);
  fail<UsageError>("another program writes to '", folder, "'");
}

FolderLock::~FolderLock() { ::close(folder_); }  // also gives the lock back

}  // namespace skiff
