// The Pathfinder generator: its drawing against slow references, its images against their record,
// its files against the loader.
#include "data/pathfinder/dataset.h"

#include <omp.h>

#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "core/check.h"
#include "core/random.h"
#include "data/files/binary_file.h"
#include "data/pathfinder/plan.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/pathfinder_files.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::pathfinder;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

constexpr double kPi = std::numbers::pi;

GrayImage noise(int64_t height, int64_t width, uint64_t seed) {
  Random random(seed);
  GrayImage image = blank(height, width);
  for (uint8_t& pixel : image.pixels) {
    pixel = random.below(4) == 0 ? uint8_t(random.below(256)) : 0;
  }
  return image;
}
int at(const GrayImage& image, int64_t y, int64_t x) {
  const bool inside = y >= 0 && y < image.height && x >= 0 && x < image.width;
  return inside ? image.pixels[size_t(y * image.width + x)] : 0;
}
int64_t lit(const GrayImage& image) {
  return std::count_if(image.pixels.begin(), image.pixels.end(), [](int v) { return v > 0; });
}
double mean_of(const GrayImage& image) {
  double sum = 0;
  for (const uint8_t pixel : image.pixels) sum += pixel;
  return sum / double(image.pixels.size());
}

// Places `part` on a black square.
GrayImage on_square(const Window& part, Point start, int64_t size) {
  GrayImage square = blank(size, size);
  for (int64_t y = 0; y < part.image.height; ++y) {
    for (int64_t x = 0; x < part.image.width; ++x) {
      const int64_t to_y = start.y + part.origin.y + y, to_x = start.x + part.origin.x + x;
      square.pixels[size_t(to_y * size + to_x)] = uint8_t(at(part.image, y, x));
    }
  }
  return square;
}

double lanczos3(double x) {
  if (std::abs(x) >= 3) return 0;
  return x == 0 ? 1 : 3 * std::sin(kPi * x) * std::sin(kPi * x / 3) / (kPi * kPi * x * x);
}

// One line of n values to m values, in floating point.
std::vector<double> reduce_line(const std::vector<double>& x, int64_t m) {
  const double scale = double(x.size()) / double(m);
  std::vector<double> y;
  for (int64_t i = 0; i < m; ++i) {
    const double centre = (double(i) + 0.5) * scale;
    double sum = 0, weights = 0;
    for (size_t j = 0; j < x.size(); ++j) {
      const double weight = lanczos3((double(j) + 0.5 - centre) / scale);
      sum += weight * x[j];
      weights += weight;
    }
    y.push_back(std::clamp(sum / weights, 0.0, 255.0));
  }
  return y;
}

// A small set of settings that is quick, for what does not depend on them.
PathfinderSettings easy() { return pathfinder_settings(32, 6); }

// The pixels of at least `level`, in groups that hang together by sides.
int64_t components(const GrayImage& image, int level) {
  std::set<std::pair<int64_t, int64_t>> rest;
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      if (at(image, y, x) >= level) rest.insert({y, x});
    }
  }
  int64_t count = 0;
  for (; !rest.empty(); ++count) {
    std::vector<std::pair<int64_t, int64_t>> next = {*rest.begin()};
    while (!next.empty()) {
      const auto [y, x] = next.back();
      next.pop_back();
      if (rest.erase({y, x}) == 0) continue;
      for (const auto& [dy, dx] : {std::pair(0, 1), {0, -1}, {1, 0}, {-1, 0}}) {
        if (rest.contains({y + dy, x + dx})) next.push_back({y + dy, x + dx});
      }
    }
  }
  return count;
}

}  // namespace

// ---- Drawing

TEST_CASE("pathfinder drawing: translate rounds up, a disc is x^2 + y^2 <= m^2") {
  CHECK(translate({10, 10}, 0, 5) == Point{10, 15});
  CHECK(translate({10, 10}, kPi / 4, 5) == Point{14, 14});
  CHECK(translate({10, 10}, -3 * kPi / 4, 5) == Point{7, 7});
  CHECK(translate({0, 0}, kPi / 6, 1).y == 1);
  for (const auto& [m, count] : {std::pair<int64_t, int64_t>{1, 5}, {2, 13}, {3, 29}, {6, 113}}) {
    const GrayImage kernel = disc(m);
    CHECK(kernel.height == 2 * m + 1);
    CHECK(lit(kernel) == count);
    CHECK(at(kernel, 0, m) == 1);
    CHECK(at(kernel, 0, m + 1) == 0);
  }
}

