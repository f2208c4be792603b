#include "data/pathfinder/drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "core/check.h"

namespace skiff::pathfinder {

GrayImage blank(int64_t height, int64_t width) {
  return {height, width, std::vector<uint8_t>(size_t(height * width))};
}

Point translate(Point from, double angle, double distance) {
  return {int64_t(std::ceil(double(from.y) + distance * std::sin(angle))),
          int64_t(std::ceil(double(from.x) + distance * std::cos(angle)))};
}

GrayImage disc(int64_t m) {
  GrayImage kernel = blank(2 * m + 1, 2 * m + 1);
  for (int64_t y = -m; y <= m; ++y) {
    for (int64_t x = -m; x <= m; ++x) {
      kernel.pixels[size_t((y + m) * kernel.width + x + m)] = x * x + y * y <= m * m;
    }
  }
  return kernel;
}

GrayImage dilate(const GrayImage& image, const GrayImage& kernel) {
  check(kernel.height % 2 == 1 && kernel.width % 2 == 1,
        "pathfinder: the sides of a dilation kernel must be odd, got ", kernel.height, " x ",
        kernel.width);
  GrayImage result = blank(image.height, image.width);
  for (int64_t row = 0; row < kernel.height; ++row) {
    for (int64_t column = 0; column < kernel.width; ++column) {
      if (kernel.pixels[size_t(row * kernel.width + column)] == 0) continue;
      const int64_t dy = row - kernel.height / 2, dx = column - kernel.width / 2;
      const int64_t first = std::max<int64_t>(0, -dx);
      const int64_t count = std::min(image.width, image.width - dx) - first;
      for (int64_t y = std::max<int64_t>(0, -dy); y < std::min(image.height, image.height - dy);
           ++y) {
        const uint8_t* from = image.pixels.data() + (y + dy) * image.width + first + dx;
        uint8_t* to = result.pixels.data() + y * image.width + first;
        for (int64_t x = 0; x < count; ++x) to[x] = std::max(to[x], from[x]);
      }
    }
  }
  return result;
}

// ---- Lines

namespace {

int64_t round_half_up(double value) {  // ties away from zero
  return int64_t(std::copysign(std::floor(std::abs(value) + 0.5), value));
}
int64_t round_half_down(double value) {  // ties towards zero
  return int64_t(std::copysign(std::ceil(std::abs(value) - 0.5), value));
}

void fill_row(GrayImage& canvas, int64_t y, int64_t first, int64_t last) {
  if (y < 0 || y >= canvas.height) return;
  for (int64_t x = std::max<int64_t>(first, 0); x <= std::min(last, canvas.width - 1); ++x) {
    canvas.pixels[size_t(y * canvas.width + x)] = 255;
  }
}

// Bresenham: one pixel per step along the longer side.
void draw_thin_line(GrayImage& canvas, Point at, Point to) {
  const int64_t dy = std::abs(to.y - at.y), dx = std::abs(to.x - at.x);
  const int64_t step_y = to.y < at.y ? -1 : 1, step_x = to.x < at.x ? -1 : 1;
  const int64_t steps = std::max(dy, dx), minor = std::min(dy, dx);
  int64_t error = 2 * minor - steps;
  for (int64_t i = 0; i < steps; ++i) {
    fill_row(canvas, at.y, at.x, at.x);
    const bool aside = minor > 0 && error >= 0;
    if (aside) error -= 2 * steps;
    error += 2 * minor;
    if (dx > dy || aside) at.x += step_x;
    if (dx <= dy || aside) at.y += step_y;
  }
  fill_row(canvas, to.y, to.x, to.x);
}

// A convex polygon with its border: in each row, the rounded range between its edges.
void fill_polygon(GrayImage& canvas, const std::array<Point, 4>& corners) {
  const auto by_y = [](Point a, Point b) { return a.y < b.y; };
  const auto [top, bottom] = std::minmax_element(corners.begin(), corners.end(), by_y);
  for (int64_t y = top->y; y <= bottom->y; ++y) {
    double left = INFINITY, right = -INFINITY;
    for (size_t i = 0; i < corners.size(); ++i) {
      const Point a = corners[i], b = corners[(i + 1) % corners.size()];
      if (y < std::min(a.y, b.y) || y > std::max(a.y, b.y)) continue;
      for (const Point end : {a, b}) {
        const double x = a.y == b.y
                             ? double(end.x)
                             : double(a.x) + double((y - a.y) * (b.x - a.x)) / double(b.y - a.y);
        left = std::min(left, x);
        right = std::max(right, x);
      }
    }
    fill_row(canvas, y, round_half_up(left), round_half_down(right));
  }
}

}  // namespace

void draw_line(GrayImage& canvas, Point from, Point to, int64_t width) {
  if (width <= 1 || from == to) return draw_thin_line(canvas, from, to);
  // The corners are whole pixels; of an even width the odd pixel goes to one side.
  const double dy = double(to.y - from.y), dx = double(to.x - from.x);
  const double half = double(width - 1) / 2, hypotenuse = std::hypot(dx, dy);
  const double less = double(round_half_down(half)) / hypotenuse;
  const double more = double(round_half_up(half)) / hypotenuse;
  const int64_t x_less = round_half_down(less * dy), x_more = round_half_down(more * dy);
  const int64_t y_less = round_half_up(less * dx), y_more = round_half_up(more * dx);
  fill_polygon(canvas, {{{from.y + y_more, from.x - x_less},
                         {to.y + y_more, to.x - x_less},
                         {to.y - y_less, to.x + x_more},
                         {from.y - y_less, from.x + x_more}}});
}

// ---- Reduction

namespace {

double lanczos_kernel(double x) {
  if (x <= -3 || x >= 3) return 0;
  if (x == 0) return 1;
  const double t = std::numbers::pi * x;
  return std::sin(t) / t * std::sin(t / 3) / (t / 3);
}

uint8_t rounded(int64_t sum) {
  const int64_t half = int64_t(1) << (Reduction::kBits - 1);
  return uint8_t(std::clamp<int64_t>((sum + half) >> Reduction::kBits, 0, 255));
}

}  // namespace

Reduction lanczos(int64_t in, int64_t out) {
  check(out >= 1 && in >= out, "pathfinder: a reduction needs in >= out >= 1, got ", in, " to ",
        out);
  const double scale = double(in) / double(out), support = 3 * scale;
  Reduction result{in, out, int64_t(std::ceil(support)) * 2 + 1, {}, {}};
  result.weights.resize(size_t(out * result.taps));
  std::vector<double> values;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (double(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, int64_t(centre - support + 0.5));
    const int64_t last = std::min(in, int64_t(centre + support + 0.5));
    double sum = 0;
    values.clear();
    for (int64_t x = first; x < last; ++x) {
      values.push_back(lanczos_kernel((double(x) + 0.5 - centre) / scale));
      sum += values.back();
    }
    result.first.push_back(first);
    for (size_t t = 0; t < values.size(); ++t) {
      result.weights[size_t(i * result.taps) + t] =
          int32_t(round_half_up(values[t] / sum * double(1 << Reduction::kBits)));
    }
  }
  return result;
}

namespace {

// sum_t weights[t] line[first + t * stride] for the taps that meet the `count` pixels from
// `origin`.
int64_t weighted_sum(const Reduction& reduction, int64_t i, const uint8_t* line, int64_t origin,
                     int64_t count, int64_t stride) {
  const int32_t* weights = reduction.weights.data() + i * reduction.taps;
  const int64_t shift = reduction.first[size_t(i)] - origin;
  const int64_t begin = std::max<int64_t>(0, -shift);
  const int64_t end = std::min(reduction.taps, count - shift);
  int64_t sum = 0;
  for (int64_t t = begin; t < end; ++t) sum += int64_t(weights[t]) * line[(shift + t) * stride];
  return sum;
}

}  // namespace

Window reduce(const Window& canvas, const Reduction& reduction, Point centre, int64_t reach) {
  const GrayImage& from = canvas.image;
  const Point first = {std::max<int64_t>(0, centre.y - reach),
                       std::max<int64_t>(0, centre.x - reach)};
  const int64_t height = std::min(reduction.out, centre.y + reach + 1) - first.y;
  const int64_t width = std::min(reduction.out, centre.x + reach + 1) - first.x;
  GrayImage narrow = blank(from.height, width);
  for (int64_t y = 0; y < from.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      narrow.pixels[size_t(y * width + x)] =
          rounded(weighted_sum(reduction, first.x + x, from.pixels.data() + y * from.width,
                               canvas.origin.x, from.width, 1));
    }
  }
  Window result{first, blank(height, width)};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      result.image.pixels[size_t(y * width + x)] = rounded(weighted_sum(
          reduction, first.y + y, narrow.pixels.data() + x, canvas.origin.y, from.height, width));
    }
  }
  return result;
}

