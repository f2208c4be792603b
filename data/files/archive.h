// Archives read as a stream, never unpacked to a folder: gzip (zlib) and tar (POSIX ustar and pax,
// GNU long names). An archive that is damaged or cut is a DataError with its name and the offset.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace skiff {

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

// The regular files of a tar archive, in its order; .tar, .tar.gz, .tgz and lra_release.gz alike.
//   TarReader archive(path);
//   while (archive.next()) use(archive.name(), archive.read_all());
class TarReader {
 public:
  explicit TarReader(const std::string& path);

  bool next();                                       // to the next file; false at the end
  const std::string& name() const { return name_; }  // as written, without a leading "./"
  int64_t size() const { return size_; }
  std::string place() const;  // "archive: name", for messages

  size_t read(char* into, size_t count);  // the next bytes of the file; 0 at its end
  // The rest of the file; DataError when it has more than max_bytes, or when all that was read so
  // has more than 64 MiB and four times the bytes of the archive: real texts and images do not
  // shrink that much, and a small archive must not fill the memory.
  std::string read_all(int64_t max_bytes = int64_t(1) << 30);

 private:
  bool read_header(char* header);  // false at the end of the archive
  void read_pax(std::string_view records, std::string* name, int64_t* size) const;
  std::string read_extra();  // a long name or pax records, which come as files of their own
  void skip(int64_t count);
  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const;

  GzipReader file_;
  int64_t header_at_ = 0;  // offset of the header of this file
  std::string name_;
  int64_t size_ = 0, left_ = 0, padding_ = 0;
  int64_t kept_ = 0, most_kept_ = 0;  // bytes given by read_all(), and their limit
  bool ended_ = false;
};

// Whether a name ends as those of tar archives do: .tar, .tgz, .gz
bool is_archive_name(std::string_view name);

// The archive of the Long Range Arena (lra_release.gz, .tar.gz, .tgz or .tar) in `folder` or there
// in lra_release; `folder` itself if it is an archive; else empty.
std::string find_release(const std::string& folder);

}  // namespace skiff
