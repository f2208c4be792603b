// Pathfinder images as files, in the layout of the Long Range Arena archive.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/pathfinder/generator.h"

namespace skiff::pathfinder {

struct PathfinderFileOptions {
  bool overwrite = false;       // replace the images and the metadata of an earlier run
  bool numpy_metadata = false;  // an array of strings, as the generator of the authors writes it;
                                // else lines of text, as the released archive has them
};

struct PathfinderWritten {
  std::string folder;  // FOLDER/pathfinder<size>/curv_contour_length_<L>
  int64_t images = 0, positives = 0, attempts = 0, distractors = 0;
};

// "curv_contour_length_14"; for 6 dashes "curv_baseline", its name in the archive; "curv_mixed" for
// levels that differ in the length.
std::string level_name(const std::vector<PathfinderSettings>& levels);

// The columns of the metadata of one image.
std::vector<std::string> metadata_row(const PathfinderSettings& settings,
                                      const PathfinderImage& image, int64_t batch, int64_t index);

// Writes <level>/imgs/<batch>/sample_<i>.png and, when a batch is complete, metadata/<batch>.npy;
// in <level>/settings.txt, for people, how the images are made, and at the end what was counted.
// Images that are there already are an error unless `overwrite`. progress(done, total) is called
// after some images each. Several levels take turns: image i is one of levels[i modulo their
// number]. UsageError unless there is one and all have one size; IoError.
PathfinderWritten generate_dataset(const std::string& folder,
                                   const std::vector<PathfinderSettings>& levels, uint64_t seed,
                                   int64_t count, int64_t per_batch,
                                   const std::function<void(int64_t, int64_t)>& progress = {},
                                   const PathfinderFileOptions& options = {});

}  // namespace skiff::pathfinder
