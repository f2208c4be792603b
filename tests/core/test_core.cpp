// core: shapes, tensors, memory, gemm, FFT, random numbers.
#include <malloc.h>
#include <omp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <complex>
#include <fstream>
#include <functional>
#include <numbers>

#include "core/blas.h"
#include "core/conv/ski.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/math.h"
#include "core/memory.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("shape: axes count from both ends, and bad ones are named") {
  const Shape s{8, 512, 64};
  CHECK(s[-1] == 64);
  CHECK(s[0] == 8);
  CHECK(s.size() == 8 * 512 * 64);
  CHECK(s.ends_with({512, 64}));
  CHECK(s.ends_with({}));
  CHECK_FALSE(s.ends_with({512}));
  CHECK(s.with(-2, 7) == Shape{8, 7, 64});
  CHECK(contains(message_of([&] { s[3]; }), "axis 3 does not exist in (8, 512, 64)"));
  CHECK(contains(message_of([&] { s[-4]; }), "axis -4"));
  CHECK(contains(message_of([] { Shape({1, -1}); }), "must not be negative"));
  CHECK(contains(message_of([] { Shape({1, 1, 1, 1, 1, 1}); }), "at most 5 axes"));
  CHECK(contains(message_of([] { Shape({int64_t(1) << 40, int64_t(1) << 40}); }), "too many"));
}

TEST_CASE("tensor: copies share, clones do not, reshape is a view") {
  Tensor a = values({1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor b = a, c = a.clone(), d = a.reshape({3, 2});
  b.data<double>()[0] = 9;
  CHECK(a.data<double>()[0] == 9);
  CHECK(c.data<double>()[0] == 1);
  CHECK(d.shares_storage(a));
  CHECK(d.data<double>()[0] == 9);
  CHECK(contains(message_of([&] { a.reshape({4}); }), "reshape: (4) has another number"));
  CHECK(contains(message_of([&] { a.data<float>(); }),
                 "asked for float32 elements of float64 (2, 3)"));
  CHECK(contains(message_of([] { Tensor().raw(); }), "empty"));
  CHECK(Tensor().size() == 0);
  CHECK(Tensor().bytes() == 0);
  CHECK(contains(message_of([] { Tensor().reshape({0}); }), "reshape: this tensor is empty"));
  CHECK(contains(message_of([&] { item(a); }), "one real element"));
}

TEST_CASE("tensor: conversion between types keeps values") {
  const Tensor a = values({1, -2.5, 3e5}, {3});
  CHECK(to_vector(a.to(DType::Float32)) == std::vector<double>{1, -2.5, 3e5});
  const Tensor z = complex128({3}, 1);
  CHECK(distance(z.to(DType::Complex64), to_vector(z)) < 1e-7);
  CHECK(a.to(DType::Float64).shares_storage(a));
  CHECK(contains(message_of([&] { a.to(DType::Complex64); }), "no conversion"));
  CHECK_FALSE(all_finite(values({1, NAN}, {2})));
  CHECK_FALSE(all_finite(values({1, -INFINITY}, {2}).to(DType::Float32)));
  CHECK(all_finite(values({1, 1e308}, {2})));
}

TEST_CASE("memory: live bytes return to what they were, blocks are used again") {
  const int64_t before = memory::stats(Device::CPU).live;
  {
    const Tensor a = zeros({1000, 1000}, DType::Float32);
    CHECK(memory::stats(Device::CPU).live >= before + 4000000);
    CHECK(memory::stats(Device::CPU).live <= before + 4500000);  // rounding: at most an eighth
  }
  CHECK(memory::stats(Device::CPU).live == before);
  memory::reset_peak(Device::CPU);
  { const Tensor a = zeros({10}, DType::Int32); }
  CHECK(memory::stats(Device::CPU).peak == before + 64);
  memory::trim(Device::CPU);
  CHECK(memory::stats(Device::CPU).cached == 0);
}

// The exit status of a test in a process of its own.
[[maybe_unused]] static int run_child(const char* filter) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "skiff_tests", "--no-skip", filter, nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));  // a signal: it was aborted
  return WEXITSTATUS(status);
}

