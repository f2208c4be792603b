// Images of Pathfinder (Linsley et al., "Learning long-range spatial dependencies with horizontal
// gated recurrent units", NeurIPS 2018) as in the Long Range Arena: two long curves of dashes among
// short ones, and two discs that mark the ends of one curve (label 1) or of both (label 0).
// Source: drewlinsley/pathfinder, snakes2.py (2019); parameters: google-research/long-range-arena,
// lra_benchmarks/data/pathfinder.py.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/pathfinder/drawing.h"
#include "data/pathfinder/settings.h"

namespace skiff::pathfinder {

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
std::vector<PathfinderImage> generate_images(const std::vector<PathfinderGenerator>& generators,
                                             uint64_t seed, int64_t first, int64_t count);

}  // namespace skiff::pathfinder
