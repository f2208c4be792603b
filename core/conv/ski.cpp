// The parts of SKI: which of their forms computes.
#include "core/conv/ski.h"

namespace skiff::ski_parts {
namespace {
bool on_cuda(const Tensor& x) { return x.device() == Device::CUDA; }
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

}  // namespace skiff::ski_parts
