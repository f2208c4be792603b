// dropout: every element is 0 with probability `rate`, else divided by 1 -
// rate.
//
//   forward   y[i] = k[i] x[i],   k[i] = 0 if u[i] < rate, else 1 / (1 - rate)
//   adjoint   gx[i] = k[i] gy[i]: a diagonal map is its own adjoint
//
// u[i] in [0, 1) is half a word of a Philox block under key `seed` and a
// counter made of step and call: a function of these numbers alone. So the
// mask is not kept, it is drawn again in the backward, and it is the same on
// every device and for any number of threads. With 16 bits, the rate is
// rounded to a multiple of 2^-16, in k as well, which keeps the mean exactly.
//
// Elements are taken in tiles of 128, for each of which 16 blocks are drawn:
// element 32 w + 16 h + b of a tile has half h (0: the lower) of word w of
// block b. So neighbours come from different blocks, and a vector of blocks
// from philox_tile meets a vector of elements.
//
// Elements are counted over the whole batch: x may be some of its rows (a
// shard), and then has the masks of these.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/elementwise.h"
#include "core/parallel.h"
#include "core/random.h"

namespace skiff {
namespace {

constexpr int64_t kBlocks = kPhiloxTile, kElements = 8 * kBlocks;  // of a tile

template <class T>
struct Keep {
  uint32_t limit;  // halves below it drop
  T factor;

  explicit Keep(double rate) : limit(std::min(uint32_t(rate * 65536 + 0.5), 65535u)) {
    factor = T(65536.0 / double(65536 - limit));
  }
  // A product, since a choice of two values does not vectorise.
  SKIFF_HOST_DEVICE T operator()(uint32_t half, T x) const { return T(half >= limit) * factor * x; }
};

// Elements from .. end-1, counted from the first one of first_block; x and y begin at `from`. A
// thread takes the elements of one block: every 16th of its tile's, as far as they are asked for.
template <class T>
void apply_blocks(Device device, uint64_t first_block, int64_t from, int64_t end, Keep<T> keep,
                  uint64_t seed, uint64_t counter, const T* x, T* y) {
  const int64_t tiles = (end + kElements - 1) / kElements;
  parallel_for(device, tiles * kBlocks, [=] SKIFF_KERNEL(int64_t block) {
    const PhiloxBlock u = philox(seed, first_block + uint64_t(block), counter);
    int64_t i = block / kBlocks * kElements + block % kBlocks;
    for (int j = 0; j < 8 && i < end; ++j, i += kBlocks)
      if (i >= from) y[i - from] = keep(u.word[j / 2] >> 16 * (j % 2) & 0xFFFF, x[i - from]);
  });
}

// Whole tiles, on the CPU.
template <class T>
void apply_tiles(uint64_t first_block, int64_t tiles, Keep<T> keep, uint64_t seed, uint64_t counter,
                 const T* x, T* y) {
  cpu::for_each_row(tiles, kElements, [&](Row tile) {
    const Keep<T> keep_one = keep;  // a local copy: no store to y can change it
    uint32_t words[4][kPhiloxTile];
    philox_tile(seed, first_block + uint64_t(tile.index * kBlocks), counter, words);
    for (int64_t w = 0; w < 4; ++w) {
      const T* from = x + tile.index * kElements + 2 * w * kBlocks;
      T* to = y + tile.index * kElements + 2 * w * kBlocks;
#pragma omp simd
      for (int64_t b = 0; b < kBlocks; ++b) {
        to[b] = keep_one(words[w][b] & 0xFFFF, from[b]);
        to[kBlocks + b] = keep_one(words[w][b] >> 16, from[kBlocks + b]);
      }
    }
  });
}

struct Dropout {
  static constexpr auto name = "dropout";
  static constexpr Linearity linear = Linearity::Jointly;
  DropoutMask mask;  // attribute

  Tensor masked(const Tensor& x) const {
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> {
      multiply_by_mask(mask, x.device(), mask_row(x), 0, x.size(), x.data<T>(), y.data<T>());
    });
    return y;
  }
  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check_mask(name, mask);
    return masked(x);
  }
  Grads backward(const Tensor& gy, Needs) const { return {masked(gy)}; }
  static std::vector<Sample<Dropout>> samples() {
    return {{"odd", {{.rate = 0.3, .seed = 1}}, {randn({7})}},
            {"even", {{.rate = 0.5, .seed = 2, .step = 3, .call = 4}}, {randn({2, 3, 4})}},
            {"a tile and more", {{.rate = 0.4, .seed = 5}}, {randn({3, 50})}},
            {"length 1", {{.rate = 0.1, .seed = 3}}, {randn({1})}},
            {"rate 0", {{.rate = 0}}, {randn({5})}},
            {"rows of two halves",
             {{.rate = 0.4, .seed = 6, .rows = {.first = 1, .half = 2, .whole = 5}}},
             {randn({4, 70})}}};
  }
};

// `first`: the number of the first element in the whole batch.
template <class T>
void apply_mask(const DropoutMask& mask, Device device, int64_t first, int64_t count, const T* x,
                T* y) {
  const uint64_t counter =
      mask.step * 0x9E3779B97F4A7C15 + mask.call;  // pairs meet by chance only: 2^-64
  const Keep<T> keep(mask.rate);
  const auto blocks = [&](int64_t at, int64_t n) {
    const uint64_t block = uint64_t((first + at) / kElements * kBlocks);
    const int64_t from = (first + at) % kElements;
    apply_blocks<T>(device, block, from, from + n, keep, mask.seed, counter, x + at, y + at);
  };
  if (device == Device::CUDA) return blocks(0, count);
  const int64_t head = std::min(count, (kElements - first % kElements) % kElements);
  const int64_t tiles = (count - head) / kElements, done = head + tiles * kElements;
  if (head > 0) blocks(0, head);
  apply_tiles<T>(uint64_t((first + head) / kElements * kBlocks), tiles, keep, mask.seed, counter,
                 x + head, y + head);
  if (done < count) blocks(done, count - done);
}

}  // namespace

template <class T>
void multiply_by_mask(const DropoutMask& mask, Device device, int64_t row, int64_t first,
                      int64_t count, const T* x, T* y) {
  if (mask.rate == 0 && x == y) return;
  const auto [first_row, half, whole] = mask.rows;
  if (half == 0) return apply_mask(mask, device, first, count, x, y);
  const int64_t left = std::clamp<int64_t>(half * row - first, 0, count);  // in the first half
  if (left > 0) apply_mask(mask, device, first_row * row + first, left, x, y);
  if (left < count)
    apply_mask(mask, device, (whole + first_row - half) * row + first + left, count - left,
               x + left, y + left);
}
template void multiply_by_mask(const DropoutMask&, Device, int64_t, int64_t, int64_t, const float*,
                               float*);
template void multiply_by_mask(const DropoutMask&, Device, int64_t, int64_t, int64_t, const double*,
                               double*);

Variable dropout(const Variable& x, const DropoutMask& mask) {
  if (mask.rate == 0) return x;
  return apply(Dropout{mask}, x);
}

}  // namespace skiff
