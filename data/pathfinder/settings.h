// What a set of Pathfinder images is made by.
#pragma once

#include <cstdint>
#include <vector>

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
  // directions of small images (plan.cpp), and so places fewer distractors.
  bool fair_places = false;
};

// The settings of the benchmark for 32, 64, 128 (Path-X) or 256 pixels. The authors' levels have
// targets of 6, 9 and 14 dashes (the benchmark takes 14); distractors have a third of them.
// UsageError for another size.
PathfinderSettings pathfinder_settings(int64_t size, int64_t contour_length = 14);

// UsageError names the first one that is impossible.
void check_settings(const PathfinderSettings& settings);

}  // namespace skiff::pathfinder