TEST_CASE("pathfinder drawing: dilation equals the maximum over the kernel") {
  GrayImage lopsided = blank(5, 3);
  lopsided.pixels[1] = lopsided.pixels[6] = lopsided.pixels[14] = 1;
  for (const GrayImage& kernel : {disc(1), disc(3), lopsided, blank(3, 3)}) {
    const GrayImage image = noise(13, 9, 1), result = dilate(image, kernel);
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        int most = 0;
        for (int64_t v = 0; v < kernel.height; ++v) {
          for (int64_t u = 0; u < kernel.width; ++u) {
            if (at(kernel, v, u) == 0) continue;
            most = std::max(most, at(image, y + v - kernel.height / 2, x + u - kernel.width / 2));
          }
        }
        REQUIRE(at(result, y, x) == most);
      }
    }
  }
  CHECK_THROWS_AS(dilate(blank(3, 3), blank(2, 3)), Error);
}

TEST_CASE("pathfinder drawing: lines have both ends, their length and their width") {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const Point from = {20, 20}, to = {10 + random.below(21), 10 + random.below(21)};
    const int64_t longer = std::max(std::abs(to.y - from.y), std::abs(to.x - from.x)) + 1;
    for (int64_t width = 1; width <= 4; ++width) {
      GrayImage canvas = blank(41, 41);
      draw_line(canvas, from, to, width);
      // The corners of a wide line are rounded, and may cut its ends by a pixel.
      for (const Point end : {from, to}) {
        CHECK(at(width == 1 ? canvas : dilate(canvas, disc(1)), end.y, end.x) == 255);
      }
      if (width == 1) CHECK(lit(canvas) == longer);
      const double length = std::hypot(to.y - from.y, to.x - from.x) + 1;
      CHECK(double(lit(canvas)) <= (double(width) + 1) * (length + 2));
    }
  }
  for (int64_t width = 1; width <= 4; ++width) {
    for (const Point to : {Point{4, 12}, Point{12, 4}}) {
      GrayImage canvas = blank(17, 17);
      draw_line(canvas, {4, 4}, to, width);
      CHECK(lit(canvas) == 9 * width);
    }
  }
}

TEST_CASE("pathfinder drawing: Lanczos weights sum to 1 and match their definition") {
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{17, 9}, {64, 32}, {41, 21}, {5, 5}}) {
    const Reduction reduction = lanczos(in, out);
    const double scale = double(in) / double(out);
    for (int64_t i = 0; i < out; ++i) {
      int64_t sum = 0;
      double weights = 0;
      for (int64_t x = 0; x < in; ++x) {
        weights += lanczos3((double(x) + 0.5 - (double(i) + 0.5) * scale) / scale);
      }
      for (int64_t t = 0; t < reduction.taps; ++t) {
        const int32_t weight = reduction.weights[size_t(i * reduction.taps + t)];
        sum += weight;
        const int64_t x = reduction.first[size_t(i)] + t;
        if (x >= in) {
          CHECK(weight == 0);
          continue;
        }
        const double wanted =
            lanczos3((double(x) + 0.5 - (double(i) + 0.5) * scale) / scale) / weights;
        CHECK(double(weight) / 4194304 == doctest::Approx(wanted).epsilon(1e-5).scale(1));
      }
      CHECK(std::abs(sum - 4194304) <= reduction.taps);
    }
  }
  CHECK_THROWS_AS(lanczos(8, 9), Error);
  CHECK_THROWS_AS(lanczos(8, 0), Error);
}

TEST_CASE("pathfinder drawing: reduction equals the sums, and keeps a constant") {
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{17, 9}, {64, 32}, {25, 13}}) {
    const Reduction reduction = lanczos(in, out);
    const Point middle = {out / 2, out / 2};
    GrayImage image = noise(in, in, 5);
    const GrayImage small = reduce({{}, image}, reduction, middle, out).image;
    REQUIRE(small.height == out);
    REQUIRE(small.width == out);
    std::vector<std::vector<double>> narrow;
    for (int64_t y = 0; y < in; ++y) {
      const auto row = image.pixels.begin() + y * in;
      narrow.push_back(reduce_line(std::vector<double>(row, row + in), out));
    }
    for (int64_t x = 0; x < out; ++x) {
      std::vector<double> column;
      for (const auto& row : narrow) column.push_back(std::round(row[size_t(x)]));
      const std::vector<double> reference = reduce_line(column, out);
      for (int64_t y = 0; y < out; ++y) {
        // One: where the first pass is close to a half, the rounding of its weights decides.
        CHECK(std::abs(at(small, y, x) - reference[size_t(y)]) <= 1.001);
      }
    }
    std::fill(image.pixels.begin(), image.pixels.end(), uint8_t(200));
    for (const uint8_t pixel : reduce({{}, image}, reduction, middle, out).image.pixels) {
      CHECK(pixel == 200);
    }
  }
}

