// Writing and parsing the header of a safetensors file.
#include "core/io/safetensors_header.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace skiff::safetensors {
namespace {

// Bytes of a string or number, which the lexer copies. A vocabulary of words is one string.
constexpr size_t kMaxToken = 1 << 24;

// Hands the text of a header to put(), piece by piece. There is metadata: at least the checksum.
template <class Put>
void emit_header(const Header& header, const Put& put) {
  size_t length = 0;
  const auto text = [&](const std::string& piece) {
    length += piece.size();
    put(piece);
  };
  const auto quote = [&](const std::string& string) { text(nlohmann::json(string).dump()); };
  const auto number = [&](int64_t value) { text(std::to_string(value)); };

  text("{");
  quote(kMetadataKey);
  const char* separator = ":{";
  for (const auto& [key, value] : header.metadata) {
    text(separator);
    quote(key);
    text(":");
    quote(value);
    separator = ",";
  }
  text("}");
  for (const Info& info : header.tensors) {
    text(",");
    quote(info.name);
    text(":{\"dtype\":");
    quote(info.element->name);
    text(",\"shape\":[");
    for (int axis = 0; axis < info.rank; ++axis) {
      if (axis > 0) text(",");
      number(info.sizes[size_t(axis)]);
    }
    text("],\"data_offsets\":[");
    number(info.begin());
    text(",");
    number(info.end());
    text("]}");
  }
  text("}");
  text(std::string((8 - length % 8) % 8, ' '));
}

// Receives the events of the JSON parser. Only what the format names may come, once, in its place.
class HeaderParser : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderParser(const std::string& path, size_t length) : path_(path), length_(length) {}

  Header header;

