// Random numbers from a counter: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy
// as 1, 2, 3", SC 2011). A block of four 32-bit numbers is a function of a 64-bit key and a
// 128-bit counter, so any number can be drawn by itself, in any order, on any device.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/device.h"
#include "core/tensor.h"

namespace skiff {

struct PhiloxBlock {
  uint32_t word[4];
};

// The block at counter (c0, c1) under the key.
SKIFF_HOST_DEVICE inline PhiloxBlock philox(uint64_t key, uint64_t c0, uint64_t c1) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  uint32_t x0 = uint32_t(c0), x1 = uint32_t(c0 >> 32), x2 = uint32_t(c1), x3 = uint32_t(c1 >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53) * x0, p1 = uint64_t(0xCD9E8D57) * x2;
    const uint32_t y0 = uint32_t(p1 >> 32) ^ x1 ^ k0, y2 = uint32_t(p0 >> 32) ^ x3 ^ k1;
    x1 = uint32_t(p1);
    x3 = uint32_t(p0);
    x0 = y0;
    x2 = y2;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{x0, x1, x2, x3}};
}

// The blocks at (c0, c1) .. (c0 + kPhiloxTile - 1, c1): word w of block b is words[w][b]. On the
// CPU several are made at once, one in each lane of a vector (philox_cpu.cpp).
inline constexpr int kPhiloxTile = 16;
void philox_tile(uint64_t key, uint64_t c0, uint64_t c1, uint32_t (&words)[4][kPhiloxTile]);

// A stream of numbers under (seed, stream). Its whole state is its position.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  uint32_t next_u32();
  uint64_t next_u64();
  double uniform();          // in [0, 1), 53 bits
  int64_t below(int64_t n);  // uniform in 0 .. n-1, without bias; n >= 1
  double normal();           // mean 0, variance 1 (Box-Muller)
  uint64_t position() const { return position_; }
  void set_position(uint64_t position) { position_ = position; }

 private:
  uint64_t seed_, stream_, position_ = 0;  // position counts 32-bit numbers
};

// A stable 64-bit number for a name (FNV-1a), to give named things streams of their own.
uint64_t hash_name(std::string_view name);

Tensor random_normal(Shape shape, DType dtype, uint64_t seed, uint64_t stream = 0);
Tensor random_uniform(Shape shape, DType dtype, uint64_t seed, uint64_t stream = 0);  // [0, 1)

}  // namespace skiff
