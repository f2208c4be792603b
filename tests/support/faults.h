// System calls that fail when a test wants them to.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "core/io/atomic_file.h"

namespace skiff::testing {

// Lets the `at`-th system call fail, and with `ever` every later one, too.
struct Fault {
  int at = 0, error = 0;  // error 0: a short write
  bool ever = false;
  int calls = 0;
};
inline Fault fault;

inline bool strikes() {
  ++fault.calls;
  return fault.calls == fault.at || (fault.ever && fault.at > 0 && fault.calls > fault.at);
}
inline bool fails() {
  if (!strikes() || fault.error == 0) return false;
  errno = fault.error;
  return true;
}

inline const FileCalls kFaultyCalls{
    [](const char* path, int flags, mode_t mode) {
      return fails() ? -1 : ::open(path, flags, mode);
    },
    [](int file, const void* bytes, size_t count) -> ssize_t {
      if (!strikes()) return ::write(file, bytes, count);
      if (fault.error == 0) return ::write(file, bytes, (count + 1) / 2);
      errno = fault.error;
      return -1;
    },
    [](int file) { return fails() ? -1 : ::fsync(file); },
    [](int file) {
      const int result = ::close(file);  // a close that fails closes all the same
      return fails() ? -1 : result;
    },
    [](const char* from, const char* to) { return fails() ? -1 : ::rename(from, to); }};

inline int64_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace skiff::testing
