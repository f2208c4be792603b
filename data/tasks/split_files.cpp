#include "data/tasks/split_files.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <optional>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"

namespace skiff {

namespace fs = std::filesystem;

size_t SplitFiles::index_of(const std::string& path) const {
  size_t i = 0;
  while (i < files.size() && fs::path(path).filename() != files[i].name) ++i;
  return i;
}

std::string SplitFiles::find(const std::string& dir) const {
  if (index_of(dir) < files.size()) {
    const fs::path parent = fs::path(dir).parent_path();
    return parent.empty() ? "." : parent.string();
  }
  const std::string place = first_place(
      dir, places, [&](const fs::path& path) { return is_there(path / files[0].name); });
  if (!place.empty()) return place;
  return is_archive_name(dir) && is_file(dir) ? dir : find_release(dir);
}

std::string SplitFiles::find_or_fail(const std::string& dir) const {
  const std::string place = find(dir);
  check_found(place, files[0].name, dir, places, "nor the archive lra_release.gz", hint);
  return place;
}

void SplitFiles::read(const std::string& place, const Scan& scan) const {
  const auto use = [&](size_t i, const std::string& path, LineReader& reader) {
    scan(i, reader, [&](int64_t line, const std::string& reason) {
      throw_problem(files[i].split, path, line, reason);
    });
  };
  const Unusable absent = [&](size_t, const std::string& path, const std::string&) {
    fail<DataError>("cannot find '", path, "'; ", hint);
  };
  const Unusable unreadable = [&](size_t i, const std::string& path, const std::string& reason) {
    throw_problem(files[i].split, path, 0, reason);
  };
  for_each(place, use, absent, unreadable);
}

bool SplitFiles::check(const std::string& place, const Scan& scan, ReportBuilder* report) const {
  const Refuse refuse = report->refuse();
  const auto use = [&](size_t i, const std::string& path, LineReader& reader) {
    report->begin(files[i].split, path);
    const auto refuse_line = [&](int64_t line, const std::string& reason) {
      refuse(files[i].split, path, line, reason);
    };
    try {
      scan(i, reader, refuse_line);
    } catch (const DataError& error) {
      refuse_line(reader.line(), error.what());
    }
  };
  size_t missing = 0;
  const Unusable unreadable = [&](size_t i, const std::string& path, const std::string& reason) {
    report->begin(files[i].split, path);
    refuse(files[i].split, path, 0, reason);
  };
  const Unusable absent = [&](size_t i, const std::string& path, const std::string&) {
    unreadable(i, path, "the file is missing");
    ++missing;
  };
  try {
    for_each(place, use, absent, unreadable);
  } catch (const DataError& error) {
    refuse("train", place, 0, error.what());
  }
  return missing < files.size();
}

void SplitFiles::for_each(const std::string& place, const Use& use, const Unusable& absent,
                          const Unusable& unreadable) const {
  if (!is_file(place)) {
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string path = (fs::path(place) / files[i].name).string();
      if (!is_there(path)) {
        absent(i, path, "");
        continue;
      }
      std::optional<LineReader> reader;
      try {
        reader.emplace(path);
      } catch (const DataError& error) {
        unreadable(i, path, error.what());
        continue;
      }
      use(i, path, *reader);
    }
    return;
  }
  constexpr std::string_view kInner = "lra_release/lra_release/";  // nothing is deeper
  std::array<int64_t, 3> depths = {-1, -1, -1};
  std::array<std::exception_ptr, 3> errors;
  int64_t final = 0;
  ArchiveReader archive(place);
  while (final < 3 && archive.next()) {
    const std::string& name = archive.name();
    const size_t i = index_of(name);
    const int64_t depth = deepest ? std::count(name.begin(), name.end(), '/') : 0;
    if (i == files.size() || depth <= depths[i]) continue;
    depths[i] = depth;
    errors[i] = nullptr;
    final += !deepest || name.find(kInner) != name.npos;
    LineReader reader(archive.place(),
                      [&](char* into, size_t count) { return archive.read(into, count); });
    try {
      use(i, archive.place(), reader);
    } catch (const DataError&) {
      if (!deepest) throw;
      errors[i] = std::current_exception();
    }
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (depths[i] < 0) absent(i, place + ": " + files[i].name, "");
    if (errors[i]) std::rethrow_exception(errors[i]);
  }
}

}  // namespace skiff