Window draw_disc(Point centre, double radius, int64_t antialias, const Reduction& reduction) {
  const Point middle = {centre.y * antialias, centre.x * antialias};
  const double large = radius * double(antialias);
  const int64_t reach = int64_t(std::floor(large));
  const Point first = {std::max<int64_t>(0, middle.y - reach),
                       std::max<int64_t>(0, middle.x - reach)};
  Window canvas{first, blank(std::min(reduction.in, middle.y + reach + 1) - first.y,
                             std::min(reduction.in, middle.x + reach + 1) - first.x)};
  for (int64_t y = 0; y < canvas.image.height; ++y) {
    for (int64_t x = 0; x < canvas.image.width; ++x) {
      const double dy = double(first.y + y - middle.y), dx = double(first.x + x - middle.x);
      canvas.image.pixels[size_t(y * canvas.image.width + x)] =
          dx * dx + dy * dy <= large * large ? 255 : 0;
    }
  }
  return reduce(canvas, reduction, centre, int64_t(std::ceil(radius)) + 4);  // 3 of the filter
}

// ---- Dashes

DashShapes::DashShapes(int64_t length, double thickness, int64_t margin, int64_t antialias)
    : reach_(length + int64_t(std::ceil(thickness)) + margin),
      centre_(reach_ * antialias),
      length_(length * antialias) {
  const int64_t width = int64_t(std::round(thickness * double(antialias)));
  const GrayImage kernel = disc(margin * antialias);
  const Reduction reduction = lanczos(2 * centre_ + 1, 2 * reach_ + 1);
  const int64_t side = 2 * length_ + 1;
  index_.assign(size_t(side * side), -1);
  // translate() ends a line at (dy, dx) from a point of ]dy - 1, dy] x ]dx - 1, dx] when the circle
  // around its start crosses that square.
  const auto nearest = [](int64_t d) { return std::max<int64_t>(0, d >= 1 ? d - 1 : -d); };
  const auto farthest = [](int64_t d) { return std::max(std::abs(d), std::abs(d - 1)); };
  const auto square = [](int64_t v) { return v * v; };
  for (int64_t dy = -length_; dy <= length_; ++dy) {
    for (int64_t dx = -length_; dx <= length_; ++dx) {
      if (square(nearest(dy)) + square(nearest(dx)) > square(length_)) continue;
      if (square(farthest(dy)) + square(farthest(dx)) < square(length_)) continue;
      index_[size_t((dy + length_) * side + dx + length_)] = int32_t(shapes_.size());
      shapes_.push_back(draw({centre_ + dy, centre_ + dx}, width, kernel, reduction));
    }
  }
}

