// Learning rate schedules: the factor on the base rate at step s = 0, 1, ...
#pragma once

#include <cstdint>
#include <string>

namespace skiff {

enum class ScheduleKind {
  Constant,
  Cosine,           // 1/2 (1 + cos(pi (s-w)/(T-w))), 0 from T on
  CosineUnclamped,  // the same formula beyond T: the rate rises again, as the released LRA code
                    // does
  InverseSqrt       // sqrt(w/s) (fairseq; w = 1 without warm-up)
};
ScheduleKind schedule_named(const std::string& name);  // "constant", "cosine", "cosine_unclamped",
                                                       // "inverse_sqrt"; UsageError otherwise

struct Schedule {
  ScheduleKind kind = ScheduleKind::Cosine;
  int64_t warmup = 0;   // w: the factor is s/w for s < w
  int64_t horizon = 1;  // T, for the cosines
  double operator()(int64_t step) const;
};

}  // namespace skiff
