// The curves of Pathfinder. The mask M of the comments is what is taken, 0..255 per pixel: a dash
// with a margin around it. The last dash of a curve is not in M yet, so that it does not block the
// next one.
#include "data/pathfinder/generator.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <numbers>

#include "core/check.h"
#include "core/random.h"
#include "data/pathfinder/plan.h"

namespace skiff::pathfinder {

namespace {

constexpr double kPi = std::numbers::pi;
constexpr int64_t kTargetAttempts = 200000;  // to draw both targets of an image
constexpr int64_t kDashAttempts = 3;         // for the place of one dash
constexpr int64_t kDistractorAttempts = 5;   // for a distractor
constexpr int64_t kSingleDashAttempts = 3;   // for a single dash
constexpr uint8_t kFree = 76;                // M <= 0.3 counts as free for a first dash
constexpr double kLeastFree = 0.01;          // of the image; below it no distractor is begun

// The end of a curve that grows.
struct Tip {
  Point pivot;  // the next dash is on a circle around a point straight ahead of it
  double angle = 0;
  Point start;  // of the last dash, and its shape: what M lacks
  const DashShape* shape = nullptr;
};

class Painter {
 public:
  Painter(const PathfinderSettings& settings, const Plan& plan, uint64_t seed, int64_t index)
      : settings_(settings),
        plan_(plan),
        random_(seed, hash_name("pathfinder") + uint64_t(index)),
        index_(index),
        taken_(settings.size) {}

  PathfinderImage paint();

 private:
  template <class T>
  const T& pick(const std::vector<T>& values) {
    return values[values.size() == 1 ? 0 : size_t(random_.below(int64_t(values.size())))];
  }
  bool inside(Point p) const {
    return p.y >= 0 && p.y < settings_.size && p.x >= 0 && p.x < settings_.size;
  }

  bool draw_targets();
  bool begin_targets(const std::array<double, 2>& contrasts, std::array<Tip, 2>* tips);
  void draw_distractors(int64_t count, int64_t length, int64_t attempts);
  bool draw_distractor(int64_t snake, int64_t length);

  bool begin(Point tail, double angle, Tip* tip) const;
  template <class PlacesAt>
  bool begin_anywhere(const PlacesAt& places_at, Tip* tip);
  bool extend(int64_t snake, double contrast, Tip* tip);
  double weigh_candidates(Point pivot, double angle);
  void add_dash(int64_t snake, double contrast, const Tip& tip);

  uint8_t taken_around(Point p) const;
  bool overlaps(const DashShape& shape, Point start) const;
  void add_to_mask(const Tip& tip);
  void find_taken();
  void render(const std::array<Window, 2>& discs);

