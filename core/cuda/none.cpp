// The CUDA functions of a build without CUDA: none is available, and each says so.
#include "core/blas.h"
#include "core/conv/ski.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/memory.h"

namespace skiff {
namespace {
[[noreturn]] void no_cuda() { fail("cuda: this build has no CUDA; rebuild with make CUDA=1"); }
}  // namespace

namespace memory {
bool cuda_available() { return false; }
const char* cuda_unavailable_reason() { return "this build has no CUDA"; }
void choose_cuda_device(int) {}
void use_chosen_cuda_device() {}
void* cuda_allocate(size_t) { no_cuda(); }
void cuda_release(void*) noexcept {}
void cuda_trim() noexcept {}
void cuda_copy(Device, void*, Device, const void*, size_t) { no_cuda(); }
void cuda_fill_zero(void*, size_t) { no_cuda(); }
}  // namespace memory

namespace blas {
template <class T>
void cuda_gemm(const Gemm&, const T*, const T*, T*) {
  no_cuda();
}
template void cuda_gemm<float>(const Gemm&, const float*, const float*, float*);
template void cuda_gemm<double>(const Gemm&, const double*, const double*, double*);
}  // namespace blas

namespace fft {
Tensor cuda_r2c(const Tensor&, int64_t, int64_t) { no_cuda(); }
Tensor cuda_c2r(const Tensor&, int64_t, int64_t, int64_t) { no_cuda(); }
}  // namespace fft

namespace ski_cuda {
Tensor output(const Tensor&, const Tensor&, const Tensor&, int64_t) { no_cuda(); }
std::pair<Tensor, Tensor> gradients(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                    int64_t, bool, bool) {
  no_cuda();
}
Tensor kernel_product(const Tensor&, const Tensor&, int64_t, bool) { no_cuda(); }
Tensor kernel_gradient(const Tensor&, const Tensor&, int64_t, int64_t) { no_cuda(); }
Tensor sum_to_points(const Tensor&, int64_t, int64_t) { no_cuda(); }
}  // namespace ski_cuda

Tensor cuda_spectral_conv_forward(const Tensor&, const Tensor&, int64_t, int64_t) { no_cuda(); }
std::pair<Tensor, Tensor> cuda_spectral_conv_backward(const Tensor&, const Tensor&, const Tensor&,
                                                      int64_t, int64_t, bool, bool) {
  no_cuda();
}

}  // namespace skiff
