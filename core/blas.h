// Dense matrix products, on OpenBLAS or cuBLAS.
#pragma once

#include <cstdint>
#include <string>

#include "core/device.h"

namespace skiff::blas {

// C = alpha op(A) op(B) + beta C for `batch` matrices, row-major. op(A) is (m, k), op(B) is (k, n),
// C is (m, n); a transposed operand is stored as (k, m) or (n, k). Matrix i of an operand starts
// i * stride elements after its first; a stride of 0 uses the same matrix throughout.
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  int64_t m, n, k;
  double alpha = 1, beta = 0;
  int64_t batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  // A long sum over k is not cut into pieces, which need memory: for products inside a parallel
  // region, where nothing may be allocated.
  bool whole_sum = false;
};

// The result does not depend on the number of threads: work is cut into pieces by size alone.
template <class T>
void gemm(Device device, const Gemm& g, const T* a, const T* b, T* c);

// Eigenvalues of a real symmetric matrix (n, n), rising, and an orthonormal eigenvector of each:
// row e of `matrix` afterwards. LAPACK's dsyev, on one thread.
void symmetric_eigenvectors(int64_t n, double* matrix, double* values);

std::string description();  // name and version of the BLAS

template <class T>
void cuda_gemm(const Gemm& g, const T* a, const T* b, T* c);

}  // namespace skiff::blas
