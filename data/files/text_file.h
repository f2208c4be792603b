// Lines of a text file, and parts of it for messages.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace skiff {

// Text of unknown origin for a message or a terminal: control characters, and bytes that are not
// UTF-8, as \xNN. Text that is printable already does not change.
std::string printable(std::string_view text);
// 'value' for a message: printable, and cut after 40 bytes.
std::string quoted(std::string_view value);
// Without these, std::quoted would match a std::string better.
inline std::string quoted(const std::string& value) { return quoted(std::string_view(value)); }
inline std::string quoted(std::string& value) { return quoted(std::string_view(value)); }

// Reads a file, or what a source gives, line by line. Accepts LF and CR LF, a byte order mark
// (UTF-8), and a last line without an end. Throws DataError when the file cannot be read.
class LineReader {
 public:
  explicit LineReader(const std::string& path);
  // source(into, count) gives the next bytes, at most count, and 0 at the end; name: for messages.
  using Source = std::function<size_t(char*, size_t)>;
  LineReader(const std::string& name, Source source);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool next(std::string_view* line);      // valid until the next call; false at the end
  int64_t line() const { return line_; }  // number of the line last returned, from 1

 private:
  bool fill();  // reads on; false at the end

  std::string path_;
  Source source_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;  // the part of the buffer not returned yet
  int64_t line_ = 0;
};

}  // namespace skiff