TEST_CASE("pathfinder drawing: a disc equals the reduction of its whole raster, also at the edge") {
  const Reduction reduction = lanczos(64, 32);
  for (const double radius : {1.5, 2.5}) {
    for (const Point tip : {Point{16, 16}, Point{0, 31}, Point{2, 29}, Point{31, 5}}) {
      GrayImage canvas = blank(64, 64);
      for (int64_t y = 0; y < 64; ++y) {
        for (int64_t x = 0; x < 64; ++x) {
          const double distance = std::hypot(double(y - 2 * tip.y), double(x - 2 * tip.x));
          canvas.pixels[size_t(y * 64 + x)] = distance <= 2 * radius ? 255 : 0;
        }
      }
      const GrayImage whole = reduce({{}, canvas}, reduction, {16, 16}, 32).image;
      CHECK(on_square(draw_disc(tip, radius, 2, reduction), {}, 32).pixels == whole.pixels);
    }
  }
}

TEST_CASE("pathfinder drawing: the stored shapes are the dashes drawn one by one") {
  struct Kind {
    int64_t length;
    double thickness;
    int64_t margin;
  };
  Random random(7);
  for (const Kind& kind : {Kind{2, 0.5, 1}, {5, 1, 1}, {5, 1.5, 3}, {5, 2, 3}}) {
    const DashShapes shapes(kind.length, kind.thickness, kind.margin, 2);
    const int64_t reach = kind.length + int64_t(std::ceil(kind.thickness)) + kind.margin;
    const int64_t side = 2 * reach + 1;
    const Reduction reduction = lanczos(4 * reach + 1, side);
    for (int trial = 0; trial < 400; ++trial) {
      // Whole degrees, among them the axes, and any angle.
      const double angle =
          trial < 360 ? (trial - 180) * kPi / 180 : (2 * random.uniform() - 1) * kPi;
      GrayImage canvas = blank(4 * reach + 1, 4 * reach + 1);
      const Point centre = {2 * reach, 2 * reach};
      draw_line(canvas, centre, translate(centre, angle, double(2 * kind.length)),
                int64_t(2 * kind.thickness));
      const DashShape& shape = shapes.at(angle);
      const Point middle = {reach, reach};
      const GrayImage mask =
          reduce({{}, dilate(canvas, disc(2 * kind.margin))}, reduction, middle, reach).image;
      REQUIRE(on_square(shape.mask, middle, side).pixels == mask.pixels);
      REQUIRE(on_square(shape.line, middle, side).pixels ==
              reduce({{}, canvas}, reduction, middle, reach).image.pixels);
      CHECK(int64_t(shape.core.size()) == std::count(mask.pixels.begin(), mask.pixels.end(), 255));
    }
  }
}

// ---- Images

TEST_CASE("pathfinder generator: an image does not depend on the threads or the order") {
  const PathfinderGenerator generator(easy());
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto alone = generate_images(generator, 5, 10, 24);
  omp_set_num_threads(4);
  const auto together = generate_images(generator, 5, 10, 24);
  omp_set_num_threads(threads);
  REQUIRE(alone.size() == 24);
  std::set<uint64_t> different;
  for (size_t i = alone.size(); i-- > 0;) {
    const PathfinderImage image = generator.generate(5, 10 + int64_t(i));
    CHECK(image.image.pixels == alone[i].image.pixels);
    CHECK(image.image.pixels == together[i].image.pixels);
    CHECK(image.label == together[i].label);
    CHECK(image.attempts == together[i].attempts);
    const auto& pixels = image.image.pixels;
    different.insert(hash_name({reinterpret_cast<const char*>(pixels.data()), pixels.size()}));
  }
  CHECK(different.size() == 24);
  CHECK(generate_image(easy(), 5, 33).image.pixels == alone[23].image.pixels);
  CHECK(generate_image(easy(), 6, 33).image.pixels != alone[23].image.pixels);
}

