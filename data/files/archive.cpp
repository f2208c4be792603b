#include "data/files/archive.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>

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

// ---- tar

namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kLongestExtra = int64_t(1) << 20;  // of a long name or of pax records

// Fields of a header: offset and length.
struct Field {
  size_t begin, length;
};
constexpr Field kName = {0, 100}, kSize = {124, 12}, kSum = {148, 8}, kMagic = {257, 6},
                kPrefix = {345, 155};
constexpr size_t kType = 156;

std::string_view raw(const char* header, Field field) {
  return {header + field.begin, field.length};
}

std::string_view text(const char* header, Field field) {
  const std::string_view value = raw(header, field);
  return value.substr(0, std::min(value.find('\0'), value.size()));
}

// Octal digits between blanks and zeros, or base 256 after a byte 0x80. -1: no such number.
int64_t number(std::string_view field) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  int64_t value = 0;
  if (uint8_t(field[0]) & 0x80) {
    if (uint8_t(field[0]) != 0x80) return -1;  // negative, or beyond 88 bits
    for (const char c : field.substr(1)) {
      if (value > (kMost >> 8)) return -1;
      value = (value << 8) | uint8_t(c);
    }
    return value;
  }
  const size_t begin = std::min(field.find_first_not_of(' '), field.size());
  field.remove_prefix(begin);
  const size_t digits = std::min(field.find_first_not_of("01234567"), field.size());
  if (digits == 0) return -1;
  if (field.find_first_not_of(std::string_view(" \0", 2), digits) != field.npos) return -1;
  for (const char c : field.substr(0, digits)) value = value * 8 + (c - '0');  // 12 digits fit
  return value;
}

// The sum of the bytes with the field of the sum as blanks; some old programs summed signed ones.
bool sum_matches(const char* header) {
  int64_t sum = 0, signed_sum = 0;
  for (size_t i = 0; i < size_t(kBlock); ++i) {
    const bool in_field = i >= kSum.begin && i < kSum.begin + kSum.length;
    const char c = in_field ? ' ' : header[i];
    sum += uint8_t(c);
    signed_sum += int8_t(c);
  }
  const int64_t stated = number(raw(header, kSum));
  return stated == sum || stated == signed_sum;
}

}  // namespace

TarReader::TarReader(const std::string& path) : file_(path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  most_kept_ = (int64_t(1) << 26) + (error ? 0 : 4 * int64_t(size));
}

template <class... Parts>
void TarReader::fail_here(const Parts&... parts) const {
  fail<DataError>(file_.path(), ": ", parts..., ", in the tar header at byte ", header_at_);
}

bool TarReader::read_header(char* header) {
  header_at_ = file_.offset();
  const size_t got = file_.read(header, size_t(kBlock));
  check<DataError>(got > 0 || header_at_ > 0, file_.path(), ": the file is empty");
  check<DataError>(got == size_t(kBlock), file_.path(),
                   header_at_ == 0 ? ": the file is no tar archive, it has only "
                                   : ": the archive is cut, it has no end mark after ",
                   file_.offset(), " bytes");
  if (std::all_of(header, header + kBlock, [](char c) { return c == '\0'; })) return false;
  check<DataError>(sum_matches(header), file_.path(),
                   header_at_ == 0 ? ": the file is no tar archive: the checksum is wrong, in "
                                   : ": the archive is damaged: the checksum is wrong, in ",
                   "the tar header at byte ", header_at_);
  size_ = number(raw(header, kSize));
  if (size_ < 0 || size_ > std::numeric_limits<int64_t>::max() - 2 * kBlock) {
    fail_here("the size of a file must be a number, got ", quoted(raw(header, kSize)));
  }
  return true;
}

void TarReader::skip(int64_t count) {
  char buffer[1 << 14];
  while (count > 0) {
    const size_t part = size_t(std::min<int64_t>(count, sizeof buffer));
    const size_t got = file_.read(buffer, part);
    check<DataError>(got == part, file_.path(), ": the archive is cut after ", file_.offset(),
                     " bytes, in ", quoted(name_));
    count -= int64_t(part);
  }
}

std::string TarReader::read_extra() {
  if (size_ > kLongestExtra) fail_here("a long name has ", size_, " bytes");
  std::string bytes(size_t(size_), '\0');
  const size_t got = file_.read(bytes.data(), bytes.size());
  check<DataError>(got == bytes.size(), file_.path(), ": the archive is cut after ", file_.offset(),
                   " bytes, in a long name");
  skip((kBlock - size_ % kBlock) % kBlock);
  return bytes;
}

