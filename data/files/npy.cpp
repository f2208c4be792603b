#include "data/files/npy.h"

#include <charconv>
#include <cstdint>

#include "core/check.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// The header is a dictionary as Python prints it:
//   {'descr': '<U13', 'fortran_order': False, 'shape': (160, 11), }
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Header read() {
    Header header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = read_string();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        header.descr = read_string();
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran_order = read_bool();
      } else if (key == "shape" && !shape) {
        shape = true;
        header.shape = read_shape();
      } else {
        refuse("unknown or repeated key " + skiff::quoted(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (at_ != text_.size()) refuse("text follows the dictionary");
    if (!descr || !order || !shape) refuse("descr, fortran_order and shape are needed");
    return header;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    fail<DataError>(name_, ": the header of the array cannot be read, at character ", at_ + 1, ": ",
                    reason);
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(std::string("'") + c + "' is missing");
  }
  std::string read_string() {
    expect('\'');
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) refuse("a string has no end");
    const std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  bool read_bool() {
    skip_blanks();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    refuse("True or False is missing");
  }
  std::vector<int64_t> read_shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!accept(')')) {
      skip_blanks();
      int64_t size = 0;
      const char* begin = text_.data() + at_;
      const auto [rest, error] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) refuse("a size is missing");
      at_ += size_t(rest - begin);
      shape.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
};

uint32_t number_at(std::string_view bytes, size_t at, size_t count, bool big_endian = false) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value |= uint32_t(uint8_t(bytes[at + i])) << 8 * (big_endian ? count - 1 - i : i);
  }
  return value;
}

void append_utf8(std::string& text, uint32_t code) {
  if (code < 0x80) {
    text += char(code);
  } else if (code < 0x800) {
    text += {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    text += {char(0xE0 | code >> 12), char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
  } else {
    text += {char(0xF0 | code >> 18), char(0x80 | (code >> 12 & 0x3F)),
             char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
  }
}

// How a string is stored: `length` units of `unit` bytes, filled up with zeros.
struct StringType {
  size_t unit = 1, length = 0;
  bool big_endian = false;
};

StringType parse_type(const std::string& descr, const std::string& name) {
  const bool known = descr.size() >= 3 && std::string_view("<>|").find(descr[0]) < 3 &&
                     (descr[1] == 'U' || descr[1] == 'S');
  size_t length = 0;
  const char* end = descr.data() + descr.size();
  const auto [rest, error] = std::from_chars(descr.data() + (known ? 2 : 0), end, length);
  check<DataError>(known && error == std::errc() && rest == end && length >= 1 && length < 1 << 16,
                   name, ": the array must hold strings (U or S), got the type ",
                   skiff::quoted(descr));
  return {descr[1] == 'U' ? size_t(4) : size_t(1), length, descr[0] == '>'};
}

std::string read_string(std::string_view stored, const StringType& type, const std::string& name) {
  std::string text;
  size_t zeros = 0;  // they count only before another character
  for (size_t i = 0; i < type.length; ++i) {
    const uint32_t code = number_at(stored, i * type.unit, type.unit, type.big_endian);
    check<DataError>(code <= 0x10FFFF, name, ": the array holds ", code, ", no character");
    if (code == 0) {
      ++zeros;
      continue;
    }
    text.append(zeros, '\0');
    zeros = 0;
    if (type.unit == 1) {
      text += char(code);
    } else {
      append_utf8(text, code);
    }
  }
  return text;
}

}  // namespace

bool is_npy(std::string_view bytes) { return bytes.starts_with(kMagic); }

void read_npy_strings(std::string_view bytes, const std::string& name, int64_t min_columns,
                      const std::function<void(const std::vector<std::string>&)>& take) {
  check<DataError>(is_npy(bytes) && bytes.size() >= 12, name,
                   ": the file must begin with the header of a .npy array");
  const int version = uint8_t(bytes[6]);
  check<DataError>(version >= 1 && version <= 3, name, ": versions 1 to 3 of .npy are read, got ",
                   version);
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t header_size = number_at(bytes, 8, length_bytes), start = 8 + length_bytes;
  check<DataError>(header_size <= bytes.size() - start, name, ": the header has ", header_size,
                   " bytes, the file ends after ", bytes.size() - start);
  const Header header = HeaderReader(bytes.substr(start, header_size), name).read();
  const StringType type = parse_type(header.descr, name);
  check<DataError>(!header.fortran_order, name, ": the array must be in row-major order");
  check<DataError>(header.shape.size() == 2, name, ": the array must have 2 dimensions, got ",
                   header.shape.size());
  constexpr int64_t kMost = int64_t(1) << 24;
  const int64_t rows = header.shape[0], columns = header.shape[1];
  const std::string_view data = bytes.substr(start + header_size);
  const size_t item = type.unit * type.length;
  check<DataError>(
      rows <= kMost && columns <= 1000 && data.size() == size_t(rows) * size_t(columns) * item,
      name, ": ", rows, " x ", columns, " strings of ", item, " bytes are announced, got ",
      data.size(), " bytes");
  // Rows without columns need no bytes: then their number could not be believed.
  check<DataError>(columns >= min_columns, name, ": at least ", min_columns,
                   " columns are needed, got ", columns);
  std::vector<std::string> row(static_cast<size_t>(columns));
  for (size_t i = 0; i < size_t(rows); ++i) {
    for (size_t k = 0; k < row.size(); ++k) {
      const size_t at = (i * row.size() + k) * item;
      row[k] = read_string(data.substr(at, item), type, name);
    }
    take(row);
  }
}

}  // namespace skiff
