#include "layers/blocks/mixer2d.h"

#include "autograd/ops.h"

namespace skiff {

// Each is made for the length of its own axis.
Mixer2d::Mixer2d(const Scope& s, int64_t channels, int64_t height, int64_t width,
                 const MakeMixer& make)
    : height(height),
      width(width),
      rows(make(s / "toep1", {.channels = channels, .train_length = width})),
      columns(make(s / "toep2", {.channels = channels, .train_length = height})) {}

Variable Mixer2d::operator()(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(-2), channels = x.size(-1);
  check(x.rank() == 3 && n == height * width && axis == -2, "mixer2d: an image of ", height, " x ",
        width, " has ", height * width, " positions along axis -2, got ", x.value(), ", axis ",
        axis);
  const Variable image = reshape(x, {x.size(0), height, width, channels});
  const Variable mixed = (*columns)((*rows)(image, /*axis=*/-2), /*axis=*/-3);
  return 2.0 * reshape(mixed, x.shape());
}

}  // namespace skiff
