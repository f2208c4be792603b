// The parameters of Pathfinder images, by resolution.
#include "data/pathfinder/settings.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace skiff::pathfinder {

PathfinderSettings pathfinder_settings(int64_t size, int64_t contour_length) {
  struct Row {
    int64_t size, padding, seed_distance;
    double marker_radius;
    int64_t distractor_dashes;  // of all distractors
    double continuity;
    int64_t dash_length;
    double thickness;
    std::vector<int64_t> margins;
    double snake_contrast, dash_contrast;
  };
  static const Row rows[] = {
      // size padding seed marker distractors continuity dash thickness margins contrasts
      {32, 1, 7, 1.5, 20, 1.0, 2, 0.5, {1}, 2, 0.75},
      {64, 1, 12, 2.5, 22, 1.8, 5, 1.0, {1}, 0.8, 1},
      {128, 1, 20, 3.0, 35, 1.8, 5, 1.5, {2, 3}, 0.9, 1},
      {256, 22, 27, 5.0, 30, 1.8, 5, 2.0, {3}, 1, 1},
  };
  const auto row = std::find_if(std::begin(rows), std::end(rows),
                                [&](const Row& candidate) { return candidate.size == size; });
  check<UsageError>(row != std::end(rows),
                    "pathfinder: the size must be 32, 64, 128 or 256 pixels, got ", size);
  PathfinderSettings settings;
  settings.size = row->size;
  settings.padding = row->padding;
  settings.antialias = 2;
  settings.seed_distance = row->seed_distance;
  settings.marker_radius = row->marker_radius;
  settings.contour_length = contour_length;
  settings.distractor_length = std::max<int64_t>(1, contour_length / 3);
  settings.distractors = row->distractor_dashes / settings.distractor_length;
  settings.continuity = row->continuity;
  settings.dash_length = row->dash_length;
  settings.thickness = row->thickness;
  settings.margins = row->margins;
  settings.snake_contrasts = {row->snake_contrast};
  settings.dash_contrasts = {row->dash_contrast};
  return settings;
}

void check_settings(const PathfinderSettings& s) {
  const auto between = [](const char* name, auto value, auto low, auto high) {
    check<UsageError>(value >= low && value <= high, "pathfinder: the ", name, " must be in ", low,
                      "..", high, ", got ", value);
  };
  between("size", s.size, int64_t(16), int64_t(1024));
  between("padding", s.padding, int64_t(1), s.size / 4);
  between("antialias scale", s.antialias, int64_t(1), int64_t(8));
  between("seed distance", s.seed_distance, int64_t(1), (s.size - 1) / 4);
  between("marker radius", s.marker_radius, 0.5, double(s.size) / 4);
  between("contour length", s.contour_length, int64_t(2), int64_t(100));
  between("distractor length", s.distractor_length, int64_t(1), int64_t(100));
  between("number of distractors", s.distractors, int64_t(0), int64_t(1000));
  between("continuity", s.continuity, 0.1, 100.0);
  between("dash length", s.dash_length, int64_t(1), std::min<int64_t>(s.size / 4, 40));
  between("thickness", s.thickness, 0.1, double(s.size) / 4);
  const double width = s.thickness * double(s.antialias);
  check<UsageError>(width == std::round(width),
                    "pathfinder: the thickness times the antialias scale must be an integer, got ",
                    s.thickness, " x ", s.antialias);
  check<UsageError>(!s.margins.empty() && !s.snake_contrasts.empty() && !s.dash_contrasts.empty(),
                    "pathfinder: margins, snake contrasts and dash contrasts must not be empty");
  for (const int64_t margin : s.margins)
    between("margin", margin, int64_t(1), std::min<int64_t>(s.size / 8, 20));
  for (const double contrast : s.snake_contrasts) between("snake contrast", contrast, 0.01, 100.0);
  for (const double contrast : s.dash_contrasts) between("dash contrast", contrast, 0.01, 100.0);
}

}  // namespace skiff::pathfinder
