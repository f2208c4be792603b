// The header of a safetensors file: its meaning and its text. Private to core/io.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/tensor.h"

namespace skiff::safetensors {

using Metadata = std::map<std::string, std::string>;

inline constexpr size_t kLengthBytes = 8;        // the length of the header, before the header
inline constexpr size_t kMaxHeader = 100000000;  // bytes; as in the reference implementation
inline constexpr size_t kMaxEntries =
    1 << 16;  // tensors and metadata; bounds the memory for a header
inline constexpr const char* kMetadataKey = "__metadata__";
inline constexpr const char* kCrcKey = "skiff.crc32";
// Says that kCrcKey has to be present. Without it a flipped bit in kCrcKey would make the file look
// like one from elsewhere, which has no checksum.
inline constexpr const char* kMarkKey = "skiff.checksum";
inline constexpr const char* kMarkValue = "crc32";

struct Element {
  const char* name;  // in the file
  int64_t bytes;     // in the file
  DType dtype;       // in memory
};
inline constexpr Element kElements[] = {{"F32", 4, DType::Float32},
                                        {"F64", 8, DType::Float64},
                                        {"C64", 8, DType::Complex64},
                                        {"I32", 4, DType::Int32},
                                        {"I64", 8, DType::Int32}};

// One tensor of a header. A count of -1: the member is missing.
struct Info {
  std::string name;
  const Element* element = nullptr;
  std::array<int64_t, Shape::kMaxRank> sizes{};
  int rank = -1;
  std::array<int64_t, 2> offsets{};  // begin and end, from the end of the header
  int offset_count = -1;

  int64_t begin() const { return offsets[0]; }
  int64_t end() const { return offsets[1]; }
  Shape shape() const { return Shape(std::span(sizes).first(size_t(rank))); }
};

struct Header {
  std::vector<Info> tensors;
  Metadata metadata;
};

// The header that a text means, which is followed by data_bytes bytes. Names, layout and metadata
// can be relied on; the tensors are sorted by their bytes. Throws DataError.
Header parse_header(const std::string& path, const std::string& text, int64_t data_bytes);

// The text of a header. Throws Error for what parse_header would refuse.
std::string header_text(const std::string& path, const Header& header);

void check_names(const std::string& path, const std::vector<Info>& tensors);  // they differ

// Text of unknown origin for a message: short, printable, in quotes.
std::string printable(std::string_view text, size_t shown = 80);
std::string in_tensor(const std::string& name);  // " (tensor 'name')"

template <class... Parts>
[[noreturn]] void refuse(const std::string& path, const Parts&... parts) {
  fail<DataError>(path, ": safetensors: ", parts...);
}

}  // namespace skiff::safetensors
