// Mixer2d: a mixer along the rows of an image and one along its columns.
#pragma once

#include "layers/operators/mixer.h"

namespace skiff {

// x (B, H W, channels), row-major: T1 along rows, T2 along columns. The published sum
// T2 T1 v + T1 T2 v is 2 T2 T1 v, because the two act on axes of their own, channel by channel,
// and so commute: one product, doubled.
struct Mixer2d : Mixer {
  int64_t height, width;
  std::unique_ptr<Mixer> rows, columns;
  Mixer2d(const Scope& s, int64_t channels, int64_t height, int64_t width, const MakeMixer& make);
  Variable operator()(const Variable& x, int64_t axis = -2) const override;  // axis -2 only
};

}  // namespace skiff