// What earlier tests left on the heap would decide, too: it runs in a process of its own.
TEST_CASE("child: steps of nearly the same sizes" * doctest::skip()) {
  const auto faults_of_step = [](int64_t length) {
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    for (int64_t channels = 10; channels <= 14; ++channels)  // 5 to 7 MB each, then one of 64 MB
      zeros({32, length, channels}, DType::Float32);
    zeros({32, length, 128}, DType::Float32);
    ::getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
  };
  memory::trim(Device::CPU);
  const int64_t first = faults_of_step(4000);
  int64_t later = 0;
  for (const int64_t length : {3500, 3100, 2700, 2400, 2100}) later += faults_of_step(length);
  CAPTURE(first);
  CAPTURE(later);
  CHECK(later < first);  // five times as many steps
  memory::trim(Device::CPU);
  CHECK(memory::stats(Device::CPU).cached == 0);
}

TEST_CASE("memory: steps of nearly the same sizes touch no new pages") {
#if defined(__SANITIZE_ADDRESS__) || defined(SKIFF_CUDA_HOST)
  MESSAGE("left out: this build keeps no blocks");
#else
  CHECK(run_child("--test-case=child: steps of nearly*") == 0);
#endif
}

// Runs in a process of its own, started by the next test.
TEST_CASE("child: out of memory inside operators" * doctest::skip()) {
  omp_set_num_threads(4);
  memory::trim(
      Device::CPU);  // it sets what malloc does; from here on what is freed is free to map again
  ::mallopt(M_MMAP_MAX, 1 << 16);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 16);
  ::mallopt(M_TRIM_THRESHOLD, 0);
  const int64_t F = 3 << 12, n = 2000, K = 1025, r = 500, D = 64;
  const Tensor x = random_normal({2, n, D}, DType::Float32, 1);
  const Tensor S = random_normal({F / 2 + 1, D}, DType::Complex64, 2);
  const Tensor X = random_normal({2, F / 2 + 1, D}, DType::Complex64, 3);
  const Tensor c = random_normal({K, D}, DType::Float32, 4);
  const Tensor s = random_normal({2, r, D}, DType::Float32, 5);
  const Tensor k = random_normal({2 * r, D}, DType::Float32, 6);
  const Tensor rows = random_normal({64, 128, D}, DType::Float32, 7);
  const Tensor filter = random_normal({33, D}, DType::Float32, 8);
  const std::vector<std::function<void()>> operators = {
      [&] { fft::any_length_r2c(x, F, -2); },
      [&] { fft::any_length_c2r(X, F, -2, n); },
      [&] { any_length_spectral_conv_forward(x, S, F, -2); },
      [&] { any_length_spectral_conv_backward(x, S, x, F, -2, true, true); },
      [&] { ski_cpu::output(x, c, s, -2); },
      [&] { ski_cpu::gradients(x, c, x, s, -2, true, true); },
      [&] { ski_cpu::kernel_product(k, s, -2, false); },
      [&] { ski_cpu::kernel_gradient(s, s, D, -2); },
      [&] { ski_cpu::short_forward(rows, filter, k, -2); },
      [&] { ski_cpu::short_backward(rows, filter, k, rows, -2, true, true, true); },
  };
  for (size_t i = 0; i < operators.size(); ++i) {
    CAPTURE(i);
    operators[i]();  // threads and plans are made once
    int refused = 0;
    bool done = false;
    for (int64_t room = 0; !done; room += 128 << 10) {  // bytes
      memory::trim(Device::CPU);
      int64_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      rlimit limit{};
      ::getrlimit(RLIMIT_AS, &limit);
      limit.rlim_cur = rlim_t(pages * ::sysconf(_SC_PAGESIZE) + room);
      ::setrlimit(RLIMIT_AS, &limit);
      try {
        operators[i]();
        done = true;
      } catch (const std::exception&) {
        ++refused;
      }
      limit.rlim_cur = limit.rlim_max;
      ::setrlimit(RLIMIT_AS, &limit);
    }
    CHECK(refused > 0);  // how often depends on what is free in blocks that the process has already
  }
}