TEST_CASE("pathfinder generator: half of the labels are 1, and the record explains them") {
  const PathfinderSettings settings = pathfinder_settings(32);
  const PathfinderGenerator generator(settings);
  const auto images = generate_images(generator, 1, 0, 300);
  int64_t positives = 0, first_snake = 0;
  double mean = 0;
  for (const PathfinderImage& image : images) {
    positives += image.label;
    first_snake += image.tip_snakes[0] == 0;
    mean += mean_of(image.image) / 300;
    CHECK((image.tip_snakes[0] == image.tip_snakes[1]) == (image.label == 1));
    CHECK(image.margin == 1);
    CHECK(image.attempts >= 1);

    // The dashes of each target: the discs are on the first and the last one.
    std::array<std::vector<Dash>, 2> targets;
    int64_t last_snake = 1;
    for (const Dash& dash : image.dashes) {
      if (dash.snake < 2) targets[size_t(dash.snake)].push_back(dash);
      last_snake = std::max(last_snake, dash.snake);
      CHECK(dash.contrast == (dash.snake < 2 ? 1.5 : 2));
    }
    CHECK(targets[0].size() == 14);
    CHECK(targets[1].size() == 14);
    CHECK(image.distractors == last_snake - 1);
    CHECK(image.distractors <= 5);
    CHECK(int64_t(image.dashes.size()) == 28 + 4 * image.distractors);
    CHECK(image.tips[0] == targets[size_t(image.tip_snakes[0])].front().start);
    CHECK(image.tips[1] == targets[size_t(image.tip_snakes[1])].back().start);

    CHECK(*std::max_element(image.image.pixels.begin(), image.image.pixels.end()) == 255);
    CHECK(*std::min_element(image.image.pixels.begin(), image.image.pixels.end()) == 0);
  }
  CHECK(positives > 120);
  CHECK(positives < 180);
  CHECK(first_snake > 120);
  CHECK(first_snake < 180);
  CHECK(mean > 19);
  CHECK(mean < 21.5);
}

TEST_CASE("pathfinder generator: curves are smooth and their dashes follow one another") {
  for (const int64_t size : {int64_t(32), int64_t(128)}) {
    const PathfinderSettings settings = pathfinder_settings(size);
    for (const PathfinderImage& image : generate_images(PathfinderGenerator(settings), 2, 0, 6)) {
      std::map<int64_t, std::vector<Dash>> snakes;
      for (const Dash& dash : image.dashes) snakes[dash.snake].push_back(dash);
      for (const auto& [snake, dashes] : snakes) {
        double way = dashes[0].angle;  // the first dash is drawn forwards, the others backwards
        for (size_t i = 1; i < dashes.size(); ++i) {
          const double next = dashes[i].angle + kPi;
          CHECK(std::abs(std::remainder(next - way, 2 * kPi)) < kPi / 2 / settings.continuity);
          way = next;
          const double step = std::hypot(double(dashes[i].start.y - dashes[i - 1].start.y),
                                         double(dashes[i].start.x - dashes[i - 1].start.x));
          CHECK(step >= double(settings.dash_length));
          CHECK(step <= double(2 * settings.dash_length + 3 * image.margin + 3));
        }
      }
    }
  }
}

TEST_CASE("pathfinder generator: there are two discs, at the recorded tips") {
  PathfinderSettings settings = pathfinder_settings(32);
  settings.distractors = 0;
  settings.dash_contrasts = {0.5};  // the dashes of the benchmark are as bright as the discs
  const PathfinderGenerator generator(settings);
  int64_t apart = 0;
  for (const PathfinderImage& image : generate_images(generator, 4, 0, 60)) {
    const auto [a, b] = image.tips;
    CHECK(at(image.image, a.y, a.x) >= 250);
    CHECK(at(image.image, b.y, b.x) >= 250);
    if (std::max(std::abs(a.y - b.y), std::abs(a.x - b.x)) < 5) continue;
    ++apart;
    CHECK(components(image.image, 215) == 2);
  }
  CHECK(apart > 40);
}

TEST_CASE("pathfinder generator: every resolution and level of the benchmark can be drawn") {
  for (const int64_t size : {32, 64, 128, 256}) {
    int64_t distractors = 0;
    for (const int64_t length : {4, 6, 7, 9, 14}) {
      const PathfinderSettings settings = pathfinder_settings(size, length);
      CHECK(settings.distractor_length == length / 3);
      const PathfinderImage image = generate_image(settings, 1, 0);
      CHECK(image.image.height == size);
      CHECK(int64_t(image.image.pixels.size()) == size * size);
      distractors += image.distractors;
    }
    CHECK(distractors >= 5);
  }
  CHECK(pathfinder_settings(32, 2).distractor_length == 1);
  CHECK(pathfinder_settings(32).distractors == 5);
  CHECK(pathfinder_settings(64).distractors == 5);
  CHECK(pathfinder_settings(128).distractors == 8);
  CHECK(pathfinder_settings(256).distractors == 7);
  const PathfinderGenerator pathx(pathfinder_settings(128));
  double mean = 0;
  std::set<int64_t> margins;
  for (const PathfinderImage& image : generate_images(pathx, 1, 0, 8)) {
    mean += mean_of(image.image) / 8;
    margins.insert(image.margin);
  }
  CHECK(mean > 6.5);
  CHECK(mean < 9);
  CHECK(margins == std::set<int64_t>{2, 3});
}

