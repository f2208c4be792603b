// Tables of strings as NumPy writes them, put together by hand.
#pragma once

#include <string>
#include <vector>

namespace skiff::testing {

using Row11 = std::vector<std::string>;
// The columns of the metadata of one image of Pathfinder.
inline Row11 row_of(int batch, int index, int label) {
  return {"imgs/" + std::to_string(batch),
          "sample_" + std::to_string(index) + ".png",
          std::to_string(index),
          std::to_string(label),
          "1.0",
          "14",
          "4",
          "2",
          "0.5",
          "1",
          "1"};
}

inline std::string npy_header(const std::string& dictionary, int version = 1) {
  std::string header = dictionary;
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes = "\x93NUMPY" + std::string{char(version), '\0'};
  bytes += {char(header.size()), char(header.size() >> 8)};
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header;
}
// A NumPy array of strings: kind U (four bytes per character) or S.
inline std::string npy_of(const std::vector<Row11>& rows, char kind, int version = 1,
                          char order = '<') {
  constexpr size_t kLength = 13;
  std::string bytes = npy_header(std::string("{'descr': '") + (kind == 'U' ? order : '|') + kind +
                                     "13', 'fortran_order': False, 'shape': (" +
                                     std::to_string(rows.size()) + ", 11), }",
                                 version);
  for (const Row11& row : rows) {
    for (const std::string& text : row) {
      for (size_t i = 0; i < kLength; ++i) {
        const char c = i < text.size() ? text[i] : '\0';
        if (kind == 'S') bytes += c;
        if (kind == 'U') bytes += order == '<' ? std::string{c, 0, 0, 0} : std::string{0, 0, 0, c};
      }
    }
  }
  return bytes;
}

}  // namespace skiff::testing
