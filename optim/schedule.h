// Learning rate schedules: the factor of the base rate at step s = 0, 1, ...
#pragma once

#include <cstdint>

#include "core/options.h"

namespace skiff {

enum class ScheduleKind {
  Constant,
  Cosine,           // 1/2 (1 + cos(pi (s-w)/(T-w))), 0 from T on
  CosineUnclamped,  // the same formula beyond T too: the rate rises again, as in the released LRA
                    // code
  InverseSqrt       // sqrt(w/s) (fairseq; w = 1 without warm-up)
};
inline std::span<const Word<ScheduleKind>> words_of(ScheduleKind) {
  static constexpr Word<ScheduleKind> kWords[] = {
      {ScheduleKind::Constant, "constant"},
      {ScheduleKind::Cosine, "cosine"},
      {ScheduleKind::CosineUnclamped, "cosine_unclamped"},
      {ScheduleKind::InverseSqrt, "inverse_sqrt"}};
  return kWords;
}

struct Schedule {
  ScheduleKind kind = ScheduleKind::Cosine;
  int64_t warmup = 0;   // w: the factor is s/w for s < w
  int64_t horizon = 1;  // T, for the cosines
  double operator()(int64_t step) const;
};

}  // namespace skiff
