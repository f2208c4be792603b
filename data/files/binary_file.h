// Files and folders as they are on the disk: whether they are there, opened, and read as a whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace skiff {

// Whether a file or folder, a regular file, a folder of that name is there. DataError when a
// folder above it may not be searched, so that the answer is not known.
bool is_there(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

// The names in a folder, sorted. Throws DataError when it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

// The first of some folders below `folder` ("" is itself) for which holds(path); "" if none is.
std::string first_place(const std::string& folder, const std::vector<const char*>& places,
                        const std::function<bool(const std::filesystem::path&)>& holds);
// The first regular file of one of these names in the first folder that has one; "" if none is.
std::string first_file(const std::string& folder, const std::vector<const char*>& places,
                       const std::vector<const char*>& names);
// DataError unless something was found: where it was looked for, and what helps.
void check_found(const std::string& found, const std::string& what, const std::string& folder,
                 const std::vector<const char*>& places, const std::string& others,
                 const std::string& hint);

// A file descriptor for reading, to be closed by the caller. Throws DataError when the file cannot
// be opened and when it is no regular file: one could wait for a pipe or a device for ever.
int open_file(const std::string& path);

class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path), file_(open_file(path)) {}
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  size_t read(char* into, size_t count);  // at least 1 byte, at most count; 0 at the end

 private:
  std::string path_;
  int file_;
};

// Throws DataError when the file cannot be read or has more than max_bytes.
std::string read_file(const std::string& path, int64_t max_bytes = int64_t(1) << 30);

// Holds a folder while files are written there. UsageError while another program holds it.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int folder_ = -1;
};

}  // namespace skiff