  const PathfinderSettings& settings_;
  const Plan& plan_;
  Random random_;
  int64_t index_;
  PathfinderImage result_;
  const MarginPlan* margin_ = nullptr;
  std::vector<uint8_t> mask_, saved_mask_;    // M
  Bits taken_;                                // by M or by a border of one pixel
  double free_ = 0;                           // share of the pixels that M leaves
  std::vector<double> sums_;                  // of the weights up to each candidate
  std::array<Point, 2> origins_, terminals_;  // the ends of the targets
};

PathfinderImage Painter::paint() {
  result_.label = int32_t(random_.below(2));
  margin_ = pick(plan_.margins).get();
  result_.margin = margin_->margin;
  do {
    check<UsageError>(result_.attempts < kTargetAttempts, "pathfinder: image ", index_,
                      ": two contours of ", settings_.contour_length, " dashes found no place in ",
                      settings_.size, " x ", settings_.size, " pixels in ", kTargetAttempts,
                      " attempts; make them shorter, or the padding or the seed distance smaller");
    ++result_.attempts;
  } while (!draw_targets());

  draw_distractors(settings_.distractors, settings_.distractor_length, kDistractorAttempts);
  result_.distractors = result_.dashes.back().snake - 1;
  if (settings_.single_dashes) {
    const double m = double(margin_->margin);
    const int64_t all = int64_t(150 * 123.5 / (7.5 + 13 * m + 4 * m * m));
    draw_distractors(
        all - 2 * settings_.contour_length - settings_.distractors * settings_.distractor_length, 1,
        kSingleDashAttempts);
  }

  const int64_t first = random_.below(2);
  result_.tip_snakes = {first, result_.label == 1 ? first : 1 - first};
  result_.tips = {origins_[size_t(first)], terminals_[size_t(result_.tip_snakes[1])]};
  const auto disc = [&](Point tip) {
    return draw_disc(tip, settings_.marker_radius, settings_.antialias, plan_.disc_reduction);
  };
  render({disc(result_.tips[0]), disc(result_.tips[1])});
  return std::move(result_);
}

// ---- Curves

bool Painter::draw_targets() {
  mask_ = plan_.empty_mask;
  result_.dashes.clear();
  // Two of the contrasts, each of which is there twice.
  const std::vector<double>& list = settings_.snake_contrasts;
  const int64_t kinds = int64_t(list.size()), one = random_.below(2 * kinds);
  int64_t other = random_.below(2 * kinds - 1);
  if (other >= one) ++other;
  const std::array<double, 2> contrasts = {list[size_t(one % kinds)], list[size_t(other % kinds)]};

  std::array<Tip, 2> tips;
  if (!begin_targets(contrasts, &tips)) return false;
  for (int64_t step = 1; step < settings_.contour_length; ++step) {
    const double contrast = pick(settings_.dash_contrasts);
    for (size_t i = 0; i < 2; ++i) {
      if (!extend(int64_t(i), contrast * contrasts[i], &tips[i])) return false;
    }
  }
  add_to_mask(tips[1]);  // not that of the first target: distractors may touch its last dash
  terminals_ = {tips[0].start, tips[1].start};
  return true;
}

bool Painter::begin_targets(const std::array<double, 2>& contrasts, std::array<Tip, 2>* tips) {
  auto& [first, second] = *tips;
  const double first_contrast = pick(settings_.dash_contrasts);
  const auto places_at = [&](size_t degree) -> const Places& {
    return margin_->target_places[degree];
  };
  if (!begin_anywhere(places_at, &first)) return false;
  add_dash(0, first_contrast * contrasts[0], first);

  const double second_contrast = pick(settings_.dash_contrasts);
  int64_t attempt = 0;
  for (bool begun = false; !begun; ++attempt) {
    if (attempt == kDashAttempts) return false;
    const double angle = double(random_.below(360) - 180) * kPi / 180;
    const double direction = double(random_.below(360)) * kPi / 180;
    const double distance = double(settings_.seed_distance);
    const Point tail = {
        int64_t(std::nearbyint(double(first.start.y) + distance * std::sin(direction))),
        int64_t(std::nearbyint(double(first.start.x) + distance * std::cos(direction)))};
    begun = begin(tail, angle, &second);
  }
  add_dash(1, second_contrast * contrasts[1], second);
  origins_ = {first.start, second.start};
  return true;
}

void Painter::draw_distractors(int64_t count, int64_t length, int64_t attempts) {
  find_taken();
  int64_t snake = result_.dashes.back().snake + 1;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t attempt = 0; attempt < attempts; ++attempt) {
      if (!draw_distractor(snake, length)) continue;
      find_taken();
      ++snake;
      break;
    }
  }
}

// All its dashes, or nothing.
bool Painter::draw_distractor(int64_t snake, int64_t length) {
  Tip tip;
  const double contrast = pick(settings_.snake_contrasts);
  const auto places_at = [&](size_t degree) {
    return find_places(taken_, margin_->footprints[degree], settings_.size);
  };
  if (free_ < kLeastFree || !begin_anywhere(places_at, &tip)) return false;
  saved_mask_ = mask_;
  const size_t before = result_.dashes.size();
  add_dash(snake, contrast, tip);
  for (int64_t step = 1; step < length; ++step) {
    if (extend(snake, pick(settings_.snake_contrasts), &tip)) continue;
    mask_ = saved_mask_;
    result_.dashes.resize(before);
    return false;
  }
  add_to_mask(tip);
  return true;
}

// ---- Dashes

