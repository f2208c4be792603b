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

fs::file_type type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  check<DataError>(error != std::errc::permission_denied && type != fs::file_type::none,
                   "cannot read '", path.string(), "': ", error.message());
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

std::string first_place(const std::string& folder, const std::vector<const char*>& places,
                        const std::function<bool(const fs::path&)>& holds) {
  for (const char* place : places) {
    const fs::path path = *place ? fs::path(folder) / place : fs::path(folder);
    if (holds(path)) return path.string();
  }
  return {};
}

std::string first_file(const std::string& folder, const std::vector<const char*>& places,
                       const std::vector<const char*>& names) {
  std::string file;
  first_place(folder, places, [&](const fs::path& path) {
    file = first_place(path.string(), names, is_file);
    return !file.empty();
  });
  return file;
}

void check_found(const std::string& found, const std::string& what, const std::string& folder,
                 const std::vector<const char*>& places, const std::string& others,
                 const std::string& hint) {
  if (!found.empty()) return;
  std::string looked;
  for (const char* place : places) {
    if (*place) looked += (looked.empty() ? "" : ", ") + std::string(place);
  }
  fail<DataError>("cannot find ", what, " in '", folder, "', nor there in ", looked,
                  others.empty() ? "" : ", ", others, "; ", hint);
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

InputFile::~InputFile() { ::close(file_); }

size_t InputFile::read(char* into, size_t count) {
  ssize_t got = -1;
  do {
    got = ::read(file_, into, count);
  } while (got < 0 && errno == EINTR);
  check<DataError>(got >= 0, "cannot read '", path_, "': ", std::strerror(errno));
  return size_t(got);
}

std::string read_file(const std::string& path, int64_t max_bytes) {
  InputFile file(path);
  std::string bytes;
  // A small file takes one read and a second one that finds the end.
  for (size_t chunk = size_t(1) << 14;; chunk = std::min(2 * chunk, kChunk)) {
    const size_t size = bytes.size();
    bytes.resize(size + chunk);
    const size_t count = file.read(bytes.data() + size, chunk);
    bytes.resize(size + count);
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
