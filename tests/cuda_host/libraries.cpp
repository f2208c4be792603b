// Stand-ins for the calls of cuBLAS and cuFFT that the project makes, on OpenBLAS and FFTW. They
// check what the originals check and, beyond that, that operands lie inside blocks of the device.
#include <cblas.h>
#include <cublas_v2.h>
#include <cufft.h>
#include <fftw3.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "tests/cuda_host/host.h"

using cuda_host::enqueue;
using cuda_host::Reach;
using cuda_host::require_device;

// ---- cuBLAS ----

struct cublasContext {};

namespace {

CBLAS_TRANSPOSE transposed(cublasOperation_t op) {
  return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}

void multiply(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, int m, int n, int k, float alpha,
              const float* A, int lda, const float* B, int ldb, float beta, float* C, int ldc) {
  cblas_sgemm(CblasColMajor, a, b, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}
void multiply(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, int m, int n, int k, double alpha,
              const double* A, int lda, const double* B, int ldb, double beta, double* C, int ldc) {
  cblas_dgemm(CblasColMajor, a, b, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

// Bytes from the first element of `batch` matrices of `columns` columns to behind their last.
template <class T>
size_t extent(int64_t rows, int64_t columns, int64_t ld, int64_t stride, int64_t batch) {
  if (rows == 0 || columns == 0 || batch == 0) return 0;
  return size_t((batch - 1) * stride + (columns - 1) * ld + rows) * sizeof(T);
}

template <class T>
cublasStatus_t gemm(cublasOperation_t a, cublasOperation_t b, int64_t m, int64_t n, int64_t k,
                    const T* alpha, const T* A, int64_t lda, int64_t stride_a, const T* B,
                    int64_t ldb, int64_t stride_b, const T* beta, T* C, int64_t ldc,
                    int64_t stride_c, int64_t batch) {
  const int64_t rows_a = a == CUBLAS_OP_N ? m : k, rows_b = b == CUBLAS_OP_N ? k : n;
  const int64_t columns_a = m + k - rows_a, columns_b = k + n - rows_b;
  if (m < 0 || n < 0 || k < 0 || batch < 0 || lda < std::max<int64_t>(1, rows_a) ||
      ldb < std::max<int64_t>(1, rows_b) || ldc < std::max<int64_t>(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  enqueue(Reach::kDevice, [=, alpha = *alpha, beta = *beta] {
    if (!require_device(A, extent<T>(rows_a, columns_a, lda, stride_a, batch),
                        "operand A of a gemm") ||
        !require_device(B, extent<T>(rows_b, columns_b, ldb, stride_b, batch),
                        "operand B of a gemm") ||
        !require_device(C, extent<T>(m, n, ldc, stride_c, batch), "operand C of a gemm"))
      return;
    for (int64_t i = 0; i < batch; ++i)
      multiply(transposed(a), transposed(b), int(m), int(n), int(k), alpha, A + i * stride_a,
               int(lda), B + i * stride_b, int(ldb), beta, C + i * stride_c, int(ldc));
  });
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

extern "C" {
cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS";
}
const char* cublasGetStatusString(cublasStatus_t) { return "the emulation refused the call"; }
cublasStatus_t cublasSgemmStridedBatched_64(cublasHandle_t, cublasOperation_t a,
                                            cublasOperation_t b, int64_t m, int64_t n, int64_t k,
                                            const float* alpha, const float* A, int64_t lda,
                                            long long stride_a, const float* B, int64_t ldb,
                                            long long stride_b, const float* beta, float* C,
                                            int64_t ldc, long long stride_c, int64_t batch) {
  return gemm(a, b, m, n, k, alpha, A, lda, stride_a, B, ldb, stride_b, beta, C, ldc, stride_c,
              batch);
}
cublasStatus_t cublasDgemmStridedBatched_64(cublasHandle_t, cublasOperation_t a,
                                            cublasOperation_t b, int64_t m, int64_t n, int64_t k,
                                            const double* alpha, const double* A, int64_t lda,
                                            long long stride_a, const double* B, int64_t ldb,
                                            long long stride_b, const double* beta, double* C,
                                            int64_t ldc, long long stride_c, int64_t batch) {
  return gemm(a, b, m, n, k, alpha, A, lda, stride_a, B, ldb, stride_b, beta, C, ldc, stride_c,
              batch);
}
}

// ---- cuFFT ----

namespace {

struct Plan {
  int n;
  int64_t in_stride, in_distance, out_stride, out_distance, batch;
  cufftType type;
  size_t work_bytes = 0;
  void* work = nullptr;
  void* fftw = nullptr;  // made at the first run
};
std::map<cufftHandle, Plan>& plans() {
  static auto* made = new std::map<cufftHandle, Plan>;
  return *made;
}

template <class T>
struct Fftw;
template <>
struct Fftw<float> {
  using Complex = fftwf_complex;
  using Handle = fftwf_plan;
  static constexpr auto plan_r2c = fftwf_plan_many_dft_r2c;
  static constexpr auto plan_c2r = fftwf_plan_many_dft_c2r;
  static constexpr auto run_r2c = fftwf_execute_dft_r2c;
  static constexpr auto run_c2r = fftwf_execute_dft_c2r;
};
template <>
struct Fftw<double> {
  using Complex = fftw_complex;
  using Handle = fftw_plan;
  static constexpr auto plan_r2c = fftw_plan_many_dft_r2c;
  static constexpr auto plan_c2r = fftw_plan_many_dft_c2r;
  static constexpr auto run_r2c = fftw_execute_dft_r2c;
  static constexpr auto run_c2r = fftw_execute_dft_c2r;
};

size_t elements(int64_t n, int64_t stride, int64_t distance, int64_t batch) {
  return size_t((n - 1) * stride + (batch - 1) * distance + 1);
}

// What cuFFT may do to memory, done: the work area is written, a c2r destroys its input and uses
// the imaginary parts of bins 0 and n/2 in some way.
template <class T>
void use_work_area(const Plan& p) {
  if (require_device(p.work, p.work_bytes, "the work area of a transform"))
    std::memset(p.work, 0xff, p.work_bytes);
}

template <class T>
void run_forward(Plan& p, T* in, typename Fftw<T>::Complex* out) {
  const int bins = p.n / 2 + 1;
  if (!require_device(in, elements(p.n, p.in_stride, p.in_distance, p.batch) * sizeof(T),
                      "a transform's input") ||
      !require_device(out, elements(bins, p.out_stride, p.out_distance, p.batch) * 2 * sizeof(T),
                      "a transform's output"))
    return;
  use_work_area<T>(p);
  if (!p.fftw)
    p.fftw = Fftw<T>::plan_r2c(1, &p.n, int(p.batch), in, nullptr, int(p.in_stride),
                               int(p.in_distance), out, nullptr, int(p.out_stride),
                               int(p.out_distance), FFTW_ESTIMATE | FFTW_UNALIGNED);
  Fftw<T>::run_r2c(static_cast<typename Fftw<T>::Handle>(p.fftw), in, out);
}

template <class T>
void run_inverse(Plan& p, typename Fftw<T>::Complex* in, T* out) {
  const int bins = p.n / 2 + 1;
  if (!require_device(in, elements(bins, p.in_stride, p.in_distance, p.batch) * 2 * sizeof(T),
                      "a transform's input") ||
      !require_device(out, elements(p.n, p.out_stride, p.out_distance, p.batch) * sizeof(T),
                      "a transform's output"))
    return;
  use_work_area<T>(p);
  if (!p.fftw)
    p.fftw = Fftw<T>::plan_c2r(1, &p.n, int(p.batch), in, nullptr, int(p.in_stride),
                               int(p.in_distance), out, nullptr, int(p.out_stride),
                               int(p.out_distance), FFTW_ESTIMATE | FFTW_UNALIGNED);
  bool ends_are_real = true;
  for (int64_t s = 0; s < p.batch; ++s) {
    const auto* signal = in + s * p.in_distance;
    ends_are_real = ends_are_real && signal[0][1] == 0 &&
                    (p.n % 2 == 1 || signal[(bins - 1) * p.in_stride][1] == 0);
  }
  Fftw<T>::run_c2r(static_cast<typename Fftw<T>::Handle>(p.fftw), in, out);
  for (int64_t s = 0; s < p.batch; ++s) {
    for (int k = 0; k < bins; ++k)
      in[s * p.in_distance + k * p.in_stride][0] = in[s * p.in_distance + k * p.in_stride][1] =
          T(NAN);
    for (int j = 0; !ends_are_real && j < p.n; ++j)
      out[s * p.out_distance + j * p.out_stride] = T(NAN);
  }
}

template <class Run>
cufftResult execute(cufftHandle handle, cufftType type, Run run) {
  const auto found = plans().find(handle);
  if (found == plans().end()) return CUFFT_INVALID_PLAN;
  if (found->second.type != type) return CUFFT_INVALID_TYPE;
  // the plan as it is at the call; the FFTW plan is kept
  enqueue(Reach::kDevice, [handle, run, work = found->second.work] {
    Plan& p = plans().at(handle);
    p.work = work;
    run(p);
  });
  return CUFFT_SUCCESS;
}

}  // namespace

extern "C" {
cufftResult cufftCreate(cufftHandle* handle) {
  static int next = 1;
  *handle = next++;
  return CUFFT_SUCCESS;
}
cufftResult cufftSetAutoAllocation(cufftHandle, int automatic) {
  return automatic == 0 ? CUFFT_SUCCESS : CUFFT_NOT_SUPPORTED;
}
cufftResult cufftMakePlanMany64(cufftHandle handle, int rank, long long* n, long long* in_embed,
                                long long in_stride, long long in_distance, long long* out_embed,
                                long long out_stride, long long out_distance, cufftType type,
                                long long batch, size_t* work_bytes) {
  if (rank != 1 || !in_embed || !out_embed || *n < 2 || batch < 1) return CUFFT_INVALID_VALUE;
  const bool single = type == CUFFT_R2C || type == CUFFT_C2R;
  *work_bytes = size_t(batch * (*n / 2 + 1)) * (single ? 8 : 16);
  plans()[handle] = {int(*n),      in_stride, in_distance, out_stride,
                     out_distance, batch,     type,        *work_bytes};
  return CUFFT_SUCCESS;
}
cufftResult cufftSetWorkArea(cufftHandle handle, void* work) {
  plans().at(handle).work = work;
  return CUFFT_SUCCESS;
}
cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out) {
  return execute(plan, CUFFT_R2C, [=](Plan& p) {
    run_forward<float>(p, in, reinterpret_cast<fftwf_complex*>(out));
  });
}
cufftResult cufftExecD2Z(cufftHandle plan, cufftDoubleReal* in, cufftDoubleComplex* out) {
  return execute(plan, CUFFT_D2Z, [=](Plan& p) {
    run_forward<double>(p, in, reinterpret_cast<fftw_complex*>(out));
  });
}
cufftResult cufftExecC2R(cufftHandle plan, cufftComplex* in, cufftReal* out) {
  return execute(plan, CUFFT_C2R, [=](Plan& p) {
    run_inverse<float>(p, reinterpret_cast<fftwf_complex*>(in), out);
  });
}
cufftResult cufftExecZ2D(cufftHandle plan, cufftDoubleComplex* in, cufftDoubleReal* out) {
  return execute(plan, CUFFT_Z2D, [=](Plan& p) {
    run_inverse<double>(p, reinterpret_cast<fftw_complex*>(in), out);
  });
}
}
