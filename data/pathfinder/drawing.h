// The drawing of Pathfinder images (Linsley et al., 2018): rasters of one byte per pixel, lines,
// dilation, and Lanczos reduction from a finer raster. Source: drewlinsley/pathfinder, snakes.py;
// lines and reduction pixel for pixel as Pillow makes them, which that program draws with.
#pragma once

#include <cstdint>
#include <vector>

#include "data/files/png.h"

namespace skiff::pathfinder {

struct Point {
  int64_t y = 0, x = 0;
  bool operator==(const Point&) const = default;
};

GrayImage blank(int64_t height, int64_t width);

// (ceil(y + distance sin angle), ceil(x + distance cos angle)); rows grow downwards.
Point translate(Point from, double angle, double distance);

// (2m + 1)^2 pixels, 1 where x^2 + y^2 <= m^2 from the centre, else 0.
GrayImage disc(int64_t m);

// The maximum over the pixels under the non-zero ones of a kernel of odd sides, centred on each
// pixel in turn. Outside the image there is nothing.
GrayImage dilate(const GrayImage& image, const GrayImage& kernel);

// A straight line of value 255 with both its end points, `width` pixels wide.
void draw_line(GrayImage& canvas, Point from, Point to, int64_t width);

// Lanczos weights (a = 3, support widened by in / out) that reduce `in` pixels to `out`:
//   y[i] = sum_t weights[i * taps + t] x[first[i] + t] / 2^22,  the weights of each i sum to 2^22
// up to the rounding of each.
struct Reduction {
  static constexpr int kBits = 22;
  int64_t in = 0, out = 0, taps = 0;
  std::vector<int64_t> first;    // (out)
  std::vector<int32_t> weights;  // (out, taps)
};
Reduction lanczos(int64_t in, int64_t out);

// A part of a raster, from `origin` on. Elsewhere the raster is 0.
struct Window {
  Point origin;
  GrayImage image;
};

// Reduces a square raster of which `canvas` is not 0: columns first, then rows, each rounded to
// 0..255. Returns the pixels of the result within `reach` of the centre, and on it.
Window reduce(const Window& canvas, const Reduction& reduction, Point centre, int64_t reach);

// A disc drawn `antialias` times larger around the centre and reduced; reduction: lanczos(size *
// antialias, size).
Window draw_disc(Point centre, double radius, int64_t antialias, const Reduction& reduction);

// A dash as it is pasted; the origins are relative to its start.
struct DashShape {
  Window line, mask;
  Window room;              // the largest value with which the mask sums up to less than 1.8 x 255
  std::vector<Point> core;  // where the mask is 255
};

// Every shape that a dash of a length can have. There are few of them, because the end of the line
// on the canvas is a pixel.
class DashShapes {
 public:
  DashShapes(int64_t length, double thickness, int64_t margin, int64_t antialias);

  const DashShape& at(double angle) const;

 private:
  DashShape draw(Point end, int64_t width, const GrayImage& kernel,
                 const Reduction& reduction) const;

  int64_t reach_;               // pixels that a shape has at most on each side of the start
  int64_t centre_, length_;     // in pixels of the canvas
  std::vector<int32_t> index_;  // by the end of the line; -1: no dash ends there
  std::vector<DashShape> shapes_;
};

}  // namespace skiff::pathfinder