bool Painter::begin(Point tail, double angle, Tip* tip) const {
  const Point head = translate(tail, angle, double(settings_.dash_length));
  const double back = angle < 0 ? angle + kPi : angle - kPi;
  const Point pivot = translate(head, back, double(settings_.dash_length + margin_->margin));
  if (!inside(head) || !inside(pivot)) return false;
  *tip = {pivot, angle, tail, &margin_->shapes.at(angle)};
  return true;
}

// places_at(degree) are those of a first dash of that angle.
template <class PlacesAt>
bool Painter::begin_anywhere(const PlacesAt& places_at, Tip* tip) {
  for (int64_t attempt = 0; attempt < kDashAttempts; ++attempt) {
    const int64_t degree = random_.below(360);
    if (!margin_->usable[size_t(degree)]) return false;
    const Places& places = places_at(size_t(degree));
    if (places.count == 0) return false;
    const Point tail = places.at(random_.below(places.count));
    if (begin(tail, double(degree - 180) * kPi / 180, tip)) return true;
  }
  return false;
}

// Fills sums_; the weight of a candidate is cos^2(min(continuity turn, pi / 2)) (1 - D), D the
// largest M within the margin. Returns the total.
double Painter::weigh_candidates(Point pivot, double angle) {
  double total = 0;
  sums_.clear();
  for (const Candidate& candidate : margin_->candidates) {
    const Point p = {pivot.y + candidate.offset.y, pivot.x + candidate.offset.x};
    const double apart = std::abs(candidate.angle - angle);
    const double turn = settings_.continuity * std::min(apart, 2 * kPi - apart);
    if (turn < kPi / 2 && inside(p)) {
      const double cosine = std::cos(turn);
      total += cosine * cosine * (1 - taken_around(p) / 255.0);
    }
    sums_.push_back(total);
  }
  return total;
}

bool Painter::extend(int64_t snake, double contrast, Tip* tip) {
  const Point pivot =
      translate(tip->pivot, tip->angle, double(settings_.dash_length + 2 * margin_->margin));
  const double total = weigh_candidates(pivot, tip->angle);
  if (total < 1e-4) return false;
  for (int64_t attempt = 0; attempt < kDashAttempts; ++attempt) {
    const auto above = std::upper_bound(sums_.begin(), sums_.end(), random_.uniform() * total);
    const size_t chosen = size_t(std::min(above, sums_.end() - 1) - sums_.begin());
    const Candidate& candidate = margin_->candidates[chosen];
    const Point start = {pivot.y + candidate.offset.y, pivot.x + candidate.offset.x};
    if (!inside(start) || overlaps(*candidate.shape, start)) continue;
    add_to_mask(*tip);
    *tip = {pivot, candidate.angle, start, candidate.shape};
    result_.dashes.push_back({snake, start, candidate.back, contrast});
    return true;
  }
  return false;
}

void Painter::add_dash(int64_t snake, double contrast, const Tip& tip) {
  result_.dashes.push_back({snake, tip.start, tip.angle, contrast});
}

// ---- The mask

// Calls take(pixels of the raster, pixels of the image, count) for each row of the image that lies
// in the raster of size^2 pixels when the origin of the window is counted from `start`.
template <class Raster, class Take>
void for_each_row(Raster& raster, int64_t size, Point start, const Window& window,
                  const Take& take) {
  const GrayImage& image = window.image;
  const int64_t top = start.y + window.origin.y, left = start.x + window.origin.x;
  const int64_t first = std::max<int64_t>(0, left), last = std::min(size, left + image.width);
  for (int64_t y = std::max<int64_t>(0, top); y < std::min(size, top + image.height); ++y) {
    take(raster.data() + y * size + first,
         image.pixels.data() + (y - top) * image.width + first - left, last - first);
  }
}

uint8_t Painter::taken_around(Point p) const {
  const int64_t margin = margin_->margin, size = settings_.size;
  uint8_t most = 0;
  for (int64_t dy = -margin; dy <= margin; ++dy) {
    if (p.y + dy < 0 || p.y + dy >= size) continue;
    const int64_t width = margin_->disc_width[size_t(dy + margin)];
    const uint8_t* row = mask_.data() + (p.y + dy) * size;
    const int64_t last = std::min(size - 1, p.x + width);
    for (int64_t x = std::max<int64_t>(0, p.x - width); x <= last; ++x) {
      most = std::max(most, row[x]);
    }
  }
  return most;
}