// Means over images, and over their pixels / 255.
struct LevelStatistics {
  double distractors = 0, attempts = 0, mean = 0, deviation = 0, zero = 0, bright = 0;
  std::array<double, 4> quadrants = {};  // top left, top right, bottom left, bottom right
};
LevelStatistics statistics_of(const PathfinderSettings& settings, int64_t count) {
  LevelStatistics s;
  const double images = double(count), pixels = images * double(settings.size * settings.size);
  for (const PathfinderImage& image : generate_images(PathfinderGenerator(settings), 1, 0, count)) {
    s.distractors += double(image.distractors) / images;
    s.attempts += double(image.attempts) / images;
    for (int64_t y = 0; y < settings.size; ++y) {
      for (int64_t x = 0; x < settings.size; ++x) {
        const double value = at(image.image, y, x) / 255.0;
        s.mean += value / pixels;
        s.deviation += value * value / pixels;
        s.zero += (value == 0) / pixels;
        s.bright += (value > 0.7) / pixels;
        const bool below = 2 * y >= settings.size, right = 2 * x >= settings.size;
        s.quadrants[2 * size_t(below) + size_t(right)] += 4 * value / pixels;
      }
    }
  }
  s.deviation = std::sqrt(s.deviation - s.mean * s.mean);
  return s;
}

doctest::Approx within(double share, double expected) {
  return doctest::Approx(expected).epsilon(share).scale(0);
}

// The figures were counted in 1000 images of the authors' program (100 of 9 and of 6 dashes), with
// the benchmark's settings. 3 % is two standard errors of the quadrants and more of the others.
TEST_CASE("pathfinder generator: images of 32 pixels have the statistics of the authors' program") {
  const LevelStatistics s = statistics_of(pathfinder_settings(32), 3000);
  CHECK(std::abs(s.distractors - 1.16) < 0.05);
  CHECK(s.attempts == within(0.05, 323));
  CHECK(s.mean == within(0.03, 0.0790));
  CHECK(s.deviation == within(0.03, 0.2000));
  CHECK(s.zero == within(0.03, 0.659));
  CHECK(s.bright == within(0.03, 0.0253));
  const std::array<double, 4> quadrants = {0.103, 0.076, 0.076, 0.061};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(s.quadrants[i] == within(0.03, quadrants[i]));
  }
  const LevelStatistics nine = statistics_of(pathfinder_settings(32, 9), 1000);
  CHECK(std::abs(nine.distractors - 1.72) < 0.15);
  CHECK(nine.attempts == within(0.2, 62));
  const LevelStatistics six = statistics_of(pathfinder_settings(32, 6), 1000);
  CHECK(std::abs(six.distractors - 3.26) < 0.15);
  CHECK(six.attempts == within(0.2, 24));
}

// In these sizes the authors' program was not counted: it is slow.
TEST_CASE("pathfinder generator: a larger image has room for more distractors") {
  CHECK(std::abs(statistics_of(pathfinder_settings(64), 60).distractors - 2.58) < 0.35);
  CHECK(std::abs(statistics_of(pathfinder_settings(128), 24).distractors - 7.7) < 0.35);
}

TEST_CASE("pathfinder generator: with fair places more distractors find room in small images") {
  PathfinderSettings settings = pathfinder_settings(32);
  settings.fair_places = true;
  const LevelStatistics s = statistics_of(settings, 500);
  CHECK(std::abs(s.distractors - 4.65) < 0.1);
  CHECK(s.attempts == within(0.2, 46));
  CHECK(s.mean == within(0.03, 0.1085));
}

TEST_CASE("pathfinder generator: an angle is lost if its dash can lie wholly outside the image") {
  struct Row {
    int64_t size, margin, usable;
  };
  for (const Row& row :
       {Row{32, 1, 30}, {64, 1, 95}, {128, 2, 354}, {128, 3, 360}, {256, 3, 360}}) {
    CAPTURE(row.size);
    CAPTURE(row.margin);
    PathfinderSettings settings = pathfinder_settings(row.size);
    const MarginPlan plan(settings, row.margin, Bits(row.size));
    CHECK(std::count(plan.usable.begin(), plan.usable.end(), true) == row.usable);
    settings.fair_places = true;
    const MarginPlan fair(settings, row.margin, Bits(row.size));
    CHECK(std::count(fair.usable.begin(), fair.usable.end(), true) == 360);
  }

  // At 32 pixels, tried at every pixel, not at the corners alone.
  const MarginPlan plan(pathfinder_settings(32), 1, Bits(32));
  for (int64_t degree = -180; degree < 180; ++degree) {
    bool ever_outside = false;
    for (int64_t y = 0; y < 32; ++y) {
      for (int64_t x = 0; x < 32; ++x) {
        bool outside = true;
        for (const Point p : plan.footprints[size_t(degree + 180)]) {
          if (y + p.y >= 0 && y + p.y < 32 && x + p.x >= 0 && x + p.x < 32) outside = false;
        }
        ever_outside = ever_outside || outside;
      }
    }
    CHECK(plan.usable[size_t(degree + 180)] == !ever_outside);
    CHECK(plan.usable[size_t(degree + 180)] == (degree >= -150 && degree <= -121));
  }
}

