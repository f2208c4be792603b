// gemm on OpenBLAS, one thread per call; the pieces of a product run in parallel here. OpenBLAS's
// own threads are not used: its pthread build would compete with OpenMP for the cores, and its
// division of the work depends on the number of threads, which would change the last bits.
#include "core/blas.h"

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <vector>

#include "core/check.h"

// OpenBLAS holds LAPACK, too; its header does not declare it.
extern "C" void dsyev_(const char* job, const char* triangle, const blasint* n, double* matrix,
                       const blasint* row_length, double* values, double* work,
                       const blasint* work_size, blasint* info);

namespace skiff::blas {
namespace {

void call(const Gemm& g, int64_t m, int64_t n, int64_t k, double beta, const float* a, int64_t lda,
          const float* b, int64_t ldb, float* c) {
  cblas_sgemm(CblasRowMajor, g.transpose_a ? CblasTrans : CblasNoTrans,
              g.transpose_b ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k),
              float(g.alpha), a, blasint(lda), b, blasint(ldb), float(beta), c, blasint(n));
}
void call(const Gemm& g, int64_t m, int64_t n, int64_t k, double beta, const double* a, int64_t lda,
          const double* b, int64_t ldb, double* c) {
  cblas_dgemm(CblasRowMajor, g.transpose_a ? CblasTrans : CblasNoTrans,
              g.transpose_b ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k),
              g.alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(n));
}

// Limits OpenBLAS to one thread while it exists. The OpenMP build of OpenBLAS uses OpenMP's number
// of threads, and openblas_set_num_threads() would change it for our own loops, too; so that
// number, which each thread has for itself, is set to 1 for the call and restored. The pthread
// build has a number of its own, which is set once.
class OneBlasThread {
 public:
  OneBlasThread() : threads_(omp_get_max_threads()) {
    static const bool once = [] {
      if (openblas_get_parallel() == 1) openblas_set_num_threads(1);
      return true;
    }();
    (void)once;
    omp_set_num_threads(1);
  }
  ~OneBlasThread() { omp_set_num_threads(threads_); }
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  int threads_;
};

constexpr int64_t kRowsPerPiece = 512;   // of op(A)
constexpr int64_t kSumsPerPiece = 4096;  // of the inner size, when there are few rows
constexpr int64_t kSmall = 1 << 16;      // multiplications; with fewer, one thread is faster

// For few rows and a long inner size (the gradient of a weight): pieces of the sum, added in order.
template <class T>
void gemm_long_sum(const Gemm& g, const T* a, const T* b, T* c, int64_t lda, int64_t ldb) {
  const int64_t pieces = (g.k + kSumsPerPiece - 1) / kSumsPerPiece;
  std::vector<T> partial(size_t(pieces * g.m * g.n));
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < pieces; ++p) {
    const int64_t first = p * kSumsPerPiece, count = std::min(kSumsPerPiece, g.k - first);
    const OneBlasThread one;
    call(g, g.m, g.n, count, 0, g.transpose_a ? a + first * lda : a + first, lda,
         g.transpose_b ? b + first : b + first * ldb, ldb, partial.data() + p * g.m * g.n);
  }
  const int64_t size = g.m * g.n;
  for (int64_t i = 0; i < size; ++i) c[i] = g.beta == 0 ? T(0) : T(g.beta) * c[i];
  for (int64_t p = 0; p < pieces; ++p)
    for (int64_t i = 0; i < size; ++i) c[i] += partial[size_t(p * size + i)];
}

template <class T>
void cpu_gemm(const Gemm& g, const T* a, const T* b, T* c) {
  const int64_t lda = g.transpose_a ? g.m : g.k, ldb = g.transpose_b ? g.k : g.n;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.k == 0) {
    for (int64_t i = 0; i < g.batch; ++i)
      for (int64_t j = 0; j < g.m * g.n; ++j)
        c[i * g.stride_c + j] = g.beta == 0 ? T(0) : T(g.beta) * c[i * g.stride_c + j];
    return;
  }
  if (!g.whole_sum && g.batch == 1 && g.m <= kRowsPerPiece && g.k >= 2 * kSumsPerPiece)
    return gemm_long_sum(g, a, b, c, lda, ldb);
  const int64_t per_matrix = (g.m + kRowsPerPiece - 1) / kRowsPerPiece;
  const int64_t pieces = per_matrix * g.batch;
  const bool parallel = pieces > 1 && g.batch * g.m * g.n * g.k > kSmall;
#pragma omp parallel for schedule(static) if (parallel)
  for (int64_t p = 0; p < pieces; ++p) {
    const int64_t i = p / per_matrix, first = p % per_matrix * kRowsPerPiece;
    const T* a_rows = a + i * g.stride_a + (g.transpose_a ? first : first * lda);
    const OneBlasThread one;
    call(g, std::min(kRowsPerPiece, g.m - first), g.n, g.k, g.beta, a_rows, lda, b + i * g.stride_b,
         ldb, c + i * g.stride_c + first * g.n);
  }
}

}  // namespace

template <class T>
void gemm(Device device, const Gemm& g, const T* a, const T* b, T* c) {
  const int64_t largest = std::max({g.m, g.n, g.k});
  check(largest <= int64_t(1) << 30, "gemm: sizes up to 2^30 are supported, got ", largest);
  if (device == Device::CUDA) return cuda_gemm(g, a, b, c);
  cpu_gemm(g, a, b, c);
}
template void gemm<float>(Device, const Gemm&, const float*, const float*, float*);
template void gemm<double>(Device, const Gemm&, const double*, const double*, double*);

void symmetric_eigenvectors(int64_t n, double* matrix, double* values) {
  if (n == 0) return;
  const OneBlasThread one_thread;
  const blasint size = blasint(n), work_size = blasint(34 * n);  // (2 + block size) n
  std::vector<double> work(static_cast<size_t>(work_size));
  blasint info = 0;
  dsyev_("V", "U", &size, matrix, &size, values, work.data(), &work_size, &info);
  check<NumericalError>(info == 0, "eigenvalues of a matrix of ", n, " rows: LAPACK's dsyev gave ",
                        info);
}

std::string description() {
  const int threading = openblas_get_parallel();
  return std::string("OpenBLAS ") + openblas_get_corename() +
         (threading == 0   ? " (serial)"
          : threading == 1 ? " (pthread build)"
                           : " (OpenMP build)");
}

}  // namespace skiff::blas
