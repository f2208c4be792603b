// SequenceUnit: the half of a block that mixes positions, by a Toeplitz operator or by attention.
#pragma once

#include "autograd/tape.h"

namespace skiff {

struct SequenceUnit {
  virtual ~SequenceUnit() = default;
  // (B, n, dim) -> (B, n, dim). With lengths, int32 (B), positions from there on are not mixed in.
  virtual Variable operator()(const Variable& x, const Tensor& lengths = {}) const = 0;
};

}  // namespace skiff
