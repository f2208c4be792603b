// Philox for consecutive counters, one block per 64-bit lane of a vector. A number of 32 bits is in
// the lower half of its lane, as the product of lower halves (one instruction) needs it. The upper
// half may contain anything: nothing but the upper half of such a product moves down from it.

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "core/lanes.h"
#include "core/random.h"

namespace skiff {
namespace {

constexpr int kBytes = std::min(lanes::kBytes, 32);
constexpr int kLanes = kBytes / 8;
typedef uint64_t Lanes __attribute__((vector_size(kBytes)));
static_assert(kPhiloxTile % kLanes == 0);

// Product of the lower halves, 64 bits each. From the plain expression g++ makes three products.
inline Lanes product(Lanes a, Lanes b) {
#ifdef __AVX2__
  return (Lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  return (a & uint64_t(0xFFFFFFFF)) * (b & uint64_t(0xFFFFFFFF));
#endif
}

}  // namespace

void philox_tile(uint64_t key, uint64_t c0, uint64_t c1, uint32_t (&words)[4][kPhiloxTile]) {
  for (int first = 0; first < kPhiloxTile; first += kLanes) {
    uint64_t counters[kLanes];
    for (int l = 0; l < kLanes; ++l) counters[l] = c0 + uint64_t(first + l);
    Lanes x0, x1, x2 = Lanes{} + c1, x3 = x2 >> 32;
    std::memcpy(&x0, counters, sizeof x0);
    x1 = x0 >> 32;
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    for (int round = 0; round < 10; ++round) {  // as in philox()
      const Lanes p0 = product(x0, Lanes{} + uint64_t(0xD2511F53));
      const Lanes p1 = product(x2, Lanes{} + uint64_t(0xCD9E8D57));
      x0 = (p1 >> 32) ^ x1 ^ uint64_t(k0);
      x2 = (p0 >> 32) ^ x3 ^ uint64_t(k1);
      x1 = p1;
      x3 = p0;
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    const Lanes x[4] = {x0, x1, x2, x3};
    for (int w = 0; w < 4; ++w)
      for (int l = 0; l < kLanes; ++l) words[w][first + l] = uint32_t(x[w][l]);
  }
}

}  // namespace skiff
