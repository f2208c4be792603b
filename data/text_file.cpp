#include "data/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "data/binary_file.h"
#include "data/characters.h"

namespace skiff {

namespace {
constexpr size_t kChunk = size_t(1) << 20;
constexpr size_t kLongestLine = size_t(1) << 24;

// open, write, fsync and read may be interrupted by a signal and are then repeated.
template <class Call>
auto repeat_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}
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
  return "'" + printable(value.substr(0, end)) + (end < value.size() ? "..." : "") + "'";
}

LineReader::LineReader(const std::string& path) : path_(path) {
  file_ = open_file(path);
  source_ = [this](char* into, size_t count) {
    const ssize_t got = repeat_interrupted([&] { return ::read(file_, into, count); });
    check<DataError>(got >= 0, "cannot read '", path_, "': ", std::strerror(errno));
    return size_t(got);
  };
}

LineReader::LineReader(const std::string& name, Source source)
    : path_(name), source_(std::move(source)) {}

LineReader::~LineReader() {
  if (file_ >= 0) ::close(file_);
}

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

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), temporary_(path + ".tmp." + std::to_string(::getpid())) {
  file_ = repeat_interrupted(
      [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
  check<IoError>(file_ >= 0, "cannot write '", path_, "': ", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!published_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  check(!finished_, "write: '", path_, "' is finished");
  buffer_.append(bytes);
  if (buffer_.size() >= kChunk) flush();
}

void AtomicFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t count = repeat_interrupted(
        [&] { return ::write(file_, buffer_.data() + done, buffer_.size() - done); });
    check<IoError>(count >= 0, "cannot write '", path_, "': ", std::strerror(errno));
    done += size_t(count);
  }
  buffer_.clear();
}

void AtomicFile::finish() {
  if (finished_) return;
  flush();
  check<IoError>(repeat_interrupted([&] { return ::fsync(file_); }) == 0, "cannot write '", path_,
                 "': ", std::strerror(errno));
  const int closed = ::close(file_);
  file_ = -1;
  check<IoError>(closed == 0, "cannot write '", path_, "': ", std::strerror(errno));
  finished_ = true;
}

void AtomicFile::publish() {
  finish();
  check<IoError>(::rename(temporary_.c_str(), path_.c_str()) == 0, "cannot write '", path_,
                 "': ", std::strerror(errno));
  published_ = true;
  // The name is in the folder; some file systems cannot sync a folder, and then need not.
  std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  if (folder.empty()) folder = ".";
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  const bool synced = repeat_interrupted([&] { return ::fsync(handle); }) == 0 || errno == EINVAL;
  const int error = errno;
  ::close(handle);
  check<IoError>(synced, "cannot write '", folder.string(), "': ", std::strerror(error));
}

}  // namespace skiff
