// Floors: what the hardware allows, by the simplest code that uses it well.
#ifndef SKIFF_NO_FFTW
#include <fftw3.h>
#endif

#include <algorithm>
#include <cstring>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "examples/bench/cases.h"

namespace skiff::bench {
namespace {

Work copy_work(int64_t elements) {
  const Tensor from = random_input({elements});
  Tensor to(Shape{elements}, DType::Float32);
  Work work;
  work.copied_bytes = double(from.bytes());
  work.run = [from, to]() mutable {
    const char* source = static_cast<const char*>(from.raw());
    char* destination = static_cast<char*>(to.raw());
    constexpr int64_t piece = 1 << 16;
    const int64_t bytes = from.bytes();
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < bytes; at += piece)
      std::memcpy(destination + at, source + at, size_t(std::min(piece, bytes - at)));
  };
  return work;
}

Work gemm_work(int64_t m, int64_t n, int64_t k) {
  const Tensor a = random_input({m, k}), b = random_input({k, n});
  Tensor c(Shape{m, n}, DType::Float32);
  Work work;
  work.gemm_flops = 2.0 * double(m) * double(n) * double(k);
  work.run = [=]() mutable {
    blas::gemm(Device::CPU, {.m = m, .n = n, .k = k}, a.data<float>(), b.data<float>(),
               c.data<float>());
  };
  return work;
}

#ifndef SKIFF_NO_FFTW
// `count` real signals of length F, each by itself in memory, to their half spectra and back.
Work fft_work(int64_t count, int64_t F) {
  const int64_t stride = (F + 15) / 16 * 16, spectrum_stride = (F / 2 + 8) / 8 * 8;  // 64 bytes
  Tensor x = random_input({count, stride}), y(x.shape(), DType::Float32);
  Tensor X(Shape{count, spectrum_stride}, DType::Complex64);
  struct Plans {
    fftwf_plan forward, inverse;
    ~Plans() {
      fftwf_destroy_plan(forward);
      fftwf_destroy_plan(inverse);
    }
  };
  // Planning by measuring overwrites its arrays; its findings are dropped, so that the plans of the
  // library stay those of a training run.
  const auto complex_numbers = [](Tensor& t) {
    return reinterpret_cast<fftwf_complex*>(t.data<Complex<float>>());
  };
  Tensor signal(Shape{stride}, DType::Float32), spectrum(Shape{spectrum_stride}, DType::Complex64);
  float* const one = signal.data<float>();
  fftwf_complex* const one_spectrum = complex_numbers(spectrum);
  const auto plans = std::make_shared<Plans>();
  plans->forward = fftwf_plan_dft_r2c_1d(int(F), one, one_spectrum, FFTW_MEASURE);
  plans->inverse = fftwf_plan_dft_c2r_1d(int(F), one_spectrum, one, FFTW_MEASURE);
  fftwf_forget_wisdom();
  Work work;
  work.transforms = 1;
  work.run = [=]() mutable {
    float *from = x.data<float>(), *to = y.data<float>();
    fftwf_complex* middle = complex_numbers(X);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; ++i) {
      fftwf_execute_dft_r2c(plans->forward, from + i * stride, middle + i * spectrum_stride);
      fftwf_execute_dft_c2r(plans->inverse, middle + i * spectrum_stride, to + i * stride);
    }
  };
  return work;
}
#else
// Without FFTW: r2c and c2r of the library, of `count` real signals of length F.
Work fft_work(int64_t count, int64_t F) {
  const Tensor x = random_input({count, F});
  Work work;
  work.transforms = 1;
  work.run = [=] { fft::any_length_c2r(fft::any_length_r2c(x, F, -1), F, -1, F); };
  return work;
}
#endif

// A loop with nothing in it: what it costs to wake the threads and to wait for them.
Work barrier_work() {
  Work work;
  work.run = [] {
#pragma omp parallel
    { asm volatile("" ::: "memory"); }
  };
  return work;
}

}  // namespace

void add_floors(std::vector<Case>& cases, const Sizes& s, bool quick) {
  const auto add = [&](const std::string& name, int64_t n, const std::function<Work()>& make) {
    cases.push_back({"floor", name, "", n, s.batch, s.dim, make});
  };
  for (const int64_t n : s.n) {
    add("copy", n, [=] { return copy_work(s.batch * n * s.dim); });
    add("fft", n, [=] { return fft_work(s.batch * s.dim, fft::fast_length(2 * n)); });
  }
  const int64_t mebi = 1 << 20;
  add("barrier", 0, barrier_work);
  add("copy-large", 0, [=] { return copy_work(quick ? mebi : 16 * mebi); });  // floats
  const std::vector<std::vector<int64_t>> shapes =
      quick ? std::vector<std::vector<int64_t>>{{128, 128, 128}}
            : std::vector<std::vector<int64_t>>{
                  {1024, 1024, 1024}, {4096, 512, 512}, {4096, 256, 256}};
  for (const auto& shape : shapes)
    add("gemm-" + std::to_string(shape[0]) + "x" + std::to_string(shape[1]) + "x" +
            std::to_string(shape[2]),
        0, [=] { return gemm_work(shape[0], shape[1], shape[2]); });
}

}  // namespace skiff::bench
