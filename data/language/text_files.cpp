#include "data/language/text_files.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"

namespace skiff {

namespace fs = std::filesystem;

namespace {

// For up to so many files an archive is read once per file, which needs no memory. More files are
// collected in one pass.
constexpr size_t kFewFiles = 8;

// Whether a file begins as zip or, once unpacked, as tar does.
bool is_archive(const std::string& path) {
  char start[512] = {};
  GzipReader reader(path);
  const size_t count = reader.read(start, sizeof start);
  const std::string_view bytes(start, count);
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06") ||
         (count == sizeof start && bytes.substr(257, 5) == "ustar");
}

bool is_hidden(std::string_view name) { return name.starts_with('.') || name == "__MACOSX"; }

// Refuses a name that leads out of the archive; true for a hidden file.
bool check_name(const std::string& archive, const std::string& name) {
  bool hidden = false;
  check<DataError>(!name.starts_with('/') && !name.starts_with('\\'), archive, ": the name ",
                   quoted(name), " is absolute, which no archive of texts needs");
  for (const fs::path& part : fs::path(name)) {
    check<DataError>(part != "..", archive, ": the name ", quoted(name),
                     " leads out of the archive");
    hidden = hidden || is_hidden(part.string());
  }
  return hidden;
}

}  // namespace

TextFiles::TextFiles(const std::string& place) : place_(place) {
  check<DataError>(is_there(place), "cannot find '", place, "'");
  if (is_folder(place)) {
    kind_ = Kind::Folder;
    list_folder("", 1);
  } else if (is_archive(place)) {
    kind_ = Kind::Archive;
    list_archive();
  } else {
    names_ = {fs::path(place).filename().string()};
  }
}

std::string TextFiles::path_of(const std::string& name) const {
  if (kind_ == Kind::File) return place_;
  return kind_ == Kind::Archive ? printable(place_ + ": " + name)
                                : (fs::path(place_) / name).string();
}

void TextFiles::list_folder(const std::string& folder, int levels) {
  for (const std::string& name : names_in(fs::path(place_) / folder)) {
    if (is_hidden(name)) continue;
    const std::string path = folder + name;
    const bool is_split = name == "train" || name == "test";
    if (!is_folder(fs::path(place_) / path)) {
      names_.push_back(path);
    } else if (is_split || levels > 0) {
      list_folder(path + '/', is_split ? 1 : levels - 1);
    }
  }
  if (folder.empty()) std::sort(names_.begin(), names_.end());
}

void TextFiles::list_archive() {
  ArchiveReader archive(place_);
  while (archive.next()) {
    if (!check_name(place_, archive.name())) names_.push_back(archive.name());
  }
  std::sort(names_.begin(), names_.end());
  const auto twice = std::adjacent_find(names_.begin(), names_.end());
  check<DataError>(twice == names_.end(), place_, ": there are two files of the name ",
                   quoted(twice == names_.end() ? "" : *twice));
}

void TextFiles::feed(const std::string& name, const Source& source, TokenReader* reader) const {
  std::error_code error;
  const auto size = fs::file_size(kind_ == Kind::Folder ? path_of(name) : place_, error);
  const int64_t most = most_unpacked(error ? 0 : int64_t(size));
  int64_t total = 0;
  std::string piece(kTextPiece, '\0');
  reader->begin(path_of(name));
  while (true) {
    size_t count = 0, got = 1;
    while (count < kTextPiece && got > 0) {
      got = source(piece.data() + count, kTextPiece - count);
      count += got;
    }
    reader->add({piece.data(), count});
    total += int64_t(count);
    check<DataError>(total <= most, path_of(name), ": the unpacked text has more than ", most,
                     " bytes, which is too much for its file");
    if (count < kTextPiece) return;
  }
}

void TextFiles::read(const std::vector<std::string>& names, bool join, TokenReader* reader,
                     const std::function<void()>& ended) const {
  if (kind_ == Kind::Archive && names.size() > kFewFiles) {
    return read_many(names, join, reader, ended);
  }
  for (const std::string& name : names) {
    if (kind_ == Kind::Archive) {
      ArchiveReader archive(place_);
      while (archive.next() && archive.name() != name) {
      }
      feed(
          name, [&](char* into, size_t count) { return archive.read(into, count); }, reader);
    } else {
      GzipReader file(path_of(name));
      feed(
          name, [&](char* into, size_t count) { return file.read(into, count); }, reader);
    }
    reader->end(join);
    ended();
  }
}

// The files of an archive come in its order, so all of them are held until they are sorted.
void TextFiles::read_many(const std::vector<std::string>& names, bool join, TokenReader* reader,
                          const std::function<void()>& ended) const {
  std::unordered_map<std::string, size_t> index_of;
  for (size_t i = 0; i < names.size(); ++i) index_of[names[i]] = i;
  std::vector<std::string> texts(names.size());
  ArchiveReader archive(place_);
  while (archive.next()) {
    const auto found = index_of.find(archive.name());
    if (found != index_of.end()) texts[found->second] = archive.read_all();
  }
  for (size_t i = 0; i < names.size(); ++i) {
    std::string_view left = texts[i];
    const auto source = [&](char* into, size_t count) {
      const size_t got = left.copy(into, count);
      left.remove_prefix(got);
      return got;
    };
    feed(names[i], source, reader);
    reader->end(join);
    ended();
    std::string().swap(texts[i]);
  }
}

}  // namespace skiff
