#include "data/tasks/pathfinder_files.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/npy.h"
#include "data/files/text_file.h"

namespace skiff::pathfinder {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kLargestImage = int64_t(1) << 20;     // bytes of a PNG; released: 5,000
constexpr int64_t kLargestMetadata = int64_t(1) << 28;  // of a file; released: 600,000

constexpr size_t kColumns = 4;  // folder, file, index, label
constexpr size_t kDashes = 5;   // of the marked curve; the others are not read

std::string set_name(int64_t side) { return "pathfinder" + std::to_string(side); }

bool is_level(const fs::path& path) { return is_folder(path / "metadata"); }

// "12.npy" -> 12; -1 for another name.
int64_t metadata_number(const std::string& file) {
  int64_t number = -1;
  const char* end = file.data() + file.size();
  const auto [rest, error] = std::from_chars(file.data(), end, number);
  const bool good = error == std::errc() && std::string_view(rest, size_t(end - rest)) == ".npy";
  return good && number >= 0 ? number : -1;
}

// Hidden files are left by copying and packing programs.
bool is_hidden(const std::string& file) { return file.starts_with('.'); }

void add_metadata(LevelFiles& files, const std::string& file, const std::string& name,
                  std::string bytes) {
  const int64_t number = metadata_number(file);
  check<DataError>(number >= 0, name, ": a metadata file must be called <number>.npy");
  for (auto& other : files.metadata) {
    if (other.number != number) continue;
    check<DataError>(other.name == name, name, ": ", other.name, " has the same number");
    other.bytes = std::move(bytes);  // an archive with the file twice: the last one counts
    return;
  }
  files.metadata.push_back({number, name, std::move(bytes)});
}

void sort_metadata(LevelFiles& files, const std::string& place) {
  check<DataError>(!files.metadata.empty(), place, ": no metadata/<number>.npy is there");
  std::sort(files.metadata.begin(), files.metadata.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
}

// ---- A folder

// Whether the first image that can be seen in a level has this side: its header says so.
bool first_image_has_side(const fs::path& level, int64_t side) {
  std::error_code error;
  fs::recursive_directory_iterator entry(level / "imgs", error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != ".png" || !entry->is_regular_file(error)) continue;
    std::FILE* file = std::fopen(entry->path().c_str(), "rb");
    if (file == nullptr) continue;
    uint8_t header[24];
    const size_t count = std::fread(header, 1, sizeof header, file);
    std::fclose(file);
    if (count < sizeof header) continue;
    return (header[16] << 24 | header[17] << 16 | header[18] << 8 | header[19]) == side;
  }
  return false;
}

LevelFiles open_folder(const std::string& level) {
  LevelFiles files;
  const fs::path metadata = fs::path(level) / "metadata";
  check<DataError>(is_level(level), level, ": the folder 'metadata' is missing");
  for (const std::string& file : names_in(metadata)) {
    const std::string path = (metadata / file).string();
    if (!is_hidden(file)) add_metadata(files, file, path, read_file(path, kLargestMetadata));
  }
  sort_metadata(files, level);
  files.name_of = [level](const std::string& file) { return (fs::path(level) / file).string(); };
  files.read = [name_of = files.name_of](const std::string& file) {
    return read_file(name_of(file), kLargestImage);
  };
  return files;
}

// ---- lra_release.gz

// The files of the level by their names in it.
using Images = std::unordered_map<std::string, std::string>;

struct Root {
  LevelFiles files;
  Images images;
};

void add_member(Root& root, const std::string& file, ArchiveReader& archive) {
  const fs::path path(file);
  const std::string name = path.filename().string();
  if (is_hidden(name)) return;
  if (path.parent_path() == "metadata") {
    add_metadata(root.files, name, archive.place(), archive.read_all(kLargestMetadata));
  } else {
    root.images[file] = archive.read_all(kLargestImage);
  }
}

// The archive has some folders twice, in lra_release and in lra_release/lra_release, and the outer
// ones are not complete: the folder with most images counts, of equal ones the inner.
Root read_archive(const std::string& archive_path, int64_t side) {
  ArchiveReader archive(archive_path);
  const std::string level = set_name(side) + '/' + kLevel + '/';
  std::map<std::string, Root> roots;
  while (archive.next()) {
    const std::string& name = archive.name();
    const size_t at = name.find(level);
    if (at == std::string::npos || (at > 0 && name[at - 1] != '/')) continue;
    add_member(roots[name.substr(0, at)], name.substr(at + level.size()), archive);
  }
  check<DataError>(!roots.empty(), archive_path, ": the archive has no folder ", level);
  const auto best = std::max_element(
      roots.rbegin(), roots.rend(),
      [](const auto& a, const auto& b) { return a.second.images.size() < b.second.images.size(); });
  return std::move(best->second);
}

LevelFiles open_archive(const std::string& archive_path, int64_t side) {
  const auto root = std::make_shared<Root>(read_archive(archive_path, side));
  LevelFiles files = std::move(root->files);
  sort_metadata(files, archive_path);
  files.name_of = [archive_path](const std::string& file) { return archive_path + ": " + file; };
  files.read = [root, name_of = files.name_of](const std::string& file) {
    const auto entry = root->images.find(file);
    check<DataError>(entry != root->images.end(), name_of(file), ": is not in the archive");
    return entry->second;
  };
  return files;
}

// ---- Metadata

// The words that a Row is made of; a line may go on.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size() && words.size() <= kDashes;) {
    const size_t begin = line.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t", begin), line.size());
    words.emplace_back(line.substr(begin, at - begin));
  }
  return words;
}

