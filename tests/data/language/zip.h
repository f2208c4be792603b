// Zip archives put together by hand, for the tests of what reads texts from them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/tar.h"

namespace skiff::testing {

struct ZipFile {
  std::string name, content;
  bool deflated = true;
  bool descriptor = false;  // sizes behind the data, zeros before it
  bool encrypted = false;   // by its flag
  uint32_t crc_error = 0;   // added to the checksum
};

inline std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += i < 8 ? char(value >> (8 * i)) : char(0);
  return text;
}

inline std::string zip_of(const std::vector<ZipFile>& files) {
  std::string bytes, directory;
  for (const ZipFile& f : files) {
    const std::string data = f.deflated ? deflated(f.content, -15) : f.content;
    const auto* text = reinterpret_cast<const Bytef*>(f.content.data());
    const uint32_t crc = uint32_t(crc32_z(0, text, f.content.size())) + f.crc_error;
    const std::string sizes =
        little_endian(crc, 4) + little_endian(data.size(), 4) + little_endian(f.content.size(), 4);
    const auto head = [&](bool local) {
      return little_endian(20, 2) +
             little_endian((f.encrypted ? 1 : 0) + (f.descriptor ? 8 : 0), 2) +
             little_endian(f.deflated ? 8 : 0, 2) + little_endian(0, 4) +
             (local && f.descriptor ? std::string(12, '\0') : sizes) +
             little_endian(f.name.size(), 2) + little_endian(0, 2);
    };
    directory += "PK\x01\x02" + little_endian(20, 2) + head(false) + little_endian(0, 10) +
                 little_endian(bytes.size(), 4) + f.name;
    bytes += "PK\x03\x04" + head(true) + f.name + data;
    if (f.descriptor) bytes += "PK\x07\x08" + sizes;
  }
  return bytes + directory + "PK\x05\x06" + little_endian(0, 4) + little_endian(files.size(), 2) +
         little_endian(files.size(), 2) + little_endian(directory.size(), 4) +
         little_endian(bytes.size(), 4) + little_endian(0, 2);
}

}  // namespace skiff::testing
