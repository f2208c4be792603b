// InducingPlace: where a position of a sequence lies between the inducing points of SKI, exactly.
#pragma once

#include <cstdint>

#include "core/device.h"

namespace skiff {

// Where position i of n lies between r >= 2 inducing points, the first at 0, the last at n-1:
//   u = i (r-1)/(n-1),  j = min(floor(u), r-2),  f = u - j = (i (r-1) - j (n-1)) / (n-1),
// exact: the numerator is an integer. One division finds a place, next() needs none.
struct InducingPlace {
  int64_t n, r, j, numerator;

  SKIFF_HOST_DEVICE InducingPlace(int64_t n, int64_t r, int64_t i)
      : n(n), r(r), j(0), numerator(0) {
    if (n == 1) return;
    j = i * (r - 1) / (n - 1);
    if (j > r - 2) j = r - 2;
    numerator = i * (r - 1) - j * (n - 1);
  }
  SKIFF_HOST_DEVICE void next() {
    numerator += r - 1;
    while (numerator >= n - 1 && j < r - 2) {
      numerator -= n - 1;
      ++j;
    }
  }
  SKIFF_HOST_DEVICE double fraction() const {  // f
    return n == 1 ? 0 : double(numerator) / double(n - 1);
  }
  // The first position with j_i >= j; n for j = r-1.
  SKIFF_HOST_DEVICE static int64_t first_position(int64_t n, int64_t r, int64_t j) {
    if (j <= 0) return 0;
    return j >= r - 1 || n == 1 ? n : (j * (n - 1) + r - 2) / (r - 1);
  }
};

}  // namespace skiff