TEST_CASE(
    "out of memory, also for the scratch of threads, is an error and does not end the program") {
#if defined(__SANITIZE_ADDRESS__) || defined(SKIFF_CUDA_HOST)
  MESSAGE("left out: a sanitizer needs more address space than is left here");
#else
  CHECK(run_child("--test-case=child: out of memory*") == 0);
#endif
}

TEST_CASE("gemm: equals the sum of its definition, all transposes, pieces of rows and of sums") {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const auto& [m, n, k] :
           {std::array<int64_t, 3>{3, 4, 5}, {1, 1, 1}, {600, 2, 7}, {3, 2, 9000}, {5, 4, 0}}) {
        const Tensor a = random64({ta ? k : m, ta ? m : k}, 1),
                     b = random64({tb ? n : k, tb ? k : n}, 2);
        Tensor c = random64({m, n}, 3), whole = c.clone();
        std::vector<double> want = to_vector(c);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0.5 * want[size_t(i * n + j)];
            for (int64_t l = 0; l < k; ++l)
              sum += a.data<double>()[ta ? l * m + i : i * k + l] *
                     b.data<double>()[tb ? j * k + l : l * n + j];
            want[size_t(i * n + j)] = sum;
          }
        blas::gemm<double>(
            Device::CPU,
            {.transpose_a = ta, .transpose_b = tb, .m = m, .n = n, .k = k, .beta = 0.5},
            a.data<double>(), b.data<double>(), c.data<double>());
        CHECK(distance(c, want) < 1e-13);
        blas::gemm<double>(Device::CPU,
                           {.transpose_a = ta,
                            .transpose_b = tb,
                            .m = m,
                            .n = n,
                            .k = k,
                            .beta = 0.5,
                            .whole_sum = true},
                           a.data<double>(), b.data<double>(), whole.data<double>());
        CHECK(distance(whole, want) < 1e-13);
      }
    }
  }
}

namespace {
// X[k] = sum_j x[j] e^(-2 pi i jk/F), the definition
std::vector<double> naive_dft(const std::vector<double>& x, int64_t F) {
  std::vector<double> X;
  for (int64_t k = 0; k <= F / 2; ++k) {
    std::complex<double> sum = 0;
    for (int64_t j = 0; j < std::min(F, int64_t(x.size())); ++j)
      sum += x[size_t(j)] * std::polar(1.0, -2 * std::numbers::pi * double(j * k % F) / double(F));
    X.insert(X.end(), {sum.real(), sum.imag()});
  }
  return X;
}
}  // namespace

TEST_CASE("fft: r2c equals the definition for F = 1 .. 17 and a large prime, c2r undoes it") {
  std::vector<int64_t> lengths;
  for (int64_t F = 1; F <= 17; ++F) lengths.push_back(F);
  lengths.push_back(1009);
  for (const int64_t F : lengths) {
    CAPTURE(F);
    const Tensor x = random64({F}, uint64_t(F));
    const Tensor X = fft::r2c(x, F, 0);
    CHECK(distance(X, naive_dft(to_vector(x), F)) < 1e-12);
    std::vector<double> scaled = to_vector(x);
    for (double& v : scaled) v *= double(F);
    CHECK(distance(fft::c2r(X, F, 0, F), scaled) < 1e-12);
  }
}

TEST_CASE("fft: pads, cuts, and works along every axis") {
  const Tensor x = random64({2, 5, 3}, 1);
  for (const int64_t F : {3, 4, 5, 8, 11}) {
    const Tensor X = fft::r2c(x, F, 1);
    for (int64_t o = 0; o < 2; ++o)
      for (int64_t c = 0; c < 3; ++c) {
        std::vector<double> column, got;
        for (int64_t j = 0; j < 5; ++j) column.push_back(x.data<double>()[(o * 5 + j) * 3 + c]);
        for (int64_t k = 0; k <= F / 2; ++k) {
          const Complex<double> z = X.data<Complex<double>>()[(o * (F / 2 + 1) + k) * 3 + c];
          got.insert(got.end(), {z.re, z.im});
        }
        CHECK(distance(got, naive_dft(column, F)) < 1e-12);
      }
  }
}

