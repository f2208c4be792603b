#include "data/files/npy.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "core/check.h"
#include "data/characters.h"
#include "data/files/text_file.h"

namespace skiff {

bool is_npy(std::string_view bytes) { return bytes.starts_with("\x93NUMPY"); }

void read_npy_strings(std::string_view bytes, const std::string& name, int64_t min_columns,
                      const std::function<void(const std::vector<std::string>&)>& take) {
  constexpr size_t kStart = 10;  // mark, version, length of the header
  check<DataError>(is_npy(bytes) && bytes.size() >= kStart && bytes[6] == 1, name,
                   ": the file must begin with the header of a .npy array, version 1.0");
  const size_t header_size = uint8_t(bytes[8]) | size_t(uint8_t(bytes[9])) << 8;
  check<DataError>(header_size <= bytes.size() - kStart, name, ": the header has ", header_size,
                   " bytes, the file ends after ", bytes.size() - kStart);
  // NumPy writes it in this form: {'descr': '<U13', 'fortran_order': False, 'shape': (160, 11), }
  const std::string header(bytes.substr(kStart, header_size));
  char order = 0, kind = 0;
  long long length = 0, rows = 0, columns = 0;
  const int read = std::sscanf(
      header.c_str(), "{'descr': '%c%c%9lld', 'fortran_order': False, 'shape': (%9lld, %9lld)",
      &order, &kind, &length, &rows, &columns);
  const bool strings = (order == '<' && kind == 'U') || (order == '|' && kind == 'S');
  check<DataError>(read == 5 && strings && length >= 1 && rows >= 0, name,
                   ": the array must have 2 dimensions and hold strings (<U or |S) in row-major "
                   "order, got the header ",
                   quoted(header));
  // Rows without columns need no bytes, so that nothing would limit their number.
  check<DataError>(columns >= min_columns, name, ": at least ", min_columns,
                   " columns are needed, got ", columns);
  const size_t unit = kind == 'U' ? 4 : 1, item = unit * size_t(length);
  const std::string_view data = bytes.substr(kStart + header_size);
  // By division: the product of the three numbers may be too large for 64 bits.
  const size_t row_bytes = size_t(std::min(columns, 1000LL)) * item;
  const bool whole = columns == 0
                         ? data.empty()
                         : data.size() % row_bytes == 0 && data.size() / row_bytes == size_t(rows);
  check<DataError>(columns <= 1000 && whole, name, ": ", rows, " x ", columns, " strings of ", item,
                   " bytes are announced, got ", data.size(), " bytes");
  std::vector<std::string> row(static_cast<size_t>(columns));
  size_t at = 0;
  for (long long i = 0; i < rows; ++i) {
    for (std::string& text : row) {
      text.clear();
      for (const size_t end = at + item; at < end; at += unit) {
        char32_t code = 0;
        for (size_t k = 0; k < unit; ++k) code |= char32_t(uint8_t(data[at + k])) << (8 * k);
        check<DataError>(code <= 0x10FFFF, name, ": the array holds ", uint32_t(code),
                         ", no character");
        text += kind == 'U' ? to_utf8(code) : std::string(1, char(code));
      }
      text.erase(text.find_last_not_of('\0') + 1);  // filled up with zeros
    }
    take(row);
  }
}

}  // namespace skiff
