// The parts of SKI: which implementation computes.
#include "core/conv/ski.h"

namespace skiff::ski_parts {
namespace {
bool on_cuda(const Tensor& x) { return x.device() == Device::CUDA; }

constexpr int64_t kShort = 128;  // positions, points, taps: at most some 250 KB are in use then
}  // namespace

Tensor output(const Tensor& x, const Tensor& c, const Tensor& s, int64_t axis) {
  return on_cuda(x) ? ski_cuda::output(x, c, s, axis) : ski_cpu::output(x, c, s, axis);
}

std::pair<Tensor, Tensor> gradients(const Tensor& x, const Tensor& c, const Tensor& gy,
                                    const Tensor& u, int64_t axis, bool need_x, bool need_c) {
  return on_cuda(x) ? ski_cuda::gradients(x, c, gy, u, axis, need_x, need_c)
                    : ski_cpu::gradients(x, c, gy, u, axis, need_x, need_c);
}

Tensor kernel_product(const Tensor& k, const Tensor& z, int64_t axis, bool transposed) {
  return on_cuda(z) ? ski_cuda::kernel_product(k, z, axis, transposed)
                    : ski_cpu::kernel_product(k, z, axis, transposed);
}

Tensor kernel_gradient(const Tensor& h, const Tensor& z, int64_t D, int64_t axis) {
  return on_cuda(z) ? ski_cuda::kernel_gradient(h, z, D, axis)
                    : ski_cpu::kernel_gradient(h, z, D, axis);
}

bool is_short(const Tensor& x, const Tensor& c, const Tensor& k, int64_t axis) {
  return !on_cuda(x) && x.size(axis) <= kShort && c.size(0) <= kShort && k.size(0) / 2 <= kShort;
}

}  // namespace skiff::ski_parts