// Records "<length> <key>=<value>\n"; the length counts the whole record.
void TarReader::read_pax(std::string_view records, std::string* name, int64_t* size) const {
  while (!records.empty()) {
    size_t length = 0;
    const char* end = records.data() + records.size();
    const auto [rest, error] = std::from_chars(records.data(), end, length);
    const size_t digits = size_t(rest - records.data());
    if (error != std::errc() || length > records.size() || length < digits + 3 || *rest != ' ' ||
        records[length - 1] != '\n') {
      fail_here("a pax record is damaged: ", quoted(records));
    }
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    records.remove_prefix(length);
    const size_t equals = record.find('=');
    if (equals == record.npos) fail_here("a pax record is damaged: ", quoted(record));
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") *name = value;
    if (key == "size") {
      const char* value_end = value.data() + value.size();
      const auto [last, bad] = std::from_chars(value.data(), value_end, *size);
      if (bad != std::errc() || last != value_end || *size < 0 ||
          *size > std::numeric_limits<int64_t>::max() - 2 * kBlock) {
        fail_here("the size of a file must be a number, got ", quoted(value));
      }
    }
    if (key.starts_with("GNU.sparse.")) fail_here("sparse files are not supported");
  }
}

bool TarReader::next() {
  if (ended_) return false;
  skip(left_ + padding_);
  left_ = padding_ = 0;
  std::string long_name;  // for the next file
  int64_t long_size = -1;
  char header[kBlock];
  while (read_header(header)) {
    const char type = header[kType];
    if (type == 'L') {
      long_name = read_extra();
      long_name.resize(std::min(long_name.find('\0'), long_name.size()));
      continue;
    }
    if (type == 'x') {
      read_pax(read_extra(), &long_name, &long_size);
      continue;
    }
    name_ = text(header, kName);
    const std::string_view prefix = text(header, kPrefix);
    const bool ustar = raw(header, kMagic) == std::string_view("ustar\0", 6);
    if (ustar && !prefix.empty()) name_ = std::string(prefix) + '/' + name_;
    if (!long_name.empty()) name_ = long_name;
    while (name_.starts_with("./")) name_.erase(0, 2);
    if (long_size >= 0) size_ = long_size;
    long_name.clear();
    long_size = -1;
    if (type == 'S') fail_here("sparse files are not supported, got ", quoted(name_));
    const bool has_data = type < '1' || type > '6';  // links, devices and folders have none
    const int64_t padding = (kBlock - size_ % kBlock) % kBlock;
    const bool regular = type == '0' || type == '\0' || type == '7';
    if (regular && !name_.ends_with('/')) {
      left_ = size_;
      padding_ = padding;
      return true;
    }
    if (has_data) skip(size_ + padding);
  }
  ended_ = true;
  char rest[1 << 12];
  while (file_.read(rest, sizeof rest) > 0) {  // up to the checksum of the gzip data
  }
  return false;
}

size_t TarReader::read(char* into, size_t count) {
  const size_t part = size_t(std::min<int64_t>(left_, int64_t(std::min(count, size_t(1) << 30))));
  const size_t got = file_.read(into, part);
  check<DataError>(got == part, file_.path(), ": the archive is cut after ", file_.offset(),
                   " bytes, in ", quoted(name_));
  left_ -= int64_t(got);
  return got;
}

std::string TarReader::read_all(int64_t max_bytes) {
  check<DataError>(left_ <= max_bytes, place(), ": the file must have at most ", max_bytes,
                   " bytes, got ", left_);
  // The size is only stated: memory grows with what is really there.
  std::string bytes;
  while (left_ > 0) {
    const size_t begin = bytes.size();
    const int64_t part = std::min<int64_t>(left_, int64_t(1) << 22);
    kept_ += part;
    check<DataError>(kept_ <= most_kept_, place(), ": the files of this archive need more than ",
                     most_kept_, " bytes, which is too much for its size");
    bytes.resize(begin + size_t(part));
    read(bytes.data() + begin, size_t(part));
  }
  return bytes;
}

std::string TarReader::place() const { return printable(file_.path() + ": " + name_); }

bool is_archive_name(std::string_view name) {
  return name.ends_with(".tar") || name.ends_with(".tgz") || name.ends_with(".gz");
}

std::string find_release(const std::string& folder) {
  namespace fs = std::filesystem;
  if (is_archive_name(folder) && is_file(folder)) return folder;
  for (const char* place : {"", "lra_release"}) {
    for (const char* ending : {".gz", ".tar.gz", ".tgz", ".tar"}) {
      const fs::path path = fs::path(folder) / place / (std::string("lra_release") + ending);
      if (is_file(path)) return path.string();
    }
  }
  return {};
}

}  // namespace skiff
