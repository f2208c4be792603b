#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace skiff {

double Schedule::operator()(int64_t step) const {
  if (step < warmup) return start + (1 - start) * (double(step) / double(warmup));
  if (kind == ScheduleKind::Constant) return 1;
  if (kind == ScheduleKind::InverseSqrt) {
    const double w = double(std::max<int64_t>(warmup, 1));
    return std::sqrt(w / std::max(double(step), w));
  }
  if (kind != ScheduleKind::CosineUnclamped && step >= horizon) return floor;
  // A horizon inside the warm-up leaves nothing to decay over.
  const double span = double(std::max<int64_t>(horizon - warmup, 1));
  const double progress = double(step - warmup) / span;
  if (kind == ScheduleKind::Polynomial) return floor + (1 - floor) * std::pow(1 - progress, power);
  const double cosine = std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * progress)));
  return kind == ScheduleKind::Cosine ? floor + (1 - floor) * cosine : cosine;
}

}  // namespace skiff
