#include "data/files/text_file.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "core/check.h"
#include "data/characters.h"
#include "data/files/binary_file.h"

namespace skiff {

namespace {
constexpr size_t kChunk = size_t(1) << 16;
constexpr size_t kLongestLine = size_t(1) << 24;
}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    char32_t character = 0;
    const bool valid = read_character(text, &at, &character);
    if (!valid) ++at;
    const bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
    if (valid && !control) {
      result += text.substr(begin, at - begin);
      continue;
    }
    for (const char c : text.substr(begin, at - begin)) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", unsigned(uint8_t(c)));
      result += code;
    }
  }
  return result;
}

std::string quoted(std::string_view value) {
  size_t end = std::min<size_t>(value.size(), 40);
  while (end < value.size() && end > 36 && (uint8_t(value[end]) & 0xC0) == 0x80) --end;
  const std::string shown = printable(value.substr(0, end));
  return "'" + shown + (end < value.size() ? "..." : "") + "'";
}

LineReader::LineReader(const std::string& path) : path_(path) {
  source_ = [file = std::make_shared<InputFile>(path)](char* into, size_t count) {
    return file->read(into, count);
  };
}

LineReader::LineReader(const std::string& name, Source source)
    : path_(name), source_(std::move(source)) {}

bool LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  check<DataError>(end_ < kLongestLine, path_, ":", line_ + 1, ": a line is longer than ",
                   kLongestLine >> 20, " MiB");
  if (buffer_.size() < end_ + kChunk) buffer_.resize(end_ + kChunk);
  const size_t count = source_(buffer_.data() + end_, kChunk);
  end_ += count;
  return count > 0;
}

bool LineReader::next(std::string_view* line) {
  size_t searched = 0;
  const char* newline = nullptr;
  while (true) {
    const char* first = buffer_.data() + begin_;
    newline =
        static_cast<const char*>(std::memchr(first + searched, '\n', end_ - begin_ - searched));
    if (newline != nullptr) break;
    searched = end_ - begin_;
    if (!fill()) break;
  }
  if (newline == nullptr && begin_ == end_) return false;
  const char* first = buffer_.data() + begin_;
  std::string_view text(first, newline ? size_t(newline - first) : end_ - begin_);
  begin_ += text.size() + (newline ? 1 : 0);
  if (++line_ == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.ends_with('\r')) text.remove_suffix(1);
  *line = text;
  return true;
}

}  // namespace skiff
