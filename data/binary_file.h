// A whole file as bytes, plain or gzipped.
#pragma once

#include <cstdint>
#include <string>

namespace skiff {

// Throws DataError when the file cannot be read or has more than max_bytes.
std::string read_file(const std::string& path, int64_t max_bytes = int64_t(1) << 30);

// The same for a file that may be gzipped, whatever its name; max_bytes counts after unpacking.
std::string read_gzip_file(const std::string& path, int64_t max_bytes = int64_t(1) << 30);

}  // namespace skiff
