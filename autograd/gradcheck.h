// Checks the samples of an op.
#pragma once

#include <string>

#include "autograd/op.h"

namespace skiff {

// Largest errors over an op's samples; each is relative. -1: not applicable.
struct GradcheckResult {
  std::string op;
  int samples = 0;
  double reference = -1;   // forward against the plain formula, ops that have one, float64
  double adjoint = -1;     // |<A v, gy> - <v, A^T gy>|, linear ops, float64
  double difference = -1;  // backward against central differences, float64, every entry
  double precision = -1;   // float32 against float64, output and gradients
  std::string worst;       // where a limit is exceeded first
  bool passed = false;
};

struct GradcheckLimits {
  double reference = 1e-12, adjoint = 1e-12, difference = 1e-6, precision = 1e-5;
};

// The op computes on `device`; directions and differences are made on the CPU.
GradcheckResult gradcheck(const OpEntry& op, const GradcheckLimits& limits = {},
                          Device device = Device::CPU);

}  // namespace skiff
