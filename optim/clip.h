// Clipping by the global norm of all gradients.
#pragma once

#include "layers/parameters.h"

namespace skiff {

// |g| over all trained parameters that have a gradient; summed in float64.
double gradient_norm(const Parameters& parameters);

// The factor that brings the norm down to `limit`: min(1, limit / norm); 1 when limit is 0 (off).
// Given to the optimizer's step(): gradients may share storage, so nothing scales them in place.
double clip_factor(double norm, double limit);

}  // namespace skiff