TEST_CASE("pathfinder generator: single dashes fill up an image") {
  PathfinderSettings settings = pathfinder_settings(128, 6);
  const PathfinderImage without = generate_image(settings, 3, 0);
  settings.single_dashes = true;
  const PathfinderImage with = generate_image(settings, 3, 0);
  CHECK(with.distractors == without.distractors);
  CHECK(with.dashes.size() > without.dashes.size() + 10);
  CHECK(with.dashes.back().snake == with.dashes[with.dashes.size() - 2].snake + 1);
}

TEST_CASE("pathfinder generator: settings that cannot work are refused with name and value") {
  struct Case {
    std::function<void(PathfinderSettings&)> spoil;
    std::string message;
  };
  const Case cases[] = {
      {[](auto& s) { s.size = 15; }, "the size must be in 16..1024, got 15"},
      {[](auto& s) { s.padding = 0; }, "the padding must be in 1..8, got 0"},
      {[](auto& s) { s.antialias = 0; }, "the antialias scale must be in 1..8, got 0"},
      {[](auto& s) { s.seed_distance = 8; }, "the seed distance must be in 1..7, got 8"},
      {[](auto& s) { s.marker_radius = NAN; }, "the marker radius must be in 0.5..8, got nan"},
      {[](auto& s) { s.contour_length = 1; }, "the contour length must be in 2..100, got 1"},
      {[](auto& s) { s.distractor_length = 0; }, "the distractor length must be in"},
      {[](auto& s) { s.distractors = -1; }, "the number of distractors must be in 0..1000, got -1"},
      {[](auto& s) { s.continuity = 0; }, "the continuity must be in 0.1..100, got 0"},
      {[](auto& s) { s.dash_length = 9; }, "the dash length must be in 1..8, got 9"},
      {[](auto& s) { s.thickness = 0.7; }, "must be an integer, got 0.7 x 2"},
      {[](auto& s) { s.thickness = INFINITY; }, "the thickness must be in"},
      {[](auto& s) { s.margins = {}; }, "must not be empty"},
      {[](auto& s) {
         s.margins = {1, 5};
       },
       "the margin must be in 1..4, got 5"},
      {[](auto& s) { s.snake_contrasts = {}; }, "must not be empty"},
      {[](auto& s) {
         s.dash_contrasts = {1, -1};
       },
       "the dash contrast must be in 0.01..100, got -1"},
  };
  for (const Case& bad : cases) {
    PathfinderSettings settings = pathfinder_settings(32);
    bad.spoil(settings);
    const std::string message = message_of([&] { PathfinderGenerator{settings}; });
    CAPTURE(message);
    CHECK(contains(message, bad.message));
    CHECK(contains(message, "pathfinder: "));
    CHECK_THROWS_AS(PathfinderGenerator{settings}, UsageError);
  }
  CHECK(contains(message_of([] { pathfinder_settings(48); }), "32, 64, 128 or 256 pixels, got 48"));
  CHECK(contains(message_of([] { PathfinderGenerator(pathfinder_settings(32, 1)); }),
                 "the contour length must be in 2..100, got 1"));
  CHECK_THROWS_AS(generate_image(easy(), 1, -1), UsageError);
}

TEST_CASE("pathfinder generator: gives up when the targets find no place") {
  PathfinderSettings settings = pathfinder_settings(32);
  settings.dash_length = 8;  // more than the window of 4 x 4 pixels that a target begins in
  const std::string message = message_of([&] { generate_image(settings, 1, 3); });
  CHECK(contains(message, "image 3: two contours of 14 dashes found no place in 32 x 32 pixels"));
  CHECK_THROWS_AS(generate_images(PathfinderGenerator(settings), 1, 0, 2), UsageError);
}

// ---- Files

