// Clipping by the global norm of all gradients.
#pragma once

#include "layers/parameters.h"

namespace skiff {

// |g| over all trained parameters that have a gradient; summed in float64.
double gradient_norm(const Parameters& parameters);

// min(1, limit / norm), which brings the norm down to `limit`; 1 if limit is 0 (no clipping).
// An optimizer's step() multiplies by it: gradients may share storage, so none is scaled in place.
double clip_factor(double norm, double limit);

}  // namespace skiff
