// gemm on cuBLAS. cuBLAS is column-major, and a row-major matrix read that way is its transpose: so
// C = op(A) op(B) is computed as C^T = op(B)^T op(A)^T, with the operands exchanged and nothing
// moved. The math mode is the default: float32 is float32, no TF32.
#include <cublas_v2.h>

#include "core/blas.h"
#include "core/parallel.h"

namespace skiff::blas {
namespace {

void require(cublasStatus_t status, const char* call) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuda: ", call, " failed: ", cublasGetStatusName(status),
        ", ", cublasGetStatusString(status));
}

cublasHandle_t handle() {  // never destroyed: the driver may be gone before static objects are
  static const cublasHandle_t made = [] {
    cublasHandle_t h = nullptr;
    require(cublasCreate(&h), "cublasCreate");
    return h;
  }();
  return made;
}

auto multiply(float) { return cublasSgemmStridedBatched_64; }
auto multiply(double) { return cublasDgemmStridedBatched_64; }

// C = beta C: all that is left of a product with an empty inner size.
template <class T>
void scale(const Gemm& g, T* c) {
  const int64_t size = g.m * g.n, stride = g.stride_c;
  const T beta = T(g.beta);
  parallel_for(Device::CUDA, g.batch * size, [=] SKIFF_KERNEL(int64_t i) {
    T& element = c[i / size * stride + i % size];
    element = beta == T(0) ? T(0) : beta * element;
  });
}

}  // namespace

template <class T>
void cuda_gemm(const Gemm& g, const T* a, const T* b, T* c) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.k == 0) return scale(g, c);
  const int64_t lda = g.transpose_a ? g.m : g.k, ldb = g.transpose_b ? g.k : g.n;
  const int64_t stride_c = g.batch == 1 ? g.m * g.n : g.stride_c;
  const T alpha = T(g.alpha), beta = T(g.beta);
  require(multiply(T())(handle(), g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                        g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, g.n, g.m, g.k, &alpha, b, ldb,
                        g.stride_b, a, lda, g.stride_a, &beta, c, g.n, stride_c, g.batch),
          "cublasGemmStridedBatched");
}
template void cuda_gemm<float>(const Gemm&, const float*, const float*, float*);
template void cuda_gemm<double>(const Gemm&, const double*, const double*, double*);

}  // namespace skiff::blas