TEST_CASE("pathfinder generator: what is written is what the loader reads") {
  const PathfinderSettings settings = pathfinder_settings(32);
  const PathfinderGenerator generator(settings);
  for (const bool numpy : {false, true}) {
    const Folder folder;
    int64_t last = 0;
    const PathfinderWritten written = generate_dataset(folder.name(), settings, 9, 25, 10,
                                                       [&](int64_t done, int64_t total) {
                                                         CHECK(total == 25);
                                                         CHECK(done > last);
                                                         last = done;
                                                       },
                                                       {.numpy_metadata = numpy});
    CHECK(last == 25);
    CHECK(written.images == 25);
    CHECK(written.attempts >= 25);
    const fs::path level = folder.path / "pathfinder32" / "curv_contour_length_14";
    CHECK(written.folder == level.string());
    CHECK(std::distance(fs::directory_iterator(level / "metadata"), {}) == 3);
    CHECK(std::distance(fs::directory_iterator(level / "imgs" / "2"), {}) == 5);

    int64_t positives = 0;
    for (int64_t batch = 0; batch < 3; ++batch) {
      const std::string file = (level / "metadata" / (std::to_string(batch) + ".npy")).string();
      const std::vector<Row> rows = parse_metadata(
          read_file(file), file,
          [](int64_t line, const std::string& reason) { FAIL("line " << line << ": " << reason); });
      REQUIRE(int64_t(rows.size()) == (batch < 2 ? 10 : 5));
      for (size_t i = 0; i < rows.size(); ++i) {
        const PathfinderImage image = generator.generate(9, batch * 10 + int64_t(i));
        CHECK(rows[i].label == image.label);
        CHECK(read_png((level / rows[i].file).string()).pixels == image.image.pixels);
        positives += image.label;
      }
    }
    CHECK(written.positives == positives);
    const TaskData data = load(folder.name(), 32);
    CHECK(data.train.size() == 21);
    CHECK(data.val.size() == 2);
    CHECK(check_files(folder.name(), 32).usable());
  }
}

TEST_CASE("pathfinder generator: several levels take turns in one folder") {
  auto none = pathfinder_settings(32, 3);
  none.distractors = 0;
  const std::vector<PathfinderSettings> levels = {pathfinder_settings(32, 6), none, easy()};
  const Folder folder;
  const PathfinderWritten written = generate_dataset(folder.name(), levels, 5, 12, 5);
  CHECK(written.images == 12);
  CHECK(written.folder == (folder.path / "pathfinder32" / "curv_mixed").string());
  for (int64_t i = 0; i < 12; ++i) {  // batches of five, five and two
    const PathfinderSettings& own = levels[size_t(i % 3)];
    const PathfinderImage image = generate_image(own, 5, i);
    const std::string batch = std::to_string(i / 5),
                      name = "sample_" + std::to_string(i % 5) + ".png";
    CAPTURE(i);
    CHECK(read_png(written.folder + "/imgs/" + batch + '/' + name).pixels == image.image.pixels);
    std::string row;
    for (const std::string& field : metadata_row(own, image, i / 5, i % 5))
      row += (row.empty() ? "" : " ") + field;
    CHECK(contains(read_file(written.folder + "/metadata/" + batch + ".npy"), row + '\n'));
  }
  CHECK(load(written.folder, 32).train.size() == 10);
  CHECK(level_name(std::vector{none, none}) == "curv_contour_length_3");
  CHECK(contains(message_of([&] {
                   generate_dataset(folder.name(), {none, pathfinder_settings(64)}, 1, 2, 2);
                 }),
                 "the levels of one folder must have one size, got 32 and 64"));
  CHECK_THROWS_AS(generate_dataset(folder.name(), std::vector<PathfinderSettings>{}, 1, 2, 2),
                  UsageError);
  CHECK_THROWS_AS(generate_images(std::vector<PathfinderGenerator>{}, 1, 0, 2), UsageError);
}

TEST_CASE("pathfinder generator: a folder tells where curves begin, and what was drawn") {
  PathfinderSettings settings = pathfinder_settings(32, 9);
  for (const bool fair : {false, true}) {
    settings.fair_places = fair;
    const Folder folder;
    const PathfinderWritten written = generate_dataset(folder.name(), settings, 5, 20, 8);
    int64_t distractors = 0;
    for (int64_t i = 0; i < 20; ++i) distractors += generate_image(settings, 5, i).distractors;
    CHECK(written.distractors == distractors);
    char mean[20];
    std::snprintf(mean, sizeof mean, "%.3f", double(distractors) / 20);
    const std::string text = read_file(written.folder + "/settings.txt");
    CAPTURE(text);
    CHECK(contains(text, "20 images of 32 pixels a side, seed 5\n"));
    CHECK(contains(text, "two curves of 9 dashes, up to 6 distractors of 3; a curve begins "));
    CHECK(contains(text, "wherever there is room (--fair-places)") == fair);
    CHECK(contains(text, "where the authors' program begins it") == !fair);
    CHECK(contains(text, " attempts and " + std::string(mean) + " distractors an image\n"));
  }
}

