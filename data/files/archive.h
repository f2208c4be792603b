// Archives read as a stream, never unpacked to a folder. zlib reads gzip, because it compares the
// checksum, which libarchive does not; libarchive reads tar and zip. An archive that is damaged or
// cut is a DataError with its name and the place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace skiff {

// How many bytes may come out of a packed file of `bytes`: 48 MiB and 16 times its size. Texts,
// marks and images shrink less, and a small archive must not fill the memory.
constexpr int64_t most_unpacked(int64_t bytes) { return (int64_t(3) << 24) + 16 * bytes; }

// The bytes of a file, unpacked if it is gzipped whatever its name.
class GzipReader {
 public:
  explicit GzipReader(const std::string& path);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  size_t read(char* into, size_t count);      // as many as there are; less than count: the end
  int64_t offset() const { return offset_; }  // bytes read so far, after unpacking
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  void* file_ = nullptr;  // gzFile
  int64_t offset_ = 0;
};

// The regular files of a tar archive (plain or gzipped, whatever its name) or of a zip archive, in
// its order. Folders, links and devices are passed over. DataError when the names and what is read
// of the files come to more than most_unpacked() of the archive.
//   ArchiveReader archive(path);
//   while (archive.next()) use(archive.name(), archive.read_all());
class ArchiveReader {
 public:
  explicit ArchiveReader(const std::string& path);
  ~ArchiveReader();

  bool next();                                       // to the next file; false at the end
  const std::string& name() const { return name_; }  // as written, without a leading "./"
  std::string place() const;                         // "archive: name", for messages

  // The next bytes of the file; 0 at its end. DataError when it is encrypted.
  size_t read(char* into, size_t count);
  // The rest of the file; DataError when it has more than max_bytes.
  std::string read_all(int64_t max_bytes = int64_t(1) << 30);

 private:
  struct Stream;
  [[noreturn]] void fail_here(const std::string& where = "");
  void give(int64_t bytes);  // counts them

  std::string path_;
  std::unique_ptr<Stream> stream_;
  std::string name_;
  int64_t left_ = 0;                    // of the file, as stated; -1: not stated
  int64_t given_ = 0, most_given_ = 0;  // bytes of names and files, and their limit
  bool ended_ = false, encrypted_ = false;
};

// Whether a name ends as those of archives do: .tar, .tgz, .gz, .zip
bool is_archive_name(std::string_view name);

// Whether a file is named as the archive of another data set than `own`: one that begins with
// lra_release, aclImdb or cifar-10.
bool is_archive_of_others(const std::string& path, std::string_view own);

// The archive of the Long Range Arena (lra_release.gz, .tar.gz, .tgz or .tar) in `folder` or there
// in lra_release; `folder` itself if it is an archive; else empty.
std::string find_release(const std::string& folder);

}  // namespace skiff
