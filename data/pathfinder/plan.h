// What the Pathfinder generator prepares once for its settings: the shapes of the dashes, where a
// dash may follow another, and where a curve may begin.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/pathfinder/drawing.h"
#include "data/pathfinder/settings.h"

namespace skiff::pathfinder {

// One bit per pixel, with zeros around: 64 rows above and below, one word left and right. So a row
// shifted by less than 64 either way needs no test.
class Bits {
 public:
  explicit Bits(int64_t size)
      : words_((size + 63) / 64), bits_(size_t((size + 128) * (words_ + 2))) {}

  int64_t words() const { return words_; }
  uint64_t* row(int64_t y) { return bits_.data() + (y + 64) * (words_ + 2) + 1; }
  const uint64_t* row(int64_t y) const { return bits_.data() + (y + 64) * (words_ + 2) + 1; }
  void set(int64_t y, int64_t x) { row(y)[x / 64] |= uint64_t(1) << (x % 64); }
  bool test(int64_t y, int64_t x) const { return row(y)[x / 64] >> (x % 64) & 1; }
  // Word w of the row shifted by dx: its bit x is pixel x + dx.
  static uint64_t shifted(const uint64_t* row, int64_t w, int64_t dx) {
    if (dx == 0) return row[w];
    return dx > 0 ? row[w] >> dx | row[w + 1] << (64 - dx)
                  : row[w] << -dx | row[w - 1] >> (64 + dx);
  }

 private:
  int64_t words_;
  std::vector<uint64_t> bits_;
};

// The pixels where a first dash may be: one bit per pixel, row by row.
struct Places {
  int64_t words = 0;  // in a row
  std::vector<uint64_t> bits;
  int64_t count = 0;

  Point at(int64_t rank) const;  // by row, then by column
};

// All p with nothing of p + footprint taken: where `taken`, dilated with the footprint, is 0.
Places find_places(const Bits& taken, const std::vector<Point>& footprint, int64_t size);

struct Candidate {  // for the far end of the next dash, from the pivot
  Point offset;
  double angle;            // of the offset, in [-pi, pi]
  double back;             // the angle turned by pi
  const DashShape* shape;  // drawn at `back`
};

struct MarginPlan {
  MarginPlan(const PathfinderSettings& settings, int64_t margin, const Bits& target_border);

  int64_t margin;
  DashShapes shapes;
  std::vector<Candidate> candidates;
  std::vector<int64_t> disc_width;  // columns on each side of the centre, by row of the disc
  // By angle -180 .. 179 degrees, what a first dash takes, from the pixel that is asked for; and
  // where that of a target may be.
  std::vector<std::vector<Point>> footprints;
  std::vector<bool> usable;  // whether a first dash may have the angle at all
  std::vector<Places> target_places;
};

struct Plan {
  explicit Plan(const PathfinderSettings& settings);

  Bits thin_border;                 // one pixel wide
  std::vector<uint8_t> empty_mask;  // 255 in the padding
  Reduction disc_reduction;
  std::vector<std::unique_ptr<const MarginPlan>> margins;  // by settings.margins
};

}  // namespace skiff::pathfinder
