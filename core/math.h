// exp and sigmoid for kernels. The float32 exp has no branch but its two limits, so loops over it
// vectorise (the limits need -fno-trapping-math where AVX-512's masks are missing): without
// -ffast-math the compiler may not use the vector functions of the C library.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/device.h"

namespace skiff::math {

SKIFF_HOST_DEVICE inline double exp(double x) { return std::exp(x); }

// e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7
// (truncation 1e-8 relative; about one unit in the last place in all). The result saturates: 0
// below -103.97, infinity above 88.72; NaN stays NaN.
SKIFF_HOST_DEVICE SKIFF_ALWAYS_INLINE float exp(float x) {
#ifdef __CUDA_ARCH__
  return ::expf(x);
#else
  constexpr float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float c = x > 89.0f ? 89.0f : x;           // a NaN fails both comparisons and passes through
  c = c < -104.0f ? -104.0f : c;
  const float n = (c * log2e + to_integer) - to_integer;
  const float r = (c - n * ln2_high) - n * ln2_low;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // 2^n in two factors: n itself may lie outside the exponents of normal numbers.
  const int32_t k = int32_t(c != c ? 0.0f : n);
  const int32_t half = k >> 1;
  const float s1 = std::bit_cast<float>((half + 127) << 23);
  const float s2 = std::bit_cast<float>((k - half + 127) << 23);
  return p * s1 * s2;
#endif
}

template <class T>
SKIFF_HOST_DEVICE SKIFF_ALWAYS_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

template <class T>
SKIFF_HOST_DEVICE SKIFF_ALWAYS_INLINE T silu(T x) {
  return x * sigmoid(x);
}

}  // namespace skiff::math
