#include "data/files/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>

#include "core/check.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"

namespace skiff {

// ---- gzip

GzipReader::GzipReader(const std::string& path) : path_(path) {
  const int handle = open_file(path);
  gzFile file = ::gzdopen(handle, "rb");
  if (file == nullptr) ::close(handle);
  check(file != nullptr, "cannot open '", path, "': out of memory");
  ::gzbuffer(file, 1 << 18);
  file_ = file;
}

GzipReader::~GzipReader() { ::gzclose(static_cast<gzFile>(file_)); }

size_t GzipReader::read(char* into, size_t count) {
  constexpr size_t kMost = size_t(1) << 30;  // of one gzread
  const gzFile file = static_cast<gzFile>(file_);
  size_t done = 0;
  while (done < count) {
    const int got = ::gzread(file, into + done, unsigned(std::min(count - done, kMost)));
    if (got > 0) {
      done += size_t(got);
      continue;
    }
    int error = Z_OK;
    std::string message = ::gzerror(file, &error);
    message.erase(0, message.starts_with('<') ? message.find(": ") + 2 : 0);  // "<fd:4>: "
    check<DataError>(error != Z_ERRNO, "cannot read '", path_, "': ", std::strerror(errno));
    check<DataError>(error == Z_OK || error == Z_STREAM_END, path_,
                     ": the gzip data is damaged or cut after ", offset_ + int64_t(done),
                     " unpacked bytes: ", message);
    break;
  }
  offset_ += int64_t(done);
  return done;
}

// ---- tar and zip

struct ArchiveReader::Stream {
  explicit Stream(const std::string& path) : file(open_file(path)) {}
  // Apart from the constructor, because the destructor of a half-made Stream would not run.
  void open(const std::string& path) {
    check(archive != nullptr, "cannot open '", path, "': out of memory");
    char start[2] = {};
    is_zip = ::pread(file, start, 2, 0) == 2 && start[0] == 'P' && start[1] == 'K';
    int result = ARCHIVE_OK;
    if (is_zip) {
      ::archive_read_support_format_zip(archive);
      result = ::archive_read_open_fd(archive, file, sizeof buffer);
    } else {
      unpacked = std::make_unique<GzipReader>(path);
      ::archive_read_support_format_tar(archive);
      result = ::archive_read_open(archive, this, nullptr, read_more, nullptr);
    }
    if (error) std::rethrow_exception(error);
    check<DataError>(result == ARCHIVE_OK, path, ": the file is no tar or zip archive");
  }
  ~Stream() {
    ::archive_read_free(archive);
    ::close(file);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static la_ssize_t read_more(::archive*, void* self, const void** bytes) {
    auto& stream = *static_cast<Stream*>(self);
    *bytes = stream.buffer;
    try {
      return la_ssize_t(stream.unpacked->read(stream.buffer, sizeof stream.buffer));
    } catch (...) {  // must not pass through libarchive
      stream.error = std::current_exception();
      return -1;
    }
  }

  int file = -1;
  ::archive* archive = ::archive_read_new();  // after the file, whose opening may fail
  bool is_zip = false;
  std::unique_ptr<GzipReader> unpacked;  // tar
  std::exception_ptr error;              // of read_more
  char buffer[1 << 16];
};

ArchiveReader::ArchiveReader(const std::string& path) : path_(path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  check<DataError>(error || size > 0, path, ": the file is empty");
  stream_ = std::make_unique<Stream>(path);
  stream_->open(path);
  most_given_ = most_unpacked(error ? 0 : int64_t(size));
}

ArchiveReader::~ArchiveReader() = default;

void ArchiveReader::fail_here(const std::string& where) {
  if (stream_->error) std::rethrow_exception(stream_->error);
  const char* message = ::archive_error_string(stream_->archive);
  fail<DataError>(path_, ": the archive is damaged or cut after ",
                  ::archive_filter_bytes(stream_->archive, 0), " bytes", where, ": ",
                  message ? message : "unknown reason");
}

bool ArchiveReader::next() {
  ::archive* const archive = stream_->archive;
  ::archive_entry* entry = nullptr;
  while (!ended_) {
    const int result = ::archive_read_next_header(archive, &entry);
    if (result == ARCHIVE_EOF) break;
    const char* message = ::archive_error_string(archive);
    // A name that the locale cannot show is no damage.
    const bool only_name = result == ARCHIVE_WARN && message != nullptr &&
                           std::string_view(message).find("be converted") != std::string::npos;
    if (result != ARCHIVE_OK && !only_name) fail_here();
    if (::archive_entry_filetype(entry) != AE_IFREG || ::archive_entry_hardlink(entry)) continue;
    const char* name = ::archive_entry_pathname(entry);
    if (name == nullptr) name = ::archive_entry_pathname_utf8(entry);
    std::string_view written = name ? name : "";
    constexpr size_t kLongestName = 4096;  // of a path in Linux
    check<DataError>(written.size() <= kLongestName, path_,
                     ": the name of a file must have at most ", kLongestName, " bytes, got ",
                     written.size());
    give(int64_t(written.size()));
    while (written.starts_with("./")) written.remove_prefix(2);
    name_ = written;
    encrypted_ = ::archive_entry_is_encrypted(entry);
    left_ = ::archive_entry_size_is_set(entry) ? ::archive_entry_size(entry) : -1;
    return true;
  }
  if (ended_) return false;
  ended_ = true;
  if (stream_->is_zip) return false;
  check<DataError>(::archive_filter_bytes(archive, 0) > ::archive_read_header_position(archive),
                   path_, ": the archive is cut, it has no end mark after ",
                   ::archive_filter_bytes(archive, 0), " bytes");
  char rest[1 << 12];
  while (stream_->unpacked->read(rest, sizeof rest) > 0) {  // up to the checksum of the gzip data
  }
  return false;
}

size_t ArchiveReader::read(char* into, size_t count) {
  check<DataError>(!encrypted_, place(), ": the file is encrypted; unpack it first");
  const la_ssize_t got = ::archive_read_data(stream_->archive, into, count);
  if (got < 0) fail_here(", in " + quoted(name_));
  if (left_ >= 0) left_ -= got;
  give(got);
  return size_t(got);
}

void ArchiveReader::give(int64_t bytes) {
  given_ += bytes;
  check<DataError>(given_ <= most_given_, place(), ": the files of this archive need more than ",
                   most_given_, " bytes, which is too much for its size");
}

std::string ArchiveReader::read_all(int64_t max_bytes) {
  check<DataError>(left_ <= max_bytes, place(), ": the file must have at most ", max_bytes,
                   " bytes, got ", left_);
  std::string bytes;  // the size is only stated: a large file gets its memory as it comes
  bytes.reserve(size_t(std::clamp<int64_t>(left_, 0, int64_t(1) << 20)));
  char part[1 << 16];
  while (const size_t got = read(part, sizeof part)) {
    bytes.append(part, got);
    check<DataError>(int64_t(bytes.size()) <= max_bytes, place(), ": the file must have at most ",
                     max_bytes, " bytes");
  }
  return bytes;
}

std::string ArchiveReader::place() const { return printable(path_ + ": " + name_); }

bool is_archive_name(std::string_view name) {
  return name.ends_with(".tar") || name.ends_with(".tgz") || name.ends_with(".gz") ||
         name.ends_with(".zip");
}

bool is_archive_of_others(const std::string& path, std::string_view own) {
  const std::string name = std::filesystem::path(path).filename();
  for (const std::string_view known : {"lra_release", "aclImdb", "cifar-10"})
    if (name.starts_with(known)) return known != own && is_archive_name(name) && is_file(path);
  return false;
}

std::string find_release(const std::string& folder) {
  if (is_archive_name(folder) && is_file(folder)) return folder;
  return first_file(folder, {"", "lra_release"},
                    {"lra_release.gz", "lra_release.tar.gz", "lra_release.tgz", "lra_release.tar"});
}

}  // namespace skiff
