#include "core/random.h"

#include <cmath>
#include <numbers>

namespace skiff {

uint32_t Random::next_u32() {
  const PhiloxBlock block = philox(seed_, position_ / 4, stream_);
  return block.word[position_++ % 4];
}

uint64_t Random::next_u64() {
  const uint64_t low = next_u32();
  return low | uint64_t(next_u32()) << 32;
}

double Random::uniform() { return double(next_u64() >> 11) * 0x1p-53; }

int64_t Random::below(int64_t n) {
  check(n >= 1, "random: below(n) needs n >= 1, got ", n);
  // Numbers below `skip` would make the first residues more likely than the last.
  const uint64_t range = uint64_t(n), skip = (0 - range) % range;
  uint64_t value = next_u64();
  while (value < skip) value = next_u64();
  return int64_t(value % range);
}

double Random::normal() {
  const double u = 1 - uniform();  // in (0, 1]: the logarithm is finite
  const double v = uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ uint8_t(c)) * 0x100000001b3;
  return hash;
}

namespace {
template <class Draw>
Tensor drawn(Shape shape, DType dtype, Draw draw) {
  check(is_real(dtype) || is_complex(dtype), "random: a floating point type is needed, got ",
        name_of(dtype));
  Tensor x(shape, is_complex(dtype) ? DType::Complex128 : DType::Float64);
  double* values = static_cast<double*>(x.raw());
  const int64_t n = shape.size() * (is_complex(dtype) ? 2 : 1);
  for (int64_t i = 0; i < n; ++i) values[i] = draw();
  return x.to(dtype);
}
}  // namespace

Tensor random_normal(Shape shape, DType dtype, uint64_t seed, uint64_t stream) {
  Random random(seed, stream);
  return drawn(shape, dtype, [&] { return random.normal(); });
}

Tensor random_uniform(Shape shape, DType dtype, uint64_t seed, uint64_t stream) {
  Random random(seed, stream);
  return drawn(shape, dtype, [&] { return random.uniform(); });
}

}  // namespace skiff
