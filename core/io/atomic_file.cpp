// Writes, syncs and renames; every result is checked.
#include "core/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "core/io/system_call.h"

namespace skiff {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBuffer = size_t(1) << 16;

// The file that `path` leads to through its links; it need not exist.
std::string follow_links(const std::string& path) {
  fs::path target = path;
  std::error_code error;
  for (int links = 0; fs::is_symlink(target, error); ++links) {
    check<IoError>(links < 40, "cannot write '", path, "': ", system_message(ELOOP));
    const fs::path next = fs::read_symlink(target, error);
    check<IoError>(!error, "cannot write '", path, "': ", error.message());
    target = target.parent_path() / next;
  }
  return target.string();
}

const char* kind_of(mode_t mode) {
  return S_ISDIR(mode)                    ? "a folder"
         : S_ISFIFO(mode)                 ? "a pipe"
         : S_ISSOCK(mode)                 ? "a socket"
         : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                          : "something else";
}

}  // namespace

const FileCalls& system_calls() {
  static const FileCalls calls{
      [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
      [](int file, const void* bytes, size_t count) { return ::write(file, bytes, count); },
      [](int file) { return ::fsync(file); }, [](int file) { return ::close(file); },
      [](const char* from, const char* to) { return ::rename(from, to); }};
  return calls;
}

AtomicFile::AtomicFile(const std::string& path, const FileCalls& calls)
    : path_(path), calls_(calls) {
  struct stat old;
  const bool replaces = ::stat(path.c_str(), &old) == 0;
  check<IoError>(!replaces || S_ISREG(old.st_mode), "cannot write '", path,
                 "': only a regular file can be replaced, got ", kind_of(old.st_mode));
  target_ = follow_links(path);
  // Names may be taken: by a process of the same number on another host that shares the folder, or
  // by the file of a program that was killed. The next free name is used.
  for (int64_t number = ::getpid(), last = number + 1000; file_ < 0; ++number) {
    temporary_ = target_ + ".tmp." + std::to_string(number);
    file_ = uninterrupted([&] {
      return calls_.open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    });
    if (file_ >= 0 || (errno == EEXIST && number < last)) continue;
    temporary_.clear();
    check_call(false, "create");
  }
  if (replaces) (void)::fchmod(file_, old.st_mode & 0777);  // some file systems cannot
}

void AtomicFile::write(std::string_view bytes) {
  check(file_ >= 0, "write: '", path_, "' is finished");
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  if (bytes.size() > kBuffer)
    write_through(bytes);
  else
    buffer_.append(bytes);
}

void AtomicFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write_through(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        uninterrupted([&] { return calls_.write(file_, bytes.data(), bytes.size()); });
    if (count == 0) errno = ENOSPC;  // a system that writes nothing and names no reason
    check_call(count > 0, "write");
    bytes.remove_prefix(size_t(count));
  }
}

void AtomicFile::finish() {
  if (file_ < 0 && !temporary_.empty()) return;  // it was finished before
  check(file_ >= 0, "finish: '", path_, "' was published, or could not be written");
  flush();
  check_call(uninterrupted([&] { return calls_.fsync(file_); }) == 0, "sync");
  // Whatever close says, the descriptor is gone: it is not closed twice.
  const int closed = calls_.close(std::exchange(file_, -1));
  check_call(closed == 0 || errno == EINTR, "close");
}

void AtomicFile::publish() {
  finish();
  const int renamed =
      uninterrupted([&] { return calls_.rename(temporary_.c_str(), target_.c_str()); });
  check_call(renamed == 0, "replace");
  temporary_.clear();
  sync_folder();
}

// A new name is on the disk only when its folder is.
void AtomicFile::sync_folder() {
  const std::string parent = fs::path(target_).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  const auto check_folder = [&](bool success, const char* action) {
    if (success) return;
    const int error = errno;
    discard();
    fail<IoError>("cannot ", action, " the folder '", folder, "': ", system_message(error),
                  "; the new '", path_, "' is in place, but might not outlive a power failure");
  };
  file_ = uninterrupted(
      [&] { return calls_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  check_folder(file_ >= 0, "open");
  // EINVAL: some file systems have no fsync for folders.
  const int synced = uninterrupted([&] { return calls_.fsync(file_); });
  check_folder(synced == 0 || errno == EINVAL, "sync");
  const int closed = calls_.close(std::exchange(file_, -1));
  check_folder(closed == 0 || errno == EINTR, "close");
}

void AtomicFile::discard() {
  if (file_ >= 0) calls_.close(std::exchange(file_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

// The error number is kept before anything else can change it.
void AtomicFile::check_call(bool success, const char* action) {
  if (success) return;
  const int error = errno;
  discard();
  fail<IoError>("cannot ", action, " '", path_, "': ", system_message(error));
}

void write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.publish();
}

}  // namespace skiff
