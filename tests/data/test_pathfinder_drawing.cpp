// The drawing of the Pathfinder generator against slow references.
#include "data/pathfinder/drawing.h"

#include <cmath>
#include <numbers>

#include "core/check.h"
#include "core/random.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::pathfinder;

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

}  // namespace

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