  bool null() override { wrong("null"); }
  bool boolean(bool value) override { wrong(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { wrong(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { wrong(printable(text)); }
  bool binary(binary_t&) override { wrong("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    const bool in_array = place_ == Place::Sizes || place_ == Place::Offsets;
    if (!in_array || value > uint64_t(std::numeric_limits<int64_t>::max()))
      wrong(std::to_string(value));
    Info& info = header.tensors.back();
    if (place_ == Place::Sizes) {
      if (info.rank == Shape::kMaxRank)
        refuse(path_, "shape must have at most ", Shape::kMaxRank, " sizes, got more", where());
      info.sizes[size_t(info.rank++)] = int64_t(value);
    } else {
      if (info.offset_count == 2)
        refuse(path_, "data_offsets must be two offsets, got more", where());
      info.offsets[size_t(info.offset_count++)] = int64_t(value);
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::InMetadata) {
      header.metadata.emplace(key_, value);
    } else if (place_ == Place::InTensor && member_ == "dtype") {
      Info& info = header.tensors.back();
      for (const Element& element : kElements)
        if (value == element.name) info.element = &element;
      if (!info.element)
        refuse(path_, "dtype must be F32, F64, C64, I32 or I64, got ", printable(value), where());
    } else {
      wrong("the string " + printable(value));
    }
    return true;
  }

  bool start_object(size_t) override {
    if (place_ == Place::Start) {
      place_ = Place::Top;
    } else if (place_ != Place::Top) {
      wrong("an object");
    } else if (key_ == kMetadataKey) {
      if (has_metadata_) refuse(path_, "__metadata__ must be given once, got it twice");
      has_metadata_ = true;
      place_ = Place::InMetadata;
    } else {
      count_entry();
      header.tensors.emplace_back().name = key_;
      place_ = Place::InTensor;
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::InTensor) {
      const Info& info = header.tensors.back();
      member_ = value;
      bool repeated = false;
      if (member_ == "dtype") {
        repeated = info.element != nullptr;
      } else if (member_ == "shape") {
        repeated = info.rank >= 0;
      } else if (member_ == "data_offsets") {
        repeated = info.offset_count >= 0;
      } else {
        refuse(path_, "a tensor has dtype, shape and data_offsets, got the member ",
               printable(member_), where());
      }
      if (repeated) refuse(path_, member_, " must be given once, got it twice", where());
      return true;
    }
    key_ = value;
    if (place_ == Place::InMetadata) {
      count_entry();
      if (header.metadata.count(key_))
        refuse(path_, "keys of __metadata__ must differ, got ", printable(key_), " twice");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::InTensor) {
      const Info& info = header.tensors.back();
      const char* missing = !info.element            ? "dtype"
                            : info.rank < 0          ? "shape"
                            : info.offset_count != 2 ? "data_offsets"
                                                     : nullptr;
      if (missing)
        refuse(path_, "a tensor has dtype, shape and data_offsets, got no ", missing, where());
    }
    place_ = place_ == Place::Top ? Place::Start : Place::Top;
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::InTensor && member_ == "shape") {
      header.tensors.back().rank = 0;
      place_ = Place::Sizes;
    } else if (place_ == Place::InTensor && member_ == "data_offsets") {
      header.tensors.back().offset_count = 0;
      place_ = Place::Offsets;
    } else {
      wrong("an array");
    }
    return true;
  }

  bool end_array() override {
    if (const int count = header.tensors.back().offset_count; place_ == Place::Offsets && count < 2)
      refuse(path_, "data_offsets must be two offsets, got ", count, where());
    place_ = Place::InTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    // what() is "[json.exception...] parse error at line 1, column 9: syntax error while ..."
    const std::string_view message = error.what();
    size_t cut = message.find(": ");
    if (cut == message.npos) cut = message.find("] ");  // a number that overflows
    const size_t offset = kLengthBytes + std::min(position > 0 ? position - 1 : 0, length_);
    refuse(path_, "the header must be valid UTF-8 JSON, got ",
           printable(message.substr(cut + 2), 160), " (at byte offset ", offset, ")");
  }

 private:
  enum class Place { Start, Top, InMetadata, InTensor, Sizes, Offsets };

  std::string requirement() const {
    const std::string integers = " must be integers from 0 to 9223372036854775807";
    switch (place_) {
      case Place::Start:
        return "the header must be an object";
      case Place::Top:
        return key_ == kMetadataKey ? "__metadata__ must be an object"
                                    : "the description of a tensor must be an object";
      case Place::InMetadata:
        return "values of __metadata__ must be strings";
      case Place::InTensor:
        return member_ + (member_ == "dtype" ? " must be a string" : " must be an array");
      case Place::Sizes:
        return "sizes of a shape" + integers;
      case Place::Offsets:
        return "data_offsets" + integers;
    }
    return "?";
  }
  std::string where() const {
    if (place_ == Place::InMetadata) return " (key " + printable(key_) + ")";
    return key_ == kMetadataKey ? "" : in_tensor(key_);
  }
  [[noreturn]] void wrong(const std::string& got) const {
    refuse(path_, requirement(), ", got ", got, where());
  }
  void count_entry() {
    if (++entries_ > kMaxEntries)
      refuse(path_, "a file has at most ", kMaxEntries, " tensors and metadata, got more");
  }

  const std::string& path_;
  size_t length_;
  Place place_ = Place::Start;
  std::string key_, member_;  // latest key of the header or of __metadata__, and of a tensor
  bool has_metadata_ = false;
  size_t entries_ = 0;
};

// What the parser would let pass: the lexer takes a zero byte for the end of its input, and copies
// a string several times.
void check_tokens(const std::string& path, const std::string& text) {
  size_t token = 0;  // where the token begins that holds byte i
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 0)
      refuse(path, "the header must be JSON, got a zero byte (at byte offset ", kLengthBytes + i,
             ")");
    if (in_string ? c == '"' : std::strchr("{}[],:\" \t\r\n", c) != nullptr) {
      in_string = !in_string && c == '"';
      token = i;
    } else if (in_string && c == '\\') {
      ++i;
    }
    if (i - token > kMaxToken)
      refuse(path, "strings and numbers of the header must be at most ", kMaxToken,
             " bytes, got more (at byte offset ", kLengthBytes + token, ")");
  }
}

// Sorts the tensors by their bytes, which must be the bytes of the file: each of them once.
void check_layout(const std::string& path, std::vector<Info>& tensors, int64_t data_bytes) {
  for (const Info& info : tensors) {
    const auto refuse_offsets = [&](const auto&... requirement) {
      refuse(path, requirement..., ", got data_offsets [", info.begin(), ", ", info.end(), "]",
             in_tensor(info.name));
    };
    // The bound that Shape needs: elements of 16 bytes, the largest, and an axis of size 0 as one.
    int64_t total = 16;
    bool empty = false;
    for (int axis = 0; axis < info.rank; ++axis) {
      const int64_t size = info.sizes[size_t(axis)];
      empty = empty || size == 0;
      if (__builtin_mul_overflow(total, std::max<int64_t>(size, 1), &total))
        refuse(path, "shape must not overflow, got size ", size, " on axis ", axis,
               in_tensor(info.name));
    }
    const int64_t bytes = empty ? 0 : total / 16 * info.element->bytes;
    if (info.begin() > info.end()) refuse_offsets("data must not end before it begins");
    if (info.end() > data_bytes)
      refuse_offsets("data must lie within the ", data_bytes, " bytes after the header");
    if (info.end() - info.begin() != bytes)
      refuse_offsets(info.element->name, " ", info.shape(), " needs ", bytes, " bytes");
  }
  // Stable, and an empty tensor before the one that begins at the same byte.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Info& a, const Info& b) { return a.offsets < b.offsets; });
  int64_t covered = 0;
  for (const Info& info : tensors) {
    if (info.begin() != covered)
      refuse(path, "tensors must follow each other without ",
             info.begin() > covered ? "holes" : "overlap", ", got offset ", info.begin(),
             " after the end ", covered, in_tensor(info.name));
    covered = info.end();
  }
  if (covered != data_bytes)
    refuse(path, "the last tensor must end with the file, got ", data_bytes - covered,
           " trailing bytes");
}

// Two texts can mean the same (\u001f and \u001F), and the checksum covers the meaning only: a text
// with a checksum has to be the one that is written.
void check_spelling(const std::string& path, const std::string& text, const Header& header) {
  std::string_view rest = text;
  emit_header(header, [&](const std::string& piece) {
    if (!rest.starts_with(piece))
      refuse(path, "a header with a checksum must be spelled as it is written, got ",
             printable(rest.substr(0, piece.size())), " (at byte offset ",
             kLengthBytes + text.size() - rest.size(), ")");
    rest.remove_prefix(piece.size());
  });
  if (!rest.empty())
    refuse(path, "a header with a checksum must be spelled as it is written, got ", rest.size(),
           " bytes more");
}

}  // namespace

std::string printable(std::string_view text, size_t shown) {
  std::string result = "'";
  for (const char c : text.substr(0, shown)) {
    if (c >= ' ' && c <= '~') {
      result += c;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", unsigned(static_cast<unsigned char>(c)));
      result += escape;
    }
  }
  return result + (text.size() > shown ? "...'" : "'");
}

std::string in_tensor(const std::string& name) { return " (tensor " + printable(name) + ")"; }

// After parsing, because a set of names would take the memory of the names again.
void check_names(const std::string& path, const std::vector<Info>& tensors) {
  std::vector<const std::string*> names;
  for (const Info& info : tensors) names.push_back(&info.name);
  std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
  const auto twice =
      std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
  if (twice != names.end())
    refuse(path, "names of tensors must differ, got ", printable(**twice), " twice");
}

Header parse_header(const std::string& path, const std::string& text, int64_t data_bytes) {
  if (text.empty() || text[0] != '{')
    refuse(path, "the header must begin with '{', got ", printable(text.substr(0, 1)),
           " (at byte offset ", kLengthBytes, ")");

  check_tokens(path, text);
  HeaderParser parser(path, text.size());
  nlohmann::json::sax_parse(text, &parser);
  Header& header = parser.header;
  check_names(path, header.tensors);
  check_layout(path, header.tensors, data_bytes);

  if (header.metadata.count(kMarkKey) && !header.metadata.count(kCrcKey))
    refuse(path, "__metadata__ with ", kMarkKey, " must have the checksum ", kCrcKey, ", got none");
  if (header.metadata.count(kCrcKey)) check_spelling(path, text, header);
  return std::move(header);
}

std::string header_text(const std::string& path, const Header& header) {
  std::string text;
  try {
    emit_header(header, [&](const std::string& piece) { text += piece; });
  } catch (const nlohmann::json::exception&) {
    fail(path, ": safetensors: names and metadata must be valid UTF-8, got other bytes");
  }
  check(text.size() <= kMaxHeader, path, ": safetensors: the header must be at most ", kMaxHeader,
        " bytes, got ", text.size());
  check_tokens(path, text);
  return text;
}

}  // namespace skiff::safetensors
