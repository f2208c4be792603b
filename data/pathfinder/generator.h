// Images of Pathfinder (Linsley et al., "Learning long-range spatial dependencies with horizontal
// gated recurrent units", NeurIPS 2018) as in the Long Range Arena: two long curves of dashes among
// short ones, and two discs that mark the ends of one curve (label 1) or of both (label 0).
// Source: drewlinsley/pathfinder, snakes2.py (2019); parameters: google-research/long-range-arena,
// lra_benchmarks/data/pathfinder.py.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/pathfinder/drawing.h"

namespace skiff::pathfinder {

struct PathfinderSettings {
  int64_t size = 32;            // height and width in pixels
  int64_t padding = 1;          // border that no dash may touch
  int64_t antialias = 2;        // dashes and discs are drawn this many times larger
  int64_t seed_distance = 7;    // between the first ends of the two targets
  double marker_radius = 1.5;   // of the discs
  int64_t contour_length = 14;  // dashes of a target
  int64_t distractor_length = 4;
  int64_t distractors = 5;
  double continuity = 1.0;  // how straight a curve is: a turn of pi / 2 / continuity is impossible
  int64_t dash_length = 2;
  double thickness = 0.5;              // times antialias, it must be an integer
  std::vector<int64_t> margins = {1};  // free space around a dash; one is drawn for each image
  std::vector<double> snake_contrasts = {2};
  std::vector<double> dash_contrasts = {0.75};  // a factor of each dash of a target
  bool single_dashes = false;                   // fill up with dashes that belong to no curve
  // A curve begins in any direction that there is room for. The authors' program refuses many
  // directions of small images (pathfinder_plan.cpp), and so places fewer distractors.
  bool fair_places = false;
};

// The settings of the benchmark for 32, 64, 128 (Path-X) or 256 pixels. The authors' levels have
// targets of 6, 9 and 14 dashes (the benchmark takes 14); distractors have a third of them.
// UsageError for another size.
PathfinderSettings pathfinder_settings(int64_t size, int64_t contour_length = 14);

// UsageError names the first one that is impossible.
void check_settings(const PathfinderSettings& settings);

struct Dash {
  int64_t snake = 0;  // 0 and 1 are the targets
  Point start;        // for the first dash of a snake, its free end; else the end away from it
  double angle = 0;   // from the start to the other end
  double contrast = 0;
};

struct PathfinderImage {
  GrayImage image;
  int32_t label = 0;   // 1: both discs are on one curve
  int64_t margin = 0;  // the one drawn

  // How it was made.
  std::array<Point, 2> tips;          // the discs: at the first and the last end of a target
  std::array<int64_t, 2> tip_snakes;  // and of which, 0 or 1
  std::vector<Dash> dashes;           // by snake, each in order
  int64_t attempts = 0;               // to draw the two targets
  int64_t distractors = 0;            // that found a place
};

struct Plan;  // what depends on the settings only

// Image `index` of a seed is drawn from a random stream of its own, so images can be made in any
// order and by any number of threads.
class PathfinderGenerator {
 public:
  explicit PathfinderGenerator(PathfinderSettings settings);  // UsageError for impossible ones

  // UsageError when the targets have found no place after many attempts.
  PathfinderImage generate(uint64_t seed, int64_t index) const;
  const PathfinderSettings& settings() const { return settings_; }

 private:
  PathfinderSettings settings_;
  std::shared_ptr<const Plan> plan_;
};

// One image, or those first .. first + count - 1 in parallel; several generators take turns.
PathfinderImage generate_image(const PathfinderSettings& settings, uint64_t seed, int64_t index);
std::vector<PathfinderImage> generate_images(const PathfinderGenerator& generator, uint64_t seed,
                                             int64_t first, int64_t count);
std::vector<PathfinderImage> generate_images(const std::vector<PathfinderGenerator>& generators,
                                             uint64_t seed, int64_t first, int64_t count);

// ---- Files (pathfinder_dataset.cpp)

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
std::string level_name(const PathfinderSettings& settings);
std::string level_name(const std::vector<PathfinderSettings>& levels);

// The columns of the metadata of one image.
std::vector<std::string> metadata_row(const PathfinderSettings& settings,
                                      const PathfinderImage& image, int64_t batch, int64_t index);

// Writes <level>/imgs/<batch>/sample_<i>.png and, when a batch is complete, metadata/<batch>.npy;
// in <level>/settings.txt, for people, how the images are made, and at the end what was counted.
// Images that are there already are an error unless `overwrite`. progress(done, total) is called
// now and then. UsageError, IoError.
PathfinderWritten generate_dataset(const std::string& folder, const PathfinderSettings& settings,
                                   uint64_t seed, int64_t count, int64_t per_batch,
                                   const std::function<void(int64_t, int64_t)>& progress = {},
                                   const PathfinderFileOptions& options = {});

// The same of several levels, which take turns: image i is one of levels[i modulo their number].
// UsageError unless there is one and all have one size.
PathfinderWritten generate_dataset(const std::string& folder,
                                   const std::vector<PathfinderSettings>& levels, uint64_t seed,
                                   int64_t count, int64_t per_batch,
                                   const std::function<void(int64_t, int64_t)>& progress = {},
                                   const PathfinderFileOptions& options = {});

}  // namespace skiff::pathfinder
