// The gate of a gated unit, p = silu(a) b, and its gradients (derived in gated_linear.cpp): what
// gated_linear and gated_linear_unit share.
#pragma once

#include <cstdint>

#include "core/device.h"

namespace skiff {

// p = silu(a) b for n elements.
template <class T>
void gate(Device device, int64_t n, const T* a, const T* b, T* p);

// From g = gp: gb, p once more, and ga in gp's place.
template <class T>
void gate_gradients(Device device, int64_t n, const T* a, const T* b, T* g, T* gb, T* p);

}  // namespace skiff
