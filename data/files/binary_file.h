// Files and folders as they are on the disk: whether they are there, opened, and read as a whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace skiff {

// Whether a file or folder, a regular file, a folder of that name is there. DataError when a
// folder above it may not be searched: then nobody can tell.
bool is_there(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

// The names in a folder, sorted. Throws DataError when it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

// A file descriptor for reading, to be closed by the caller. Throws DataError when the file cannot
// be opened and when it is no regular file: one could wait for a pipe or a device for ever.
int open_file(const std::string& path);

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
