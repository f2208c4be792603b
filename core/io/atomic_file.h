// core/io: files and system calls.
//
// AtomicFile: a file that appears under its name only when it is complete and on the disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace skiff {

// The system calls of an AtomicFile, so that a test can let any of them fail.
struct FileCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int file, const void* bytes, size_t count);
  int (*fsync)(int file);
  int (*close)(int file);
  int (*rename)(const char* from, const char* to);
};
const FileCalls& system_calls();

// Writes to a temporary file beside the final one, "<path>.tmp.<number>"; publish() gives it its
// name in one step, so that a reader sees the old file or the new one, and each of them whole.
// Without publish() nothing is left. Only a regular file is replaced; its permissions stay. A
// symbolic link stays too, and what it points to is replaced. Throws IoError; the file that was
// there is then unchanged, unless the message says otherwise.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path, const FileCalls& calls = system_calls());
  ~AtomicFile() { discard(); }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void finish();   // everything is on the disk; no write() may follow
  void publish();  // finish(), then replace the file of that name

 private:
  void flush();
  void write_through(std::string_view bytes);
  void sync_folder();
  void discard();
  void check_call(bool success, const char* action);

  const std::string path_;
  const FileCalls& calls_;
  std::string target_;     // path_, or where its links lead
  std::string temporary_;  // "" when there is none
  int file_ = -1;
  std::string buffer_;
};

// A file with these bytes, in one step. Throws IoError.
void write_file(const std::string& path, std::string_view bytes);

}  // namespace skiff
