// Learning rate schedules: the factor of the base rate at step s = 0, 1, ...
#pragma once

#include <cstdint>

#include "core/options.h"

namespace skiff {

enum class ScheduleKind {
  Constant,
  Cosine,           // 1/2 (1 + cos(pi (s-w)/(T-w))), raised to end at `floor`, and stays there
  CosineUnclamped,  // the same formula beyond T too: the rate rises again, as in the released LRA
                    // code
  InverseSqrt,      // sqrt(w/s) (fairseq; w = 1 without warm-up)
  Polynomial        // (1 - (s-w)/(T-w))^power, raised to end at `floor`, and stays there (fairseq)
};
inline std::span<const Word<ScheduleKind>> words_of(ScheduleKind) {
  static constexpr Word<ScheduleKind> kWords[] = {
      {ScheduleKind::Constant, "constant"},
      {ScheduleKind::Cosine, "cosine"},
      {ScheduleKind::CosineUnclamped, "cosine_unclamped"},
      {ScheduleKind::InverseSqrt, "inverse_sqrt"},
      {ScheduleKind::Polynomial, "polynomial"}};
  return kWords;
}

struct Schedule {
  ScheduleKind kind = ScheduleKind::Cosine;
  int64_t warmup = 0;   // w: for s < w the factor rises from `start` at step 0 to 1 at step w
  int64_t horizon = 1;  // T, for the cosines and the polynomial
  double floor = 0;     // of Cosine and Polynomial: a share of the base rate, as 0.1 for lr/10
  double start = 0;     // of the warm-up: fairseq's warmup_init / lr
  double power = 1;     // of Polynomial; 1: a straight line
  double operator()(int64_t step) const;
};

}  // namespace skiff