TEST_CASE("pathfinder generator: the metadata has the eleven columns of the archive") {
  PathfinderImage image;
  image.label = 1;
  image.margin = 3;
  using Row11 = std::vector<std::string>;
  CHECK(metadata_row(pathfinder_settings(128), image, 4, 17) ==
        Row11{"imgs/4", "sample_17.png", "17", "1", "1.8", "14", "4", "5", "1.5", "3", "1"});
  image.margin = 1;
  CHECK(metadata_row(pathfinder_settings(32, 6), image, 0, 0) ==
        Row11{"imgs/0", "sample_0.png", "0", "1", "1.0", "6", "2", "2", "0.5", "1", "1"});
  CHECK(level_name(pathfinder_settings(32, 6)) == "curv_baseline");
  CHECK(level_name(pathfinder_settings(32, 9)) == "curv_contour_length_9");

  const Folder folder;
  const PathfinderWritten written = generate_dataset(folder.name(), easy(), 1, 2, 5);
  const std::string text = read_file(written.folder + "/metadata/0.npy");
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK(std::count(text.begin(), text.end(), ' ') == 20);
  CHECK(text.starts_with("imgs/0 sample_0.png 0 "));
}

TEST_CASE("pathfinder generator: images that are there are kept unless overwriting is asked for") {
  const Folder folder;
  const std::string kept = folder.write("pathfinder32/curv_baseline/metadata/7.npy", "mine");
  fs::create_directories(folder.path / "pathfinder32/curv_baseline/imgs");
  const std::string message = message_of([&] { generate_dataset(folder.name(), easy(), 1, 3, 2); });
  CHECK(contains(message, "curv_baseline/metadata' is there already; give --force to replace it"));
  CHECK(read_file(kept) == "mine");
  const PathfinderWritten written =
      generate_dataset(folder.name(), easy(), 1, 3, 2, {}, {.overwrite = true});
  CHECK_FALSE(fs::exists(kept));
  CHECK(written.images == 3);
  CHECK_THROWS_AS(generate_dataset(folder.name(), easy(), 1, 3, 2), UsageError);
  generate_dataset(folder.name(), pathfinder_settings(32, 9), 1, 1, 2);  // another level
}

TEST_CASE("pathfinder generator: two programs do not write one level at a time") {
  const Folder folder;
  fs::create_directories(folder.path / "pathfinder32/curv_baseline");
  {
    const FolderLock lock(folder.file("pathfinder32/curv_baseline"));
    CHECK_THROWS_WITH_AS(generate_dataset(folder.name(), easy(), 1, 3, 2),
                         doctest::Contains("another program writes to"), UsageError);
    generate_dataset(folder.name(), pathfinder_settings(32, 9), 1, 1, 2);  // another level
  }
  generate_dataset(folder.name(), easy(), 1, 3, 2);
}

TEST_CASE("pathfinder generator: a batch without all its images has no metadata") {
  const Folder folder;
  CHECK_THROWS_AS(generate_dataset(folder.name(), easy(), 1, 6, 2,
                                   [](int64_t done, int64_t) {
                                     if (done == 4) throw Error("stop");
                                   }),
                  Error);
  const fs::path level = folder.path / "pathfinder32" / "curv_baseline";
  CHECK(fs::exists(level / "metadata" / "0.npy"));
  CHECK_FALSE(fs::exists(level / "metadata" / "1.npy"));
  CHECK(fs::exists(level / "imgs" / "1" / "sample_1.png"));
}

TEST_CASE("pathfinder generator: bad counts and folders are refused") {
  const Folder folder;
  const std::string file = folder.write("file", "");
  CHECK_THROWS_AS(generate_dataset(file, easy(), 1, 2, 2), IoError);
  CHECK_THROWS_AS(generate_dataset(folder.name(), easy(), 1, 0, 2), UsageError);
  CHECK_THROWS_AS(generate_dataset(folder.name(), easy(), 1, 2, 0), UsageError);
  CHECK(contains(message_of([&] { generate_dataset(folder.name(), easy(), 1, -3, 2); }),
                 "the number of images must be in 1..100000000, got -3"));
  PathfinderSettings settings = easy();
  settings.padding = 0;
  CHECK_THROWS_AS(generate_dataset(folder.name(), settings, 1, 2, 2), UsageError);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);  // nothing was made
}
