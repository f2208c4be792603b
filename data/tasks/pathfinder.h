// Pathfinder (Linsley et al., 2018; Long Range Arena: Tay et al., 2021): is there a path between
// the two discs? Gray images of 32 x 32 pixels, or 128 x 128 (Path-X). Reads the folders that
// lra_release.gz unpacks to, the archive itself, and the folders of our generator, by the S4
// protocol (state-spaces/s4, src/dataloaders/lra.py): the level curv_contour_length_14 alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "data/tasks.h"

namespace skiff::pathfinder {

inline constexpr int64_t kClasses = 2;  // 1: there is a path

struct LoadOptions {
  // The original protocol: pixels are tokens, and the three splits follow one another. (The S4
  // protocol: numbers, and seeded splits.)
  bool original = false;
  bool cache = true;  // keep what was read from an archive (data/cache.h)
  std::function<void(int64_t done, int64_t total)> progress = {};  // images
  // A file is skipped (of at most 10), or something takes minutes.
  std::function<void(const std::string& message)> warn = {};
};

// The folder of the level of pathfinder<side> (it holds imgs and metadata), or lra_release.gz; ""
// if there is none. Looks for pathfinder32 in the folders pathfinder, lra_release/lra_release and
// lra_release of `folder` and in itself, else for the archive. `folder` may also be
// pathfinder32, its level or the archive.
std::string find(const std::string& folder, int64_t side);

// Examples in the order of the metadata, split 80 / 10 / 10. Images that are missing, empty or no
// PNG are skipped, and the note of the data counts them. Throws DataError with file, line and
// reason. One byte per pixel is held: 0.2 GB for Pathfinder32, 3.3 GB for Path-X.
TaskData load(const std::string& folder, int64_t side, const LoadOptions& options = {});

// Reads every image; what is skipped is in the notes.
TaskReport check_files(const std::string& folder, int64_t side);

Task task_32();  // their rows in the table of tasks
Task task_pathx();

}  // namespace skiff::pathfinder
