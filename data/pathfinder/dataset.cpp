#include "data/pathfinder/dataset.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "data/files/binary_file.h"

namespace skiff::pathfinder {

namespace fs = std::filesystem;

std::string level_name(const std::vector<PathfinderSettings>& levels) {
  const int64_t length = levels.front().contour_length;
  const bool same = std::all_of(levels.begin(), levels.end(), [&](const PathfinderSettings& s) {
    return s.contour_length == length;
  });
  if (!same) return "curv_mixed";
  return length == 6 ? "curv_baseline" : "curv_contour_length_" + std::to_string(length);
}

namespace {

// 1.5 -> "1.5"; 2 -> "2.0" if `point`, else "2".
std::string number(double value, bool point) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  std::string result(text, end);
  if (point && value == double(int64_t(value))) result += ".0";
  return result;
}

std::string image_name(int64_t index) { return "sample_" + std::to_string(index) + ".png"; }

}  // namespace

std::vector<std::string> metadata_row(const PathfinderSettings& settings,
                                      const PathfinderImage& image, int64_t batch, int64_t index) {
  return {"imgs/" + std::to_string(batch),
          image_name(index),
          std::to_string(index),
          std::to_string(image.label),
          number(settings.continuity, true),
          std::to_string(settings.contour_length),
          std::to_string(settings.distractor_length),
          std::to_string(settings.dash_length),
          number(settings.thickness, false),
          std::to_string(image.margin),
          std::to_string(settings.dash_contrasts.size())};
}

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string text_of(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) text += ' ';
      text += row[i];
    }
    text += '\n';
  }
  return text;
}

std::string text_of(const std::vector<PathfinderSettings>& levels, uint64_t seed, int64_t count) {
  std::string text = std::to_string(count) + " images of " + std::to_string(levels.front().size) +
                     " pixels per side, seed " + std::to_string(seed) + '\n';
  for (const PathfinderSettings& s : levels) {
    text += "two curves of " + std::to_string(s.contour_length) + " dashes, up to " +
            std::to_string(s.distractors) + " distractors of " +
            std::to_string(s.distractor_length) + "; a curve begins " +
            (s.fair_places ? "wherever there is room (--fair-places)"
                           : "where the authors' program begins it") +
            (s.single_dashes ? "; filled up with single dashes\n" : "\n");
  }
  return text;
}

std::string counts_text(const PathfinderWritten& written) {
  char text[100];
  const double images = double(written.images);
  std::snprintf(text, sizeof text, "written: %.1f attempts and %.3f distractors per image\n",
                double(written.attempts) / images, double(written.distractors) / images);
  return text;
}

// The .npy format, version 1.0, of an array of strings: UCS-4, each filled up with zeros.
std::string npy_of(const Rows& rows) {
  size_t width = 1;
  for (const auto& row : rows) {
    for (const std::string& field : row) width = std::max(width, field.size());
  }
  std::string header = "{'descr': '<U" + std::to_string(width) +
                       "', 'fortran_order': False, 'shape': (" + std::to_string(rows.size()) +
                       ", " + std::to_string(rows.front().size()) + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += char(header.size() & 0xFF);
  bytes += char(header.size() >> 8);
  bytes += header;
  for (const auto& row : rows) {
    for (const std::string& field : row) {
      for (size_t i = 0; i < width; ++i) {
        bytes += i < field.size() ? field[i] : '\0';
        bytes.append(3, '\0');
      }
    }
  }
  return bytes;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check<IoError>(!error, "cannot make the folder '", folder.string(), "': ", error.message());
}

// An empty folder is not an earlier run.
bool holds_anything(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder, error) && !fs::is_empty(folder, error);
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  check<IoError>(!error, "cannot remove '", folder.string(), "': ", error.message());
}

// Without AtomicFile: an image counts when the metadata of its batch is there, which comes last.
// Waiting for the disk after each of 200,000 small files would take longer than to draw them.
void write_image(const fs::path& path, const GrayImage& image) {
  const std::string bytes = encode_png(image);
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  const int error = errno;
  check<IoError>(file.good(), "cannot write '", path.string(), "': ", std::strerror(error));
}

void write_images(const std::vector<PathfinderImage>& images, const fs::path& folder,
                  int64_t first) {
  std::exception_ptr error;  // an exception must not leave the parallel region
  const int64_t count = int64_t(images.size());
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t i = 0; i < count; ++i) {
    try {
      write_image(folder / image_name(first + i), images[size_t(i)].image);
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace

PathfinderWritten generate_dataset(const std::string& folder,
                                   const std::vector<PathfinderSettings>& levels, uint64_t seed,
                                   int64_t count, int64_t per_batch,
                                   const std::function<void(int64_t, int64_t)>& progress,
                                   const PathfinderFileOptions& options) {
  constexpr int64_t kChunk = 256;  // images held in memory
  const auto between = [](int64_t value, const char* name) {
    check<UsageError>(value >= 1 && value <= 100000000, "pathfinder: the number of images ", name,
                      "must be in 1..100000000, got ", value);
  };
  between(count, "");
  between(per_batch, "per batch ");
  check<UsageError>(!levels.empty(), "pathfinder: no level was given");
  const int64_t pixels = levels.front().size;
  for (const PathfinderSettings& s : levels)
    check<UsageError>(s.size == pixels, "pathfinder: the levels of one folder must have one size, ",
                      "got ", pixels, " and ", s.size);
  const std::vector<PathfinderGenerator> generators(levels.begin(), levels.end());
  const fs::path level =
      fs::path(folder) / ("pathfinder" + std::to_string(pixels)) / level_name(levels);
  const fs::path images_folder = level / "imgs", metadata_folder = level / "metadata";
  make_folder(level);
  const FolderLock lock(level.string());
  for (const fs::path& place : {metadata_folder, images_folder}) {
    if (!holds_anything(place)) continue;
    check<UsageError>(options.overwrite, "pathfinder: '", place.string(),
                      "' is there already; give --force to replace it");
    remove_folder(place);
  }
  make_folder(metadata_folder);
  const std::string settings_text = text_of(levels, seed, count);
  write_file(level / "settings.txt", settings_text);

  PathfinderWritten written{level.string()};
  for (int64_t batch = 0; batch * per_batch < count; ++batch) {
    const fs::path batch_folder = images_folder / std::to_string(batch);
    make_folder(batch_folder);
    const int64_t first = batch * per_batch, size = std::min(per_batch, count - first);
    Rows rows;
    while (int64_t(rows.size()) < size) {
      const int64_t done = int64_t(rows.size());
      const auto images =
          generate_images(generators, seed, first + done, std::min(kChunk, size - done));
      write_images(images, batch_folder, done);
      for (const PathfinderImage& image : images) {
        const auto& own = levels[size_t(written.images) % levels.size()];
        rows.push_back(metadata_row(own, image, batch, int64_t(rows.size())));
        written.positives += image.label;
        written.attempts += image.attempts;
        written.distractors += image.distractors;
        ++written.images;
      }
      if (progress) progress(written.images, count);
    }
    write_file(metadata_folder / (std::to_string(batch) + ".npy"),
               options.numpy_metadata ? npy_of(rows) : text_of(rows));
  }
  write_file(level / "settings.txt", settings_text + counts_text(written));
  return written;
}

}  // namespace skiff::pathfinder
