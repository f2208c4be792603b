// dropout: every element is 0 with probability `rate`, else divided by 1 - rate.
//
//   forward   y[i] = k[i] x[i],   k[i] = 0 if u[i] < rate, else 1 / (1 - rate)
//   adjoint   gx[i] = k[i] gy[i]: the map is diagonal, so it is its own adjoint
//
// u[i] in [0, 1) is word i % 4 of the Philox block i / 4 under key `seed` and a counter made of
// step and call: a function of these numbers alone. So the mask is not kept, it is drawn again in
// the backward, and it is the same on every device and for any number of threads.

#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/dropout_mask.h"
#include "core/parallel.h"
#include "core/random.h"

namespace skiff {
namespace {

// y[i] = k[i] x[i]. A task takes one block: four elements; the last n % 4 are taken one by one.
template <class T>
void apply_mask(Device device, uint64_t first_block, int64_t n, double rate, uint64_t seed,
                uint64_t counter, const T* x, T* y) {
  const int64_t blocks = n / 4;
  const uint32_t limit = uint32_t(rate * 16777216.0);  // of 2^24: words below it drop
  const T factor = T(1 / (1 - rate));
  parallel_for(device, blocks, [=] SKIFF_KERNEL(int64_t block) {
    const PhiloxBlock u = philox(seed, first_block + uint64_t(block), counter);
    const T* from = x + 4 * block;
    const T x0 = from[0], x1 = from[1], x2 = from[2], x3 = from[3];
    T* to = y + 4 * block;
    to[0] = T(u.word[0] >> 8 >= limit) * factor * x0;  // a product, since a choice of two values
    to[1] = T(u.word[1] >> 8 >= limit) * factor * x1;  // does not vectorise
    to[2] = T(u.word[2] >> 8 >= limit) * factor * x2;
    to[3] = T(u.word[3] >> 8 >= limit) * factor * x3;
  });
  const int64_t tail = 4 * blocks;
  parallel_for(device, n - tail, [=] SKIFF_KERNEL(int64_t i) {
    const PhiloxBlock u = philox(seed, first_block + uint64_t(blocks), counter);
    y[tail + i] = T(u.word[i] >> 8 >= limit) * factor * x[tail + i];
  });
}

struct Dropout {
  static constexpr auto name = "dropout";
  static constexpr Linearity linear = Linearity::Jointly;
  DropoutMask mask;  // attribute

  Tensor masked(const Tensor& x) const {
    Tensor y = empty_like(x);
    dispatch(x, [&]<class T> {
      multiply_by_mask(mask, x.device(), 0, x.size(), x.data<T>(), y.data<T>());
    });
    return y;
  }
  Tensor forward(const Tensor& x) {
    check_real(name, "x", x);
    check(mask.rate >= 0 && mask.rate < 1, name, ": the rate must lie in [0, 1), got ", mask.rate);
    return masked(x);
  }
  Grads backward(const Tensor& gy, Needs) const { return {masked(gy)}; }
  static std::vector<Sample<Dropout>> samples() {
    return {{"odd", {{.rate = 0.3, .seed = 1}}, {randn({7})}},
            {"even", {{.rate = 0.5, .seed = 2, .step = 3, .call = 4}}, {randn({2, 3, 4})}},
            {"length 1", {{.rate = 0.1, .seed = 3}}, {randn({1})}},
            {"rate 0", {{.rate = 0}}, {randn({5})}}};
  }
};

}  // namespace

template <class T>
void multiply_by_mask(const DropoutMask& mask, Device device, int64_t first, int64_t count,
                      const T* x, T* y) {
  if (mask.rate == 0 && x == y) return;
  check(first % 4 == 0, "multiply_by_mask: the first index must be a multiple of 4, got ", first);
  const uint64_t counter =
      mask.step * 0x9E3779B97F4A7C15 + mask.call;  // pairs meet by chance only: 2^-64
  apply_mask<T>(device, uint64_t(first / 4), count, mask.rate, mask.seed, counter, x, y);
}
template void multiply_by_mask(const DropoutMask&, Device, int64_t, int64_t, const float*, float*);
template void multiply_by_mask(const DropoutMask&, Device, int64_t, int64_t, const double*,
                               double*);

Variable dropout(const Variable& x, const DropoutMask& mask) {
  if (mask.rate == 0) return x;
  return apply(Dropout{mask}, x);
}

}  // namespace skiff
