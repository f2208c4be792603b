#include "data/pathfinder/plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace skiff::pathfinder {

Point Places::at(int64_t rank) const {
  size_t word = 0;
  while (rank >= std::popcount(bits[word])) rank -= std::popcount(bits[word++]);
  uint64_t rest = bits[word];
  for (; rank > 0; --rank) rest &= rest - 1;
  return {int64_t(word) / words, int64_t(word) % words * 64 + std::countr_zero(rest)};
}

Places find_places(const Bits& taken, const std::vector<Point>& footprint, int64_t size) {
  const int64_t words = taken.words();
  Places places{words, std::vector<uint64_t>(size_t(size * words))};
  for (int64_t y = 0; y < size; ++y) {
    uint64_t* row = places.bits.data() + y * words;
    for (const Point offset : footprint) {
      const uint64_t* from = taken.row(y + offset.y);
      for (int64_t w = 0; w < words; ++w) row[w] |= Bits::shifted(from, w, offset.x);
    }
    for (int64_t w = 0; w < words; ++w) row[w] = ~row[w];
    if (size % 64 != 0) row[words - 1] &= (uint64_t(1) << (size % 64)) - 1;
    for (int64_t w = 0; w < words; ++w) places.count += std::popcount(row[w]);
  }
  return places;
}

namespace {

constexpr double kPi = std::numbers::pi;

// One value for each pixel at about `distance` around the pivot, by row, then by column.
std::vector<Candidate> candidates_at(int64_t distance, const DashShapes& shapes) {
  std::vector<Candidate> candidates;
  const double step = 360.0 / (2 * kPi * double(distance));
  for (int64_t i = 0; double(i) * step < 360; ++i) {
    const double angle = double(i) * step * kPi / 180;
    const Point offset = {int64_t(std::floor(double(distance) * std::sin(angle))),
                          int64_t(std::floor(double(distance) * std::cos(angle)))};
    const double exact = std::atan2(double(offset.y), double(offset.x));
    const double back = exact < 0 ? exact + kPi : exact - kPi;
    candidates.push_back({offset, exact, back, &shapes.at(back)});
  }
  const auto key = [](const Candidate& c) { return std::pair(c.offset.y, c.offset.x); };
  const auto before = [&](const auto& a, const auto& b) { return key(a) < key(b); };
  const auto same = [&](const auto& a, const auto& b) { return key(a) == key(b); };
  std::sort(candidates.begin(), candidates.end(), before);
  candidates.erase(std::unique(candidates.begin(), candidates.end(), same), candidates.end());
  return candidates;
}

// Whether the authors' program (drewlinsley/pathfinder, snakes2.py) ever begins a curve with a dash
// of this footprint. It finds the free pixels with OpenCV's dilate, a maximum over the footprint in
// which the pixels outside of the image count as -1.8e308. Where the whole footprint is outside,
// that is the maximum. find_available_coordinates then sees a negative number (its authors noted
// "mystery" there) and gives up the try: one such pixel is enough, wherever the dash would go. Such
// a pixel, if there is one, is a corner, because a footprint reaches less than half of the image.
// At 32 pixels this leaves 30 of 360 angles, -150 to -121 degrees, so that the first target begins
// in one direction; at 64 pixels 95, at 128 all or nearly all.
bool is_ever_begun(const std::vector<Point>& footprint, int64_t size) {
  for (const Point corner : {Point{0, 0}, {0, size - 1}, {size - 1, 0}, {size - 1, size - 1}}) {
    const auto inside = [&](Point offset) {
      const int64_t y = corner.y + offset.y, x = corner.x + offset.x;
      return y >= 0 && y < size && x >= 0 && x < size;
    };
    if (std::none_of(footprint.begin(), footprint.end(), inside)) return false;
  }
  return true;
}

// Pixels within `width` of the border.
Bits border_of(int64_t size, int64_t width) {
  Bits bits(size);
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) {
      const int64_t distance = std::min({y, x, size - 1 - y, size - 1 - x});
      if (distance < width) bits.set(y, x);
    }
  }
  return bits;
}

}  // namespace

MarginPlan::MarginPlan(const PathfinderSettings& settings, int64_t margin,
                       const Bits& target_border)
    : margin(margin),
      shapes(settings.dash_length, settings.thickness, margin, settings.antialias),
      candidates(candidates_at(settings.dash_length + margin, shapes)) {
  const GrayImage kernel = disc(margin);
  for (int64_t y = 0; y < kernel.height; ++y) {
    const auto row = kernel.pixels.begin() + y * kernel.width;
    disc_width.push_back((std::count(row, row + kernel.width, 1) - 1) / 2);
  }
  // The kernel of the dilation has 2 (length + margin) + 1 pixels per side, and the dash starts one
  // pixel past its centre in both directions, as in the original.
  const int64_t reach = settings.dash_length + margin;
  for (int64_t degree = -180; degree < 180; ++degree) {
    std::vector<Point>& footprint = footprints.emplace_back();
    for (const Point core : shapes.at(double(degree) * kPi / 180).core) {
      const Point offset = {core.y + 1, core.x + 1};
      if (std::max(std::abs(offset.y), std::abs(offset.x)) <= reach) footprint.push_back(offset);
    }
    usable.push_back(settings.fair_places || is_ever_begun(footprint, settings.size));
    target_places.push_back(find_places(target_border, footprint, settings.size));
  }
}

Plan::Plan(const PathfinderSettings& settings)
    : thin_border(border_of(settings.size, 1)),
      empty_mask(size_t(settings.size * settings.size)),
      disc_reduction(lanczos(settings.size * settings.antialias, settings.size)) {
  const Bits padding = border_of(settings.size, settings.padding);
  const Bits target_border =
      border_of(settings.size, std::max(settings.padding, 2 * settings.seed_distance));
  for (size_t i = 0; i < empty_mask.size(); ++i) {
    const int64_t y = int64_t(i) / settings.size, x = int64_t(i) % settings.size;
    empty_mask[i] = padding.test(y, x) ? 255 : 0;
  }
  for (const int64_t margin : settings.margins) {
    margins.push_back(std::make_unique<MarginPlan>(settings, margin, target_border));
  }
}

}  // namespace skiff::pathfinder
