// Tar and gzip files put together by hand, for the tests of the readers.
#pragma once

#include <zlib.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace skiff::testing {

// Up to the next multiple of 512 bytes.
inline std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512, '\0');
  return bytes;
}

// Sets the checksum of a header.
inline std::string with_sum(std::string header) {
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += uint8_t(c);
  char field[9];
  std::snprintf(field, sizeof field, "%06o", sum);
  header.replace(148, 7, std::string(field, 7));
  return header;
}

struct TarHeader {
  std::string name;
  size_t size = 0;
  char type = '0';
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);  // "ustar  " + 0: GNU; empty: before POSIX
  std::string prefix = {};
  std::string size_field = {};  // replaces the octal size
};
inline std::string header_of(const TarHeader& h) {
  std::string header(512, '\0');
  header.replace(0, h.name.size(), h.name);
  header.replace(100, 7, "0000644");
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", h.size);
  header.replace(124, 11, std::string(size, 11));
  if (!h.size_field.empty()) header.replace(124, h.size_field.size(), h.size_field);
  header.replace(136, 11, "00000000000");
  header[156] = h.type;
  header.replace(257, h.magic.size(), h.magic);
  header.replace(345, h.prefix.size(), h.prefix);
  return with_sum(header);
}

inline std::string member(const std::string& name, const std::string& content, char type = '0') {
  return header_of({name, content.size(), type}) + padded(content);
}
inline const std::string kTarEnd = std::string(1024, '\0');

// A whole archive of small files.
inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes;
  for (const auto& [name, content] : files) bytes += member(name, content);
  return bytes + kTarEnd;
}

// window_bits of zlib's deflateInit2: 31 for a gzip file, -15 for the bare data of a zip entry.
inline std::string deflated(const std::string& bytes, int window_bits) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = unsigned(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = unsigned(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
inline std::string gzip_of(const std::string& bytes) { return deflated(bytes, 15 + 16); }

}  // namespace skiff::testing