Row to_row(const std::vector<std::string>& columns) {
  check<DataError>(columns.size() >= kColumns, kColumns,
                   " columns are needed (folder, file, index, label), got ", columns.size());
  const std::string& label = columns[3];
  check<DataError>(label == "0" || label == "1", "the label must be 0 or 1, got ",
                   skiff::quoted(label));
  const fs::path file = fs::path(columns[0]) / columns[1];
  const bool inside = file.is_relative() && !columns[1].empty() &&
                      std::find(file.begin(), file.end(), "..") == file.end();
  check<DataError>(inside, "the image must be a file in the folder, got ",
                   skiff::quoted(file.string()));
  uint16_t dashes = 0;
  if (columns.size() > kDashes)
    std::from_chars(columns[kDashes].data(), columns[kDashes].data() + columns[kDashes].size(),
                    dashes);
  return {file.lexically_normal().string(), label == "1" ? 1 : 0, dashes};
}

}  // namespace

std::vector<Row> parse_metadata(const std::string& bytes, const std::string& name,
                                const std::function<void(int64_t, const std::string&)>& refuse) {
  std::vector<Row> rows;
  int64_t number = 0;
  const auto take = [&](const std::vector<std::string>& columns) {
    ++number;
    try {
      rows.push_back(to_row(columns));
    } catch (const DataError& error) {
      refuse(number, error.what());
    }
  };
  if (is_npy(bytes)) {
    read_npy_strings(bytes, name, int64_t(kColumns), take);
    return rows;
  }
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = std::string_view(bytes).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    take(words_of(line));
    at = end + 1;
  }
  if (bytes.empty()) refuse(0, "the file is empty");
  return rows;
}

Place find_place(const std::string& folder, int64_t side) {
  const fs::path root(folder);
  const std::string name = set_name(side);
  if (is_file(root)) {
    const std::string file = root.filename().string();
    if (file.starts_with("lra_release") && is_archive_name(file)) return {folder, true};
    return {};
  }
  const auto at = [&](const std::string& place) {
    return Place{(fs::path(place) / name / kLevel).lexically_normal().string(), false};
  };
  const std::string whole = first_place(
      folder, kPlaces, [&](const fs::path& path) { return is_level(path / name / kLevel); });
  if (!whole.empty()) return at(whole);
  for (const fs::path& level : {root / kLevel, root}) {
    if (is_level(level) && first_image_has_side(level, side)) return {level.string(), false};
  }
  if (const std::string release = find_release(folder); !release.empty()) return {release, true};
  // A folder of the set without that level: what is missing there is said when it is opened.
  const std::string place =
      first_place(folder, kPlaces, [&](const fs::path& path) { return is_folder(path / name); });
  return place.empty() ? Place{} : at(place);
}

LevelFiles open_level(const Place& place, int64_t side) {
  return place.archive ? open_archive(place.path, side) : open_folder(place.path);
}

}  // namespace skiff::pathfinder
