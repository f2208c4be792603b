// spectral_conv: the checks, and which of its forms computes.
#include "core/conv/spectral_conv.h"

#include "core/fft/fft.h"

namespace skiff {
namespace {

void check_arguments(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  check(x.is_real(), "spectral_conv: x must be real, got ", x);
  check(S.device() == x.device(), "spectral_conv: x and S must be on one device, got ", x, " and ",
        S);
  check(S.rank() == 2 && S.dtype() == complex_type(x.dtype()) && S.size(0) == F / 2 + 1,
        "spectral_conv: S must be ", name_of(complex_type(x.dtype())), " (F/2 + 1 = ", F / 2 + 1,
        ", D), got ", S);
  const AxisView v = axis_view(x, axis);
  check(v.n <= F, "spectral_conv: x of length ", v.n, " needs F >= ", v.n, ", got F = ", F);
  check(S.size(1) >= 1 && v.inner % S.size(1) == 0, "spectral_conv: ", S.size(1),
        " channels of S do not divide the ", v.inner, " of x ", x);
}

}  // namespace

Tensor spectral_conv_forward(const Tensor& x, const Tensor& S, int64_t F, int64_t axis) {
  check_arguments(x, S, F, axis);
  if (x.device() == Device::CUDA) return cuda_spectral_conv_forward(x, S, F, axis);
  if (fft::use_lanes(F, S.size(1))) return lanes_spectral_conv_forward(x, S, F, axis);
  return any_length_spectral_conv_forward(x, S, F, axis);
}

std::pair<Tensor, Tensor> spectral_conv_backward(const Tensor& x, const Tensor& S, const Tensor& gy,
                                                 int64_t F, int64_t axis, bool need_x,
                                                 bool need_S) {
  check_arguments(x, S, F, axis);
  if (x.device() == Device::CUDA)
    return cuda_spectral_conv_backward(x, S, gy, F, axis, need_x, need_S);
  if (fft::use_lanes(F, S.size(1)))
    return lanes_spectral_conv_backward(x, S, gy, F, axis, need_x, need_S);
  return any_length_spectral_conv_backward(x, S, gy, F, axis, need_x, need_S);
}

}  // namespace skiff