namespace {

// The smallest part of an image, centred on the origin, outside which it is `background`.
Window cropped(const GrayImage& image, uint8_t background) {
  Point first = {image.height, image.width}, last = {-1, -1};
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      if (image.pixels[size_t(y * image.width + x)] == background) continue;
      first = {std::min(first.y, y), std::min(first.x, x)};
      last = {y, std::max(last.x, x)};
    }
  }
  if (last.y < 0) return {{}, blank(0, 0)};
  Window part{{first.y - image.height / 2, first.x - image.width / 2},
              blank(last.y - first.y + 1, last.x - first.x + 1)};
  for (int64_t y = first.y; y <= last.y; ++y) {
    const auto from = image.pixels.begin() + y * image.width;
    std::copy(from + first.x, from + last.x + 1,
              part.image.pixels.begin() + (y - first.y) * part.image.width);
  }
  return part;
}

}  // namespace

DashShape DashShapes::draw(Point end, int64_t width, const GrayImage& kernel,
                           const Reduction& reduction) const {
  const Point middle = {reach_, reach_};
  GrayImage canvas = blank(reduction.in, reduction.in);
  draw_line(canvas, {centre_, centre_}, end, width);
  GrayImage mask = reduce({{}, dilate(canvas, kernel)}, reduction, middle, reach_).image;
  DashShape shape;
  for (int64_t y = 0; y < reduction.out; ++y) {
    for (int64_t x = 0; x < reduction.out; ++x) {
      if (mask.pixels[size_t(y * reduction.out + x)] == 255) {
        shape.core.push_back({y - reach_, x - reach_});
      }
    }
  }
  shape.line = cropped(reduce({{}, std::move(canvas)}, reduction, middle, reach_).image, 0);
  shape.mask = cropped(mask, 0);
  for (uint8_t& value : mask.pixels) value = uint8_t(std::min(255, 458 - value));
  shape.room = cropped(mask, 255);
  return shape;
}

const DashShape& DashShapes::at(double angle) const {
  const Point end = translate({centre_, centre_}, angle, double(length_));
  const int64_t dy = end.y - centre_ + length_, dx = end.x - centre_ + length_;
  const int64_t side = 2 * length_ + 1;
  check(dy >= 0 && dy < side && dx >= 0 && dx < side && index_[size_t(dy * side + dx)] >= 0,
        "pathfinder: no shape for a dash of angle ", angle);
  return shapes_[size_t(index_[size_t(dy * side + dx)])];
}

}  // namespace skiff::pathfinder