TEST_CASE("fft: c2r ignores the imaginary parts of bins 0 and F/2, and leaves its input alone") {
  for (const int64_t F : {1, 2, 7, 8}) {
    Tensor X = complex128({F / 2 + 1}, 5);
    const std::vector<double> before = to_vector(X);
    const Tensor x = fft::c2r(X, F, 0, F);
    CHECK(to_vector(X) == before);
    X.data<Complex<double>>()[0].im += 3;
    if (F % 2 == 0) X.data<Complex<double>>()[F / 2].im -= 2;
    CHECK(to_vector(fft::c2r(X, F, 0, F)) == to_vector(x));
  }
}

TEST_CASE("fft: wrong bins and lengths are named") {
  CHECK(contains(message_of([] { fft::c2r(complex128({4}, 1), 8, 0, 8); }), "needs 5 bins, got 4"));
  CHECK(contains(message_of([] { fft::r2c(random64({4}, 1), 0, 0); }), "F must be at least 1"));
  CHECK(contains(message_of([] { fft::r2c(complex128({4}, 1), 4, 0); }), "x must be real"));
}

TEST_CASE("philox: the published known answers") {
  const PhiloxBlock zero = philox(0, 0, 0);
  CHECK(zero.word[0] == 0x6627e8d5);
  CHECK(zero.word[1] == 0xe169c58d);
  CHECK(zero.word[2] == 0xbc57ac4c);
  CHECK(zero.word[3] == 0x9b00dbd8);
  const PhiloxBlock ones = philox(~0ull, ~0ull, ~0ull);
  CHECK(ones.word[0] == 0x408f276d);
  CHECK(ones.word[3] == 0x6d5451fd);
  const PhiloxBlock pi = philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e);
  CHECK(pi.word[0] == 0xd16cfe09);
  CHECK(pi.word[1] == 0x94fdcceb);
  CHECK(pi.word[2] == 0x5001e420);
  CHECK(pi.word[3] == 0x24126ea1);
}

TEST_CASE(
    "philox: a tile of blocks equals the blocks, also where the counter's lower half overflows") {
  for (const uint64_t c0 : {uint64_t(0), (uint64_t(1) << 32) - 5, ~uint64_t(0) - 7}) {
    const uint64_t key = 0x299f31d0a4093822, c1 = 0x0370734413198a2e;
    uint32_t words[4][kPhiloxTile];
    philox_tile(key, c0, c1, words);
    for (int b = 0; b < kPhiloxTile; ++b) {
      const PhiloxBlock block = philox(key, c0 + uint64_t(b), c1);
      for (int w = 0; w < 4; ++w) CHECK(words[w][b] == block.word[w]);
    }
  }
}

TEST_CASE("random: a position is the whole state; moments and bounds are right") {
  Random a(7, 3);
  for (int i = 0; i < 5; ++i) a.next_u32();
  Random b(7, 3);
  b.set_position(a.position());
  CHECK(a.next_u64() == b.next_u64());
  Random c(1);
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = c.normal();
    sum += x;
    squares += x * x;
  }
  CHECK(std::abs(sum / 20000) < 0.03);  // four standard errors
  CHECK(std::abs(squares / 20000 - 1) < 0.04);
  std::vector<int> seen(7);
  for (int i = 0; i < 7000; ++i) ++seen[size_t(c.below(7))];
  for (const int count : seen) CHECK(std::abs(count - 1000) < 120);
  CHECK(contains(message_of([&] { c.below(0); }), "n >= 1"));
}

TEST_CASE("testing: one element that is not a number is further away than any limit") {
  const double nan = std::nan("");
  for (const std::vector<double>& a : {std::vector<double>{nan, 1, 2}, {0, nan, 2}, {0, 1, nan}})
    CHECK_FALSE(distance(a, {0, 1, 2}) < 1e300);
}