bool Painter::overlaps(const DashShape& shape, Point start) const {
  uint8_t over = 0;
  for_each_row(mask_, settings_.size, start, shape.room,
               [&](const uint8_t* taken, const uint8_t* room, int64_t count) {
                 for (int64_t x = 0; x < count; ++x) over |= uint8_t(taken[x] > room[x]);
               });
  return over != 0;
}

void Painter::add_to_mask(const Tip& tip) {
  for_each_row(mask_, settings_.size, tip.start, tip.shape->mask,
               [](uint8_t* taken, const uint8_t* dash, int64_t count) {
                 for (int64_t x = 0; x < count; ++x) taken[x] = std::max(taken[x], dash[x]);
               });
}

void Painter::find_taken() {
  taken_ = plan_.thin_border;
  int64_t taken_pixels = 0;
  for (int64_t y = 0; y < settings_.size; ++y) {
    const uint8_t* from = mask_.data() + y * settings_.size;
    uint64_t* row = taken_.row(y);
    for (int64_t x = 0; x < settings_.size; ++x) {
      const uint64_t taken = from[x] > kFree;
      taken_pixels += int64_t(taken);
      row[x / 64] |= taken << (x % 64);
    }
  }
  free_ = 1 - double(taken_pixels) / double(mask_.size());
}

// ---- Pixels

// The maximum of all dashes and the discs, then from [min, max] to 0..255.
void Painter::render(const std::array<Window, 2>& discs) {
  const int64_t size = settings_.size;
  std::vector<float> level(size_t(size * size));
  for (const Dash& dash : result_.dashes) {
    const float scale = float(dash.contrast / 255);
    for_each_row(level, size, dash.start, margin_->shapes.at(dash.angle).line,
                 [scale](float* to, const uint8_t* from, int64_t count) {
                   for (int64_t x = 0; x < count; ++x) to[x] = std::max(to[x], scale * from[x]);
                 });
  }
  for (const Window& disc : discs) {
    for_each_row(level, size, {}, disc, [](float* to, const uint8_t* from, int64_t count) {
      for (int64_t x = 0; x < count; ++x) to[x] = std::max(to[x], float(from[x]) / 255);
    });
  }
  const auto [low, high] = std::minmax_element(level.begin(), level.end());
  const float least = *low, scale = 255 / (*high - *low);
  result_.image = blank(size, size);
  for (size_t i = 0; i < level.size(); ++i) {
    result_.image.pixels[i] = uint8_t((level[i] - least) * scale + 0.5f);
  }
}

}  // namespace

PathfinderGenerator::PathfinderGenerator(PathfinderSettings settings)
    : settings_(std::move(settings)) {
  check_settings(settings_);
  plan_ = std::make_shared<const Plan>(settings_);
}

PathfinderImage PathfinderGenerator::generate(uint64_t seed, int64_t index) const {
  check<UsageError>(index >= 0, "pathfinder: the index of an image must be at least 0, got ",
                    index);
  return Painter(settings_, *plan_, seed, index).paint();
}

PathfinderImage generate_image(const PathfinderSettings& settings, uint64_t seed, int64_t index) {
  return PathfinderGenerator(settings).generate(seed, index);
}

std::vector<PathfinderImage> generate_images(const std::vector<PathfinderGenerator>& generators,
                                             uint64_t seed, int64_t first, int64_t count) {
  check<UsageError>(!generators.empty(), "pathfinder: no generator was given");
  check<UsageError>(count >= 0, "pathfinder: the number of images must be at least 0, got ", count);
  std::vector<PathfinderImage> images(static_cast<size_t>(count));
  std::exception_ptr error;  // an exception must not leave the parallel region
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t i = 0; i < count; ++i) {
    try {
      const int64_t index = first + i;
      images[size_t(i)] = generators[size_t(index) % generators.size()].generate(seed, index);
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  return images;
}

}  // namespace skiff::pathfinder
