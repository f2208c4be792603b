// The builtin FFT against the sum of its definition and, where the build has it, against FFTW.
#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "core/fft/fft.h"
#include "core/fft/signals.h"
#include "core/random.h"

using namespace skiff;
using fft::Signals;
using fft::Transform;

namespace {

constexpr int64_t kCount = 3;  // signals transformed together

template <class T>
Signals<T> random_signals(const Transform<T>& t, uint64_t seed) {
  Signals<T> s(t);
  const Tensor x = random_normal({kCount, t.F}, DTypeOf<T>::value, seed);
  s.gather(x.data<T>(), t.F, 1, t.F, kCount);
  return s;
}

// sqrt(sum |a - b|^2 / sum |b|^2) over the bins of all signals, or over their samples
template <class T, class U>
double spectrum_error(const Signals<T>& a, const Signals<U>& b, int64_t F) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t k = 0; k <= F / 2; ++k) {
      const Complex<T> u = a.spectrum(i)[k];
      const Complex<U> v = b.spectrum(i)[k];
      difference +=
          std::pow(double(u.re) - double(v.re), 2) + std::pow(double(u.im) - double(v.im), 2);
      size += double(v.re) * double(v.re) + double(v.im) * double(v.im);
    }
  return std::sqrt(difference / size);
}
template <class T>
double signal_error(const Signals<T>& a, const Signals<T>& b, int64_t F, T scale) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t j = 0; j < F; ++j) {
      const double v = double(b.signal(i)[j]);
      difference += std::pow(double(scale * a.signal(i)[j]) - v, 2);
      size += v * v;
    }
  return std::sqrt(difference / size);
}

// The sum of the definition, in long double.
template <class T>
Signals<double> by_definition(const Signals<T>& x, int64_t F) {
  Signals<double> X(fft::builtin_transform<double>(F));
  std::vector<long double> cosine, sine;
  for (int64_t k = 0; k < F; ++k) {
    cosine.push_back(std::cos(2 * std::numbers::pi_v<long double> * k / F));
    sine.push_back(std::sin(2 * std::numbers::pi_v<long double> * k / F));
  }
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t k = 0; k <= F / 2; ++k) {
      long double re = 0, im = 0;
      for (int64_t j = 0; j < F; ++j) {
        re += x.signal(i)[j] * cosine[size_t(j * k % F)];
        im -= x.signal(i)[j] * sine[size_t(j * k % F)];
      }
      X.spectrum(i)[k] = {double(re), double(im)};
    }
  return X;
}

// A few eps log2(F), also for the two transforms of Bluestein.
template <class T>
double tolerance(int64_t F) {
  return 2 * std::numeric_limits<T>::epsilon() * (1 + std::log2(double(F)));
}

std::vector<int64_t> long_lengths() {
  std::vector<int64_t> lengths = {211,  263,      509,     1009,           4099,
                                  9973, 2 * 4099, 67 * 71, 3 * 5 * 7 * 61, 19997};
  for (int64_t F = 256; F <= 20000; F *= 2) {
    lengths.push_back(F);
    if (3 * F <= 20000) lengths.push_back(3 * F);
  }
  return lengths;
}

template <class T>
void check_definition(int64_t F) {
  CAPTURE(F);
  const Transform<T>& t = fft::builtin_transform<T>(F);
  const Signals<T> original = random_signals(t, uint64_t(F));
  Signals<T> s = random_signals(t, uint64_t(F));
  t.r2c(s, 0, kCount);
  CHECK(spectrum_error(s, by_definition(original, F), F) < tolerance<T>(F));
  t.c2r(s, 0, kCount);
  CHECK(signal_error(s, original, F, T(1) / T(F)) < tolerance<T>(F));
}

// Both transforms, and their errors against float64 or against each other.
template <class T>
void check_fftw(int64_t F) {
  CAPTURE(F);
  const Transform<T>&ours = fft::builtin_transform<T>(F), &fftw = fft::transform<T>(F);
  Signals<T> a = random_signals(ours, uint64_t(F)), b = random_signals(fftw, uint64_t(F));
  ours.r2c(a, 0, kCount);
  for (int64_t i = 0; i < kCount; ++i) fftw.r2c(b, i, 1);
  CHECK(spectrum_error(a, b, F) < tolerance<T>(F));
  for (int64_t i = 0; i < kCount; ++i) std::copy_n(b.spectrum(i), F / 2 + 1, a.spectrum(i));
  ours.c2r(a, 0, kCount);
  for (int64_t i = 0; i < kCount; ++i) fftw.c2r(b, i, 1);
  CHECK(signal_error(a, b, F, T(1)) < tolerance<T>(F));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), size_t(a.bytes())) == 0;
}

}  // namespace

TEST_CASE("builtin fft: equals the sum of the definition for n = 1 .. 200 and some primes") {
  for (int64_t F = 1; F <= 200; ++F) {
    check_definition<double>(F);
    check_definition<float>(F);
  }
  for (const int64_t F : {211, 509, 1009, 2 * 331, 3 * 199}) {
    check_definition<double>(F);
    check_definition<float>(F);
  }
}

TEST_CASE("builtin fft: equals FFTW there and back, for all lengths") {
  if (fft::description() == "builtin") {
    MESSAGE("left out: this build has no FFTW");
    return;
  }
  for (int64_t F = 1; F <= 200; ++F) {
    check_fftw<double>(F);
    check_fftw<float>(F);
  }
  for (const int64_t F : long_lengths()) {
    check_fftw<double>(F);
    check_fftw<float>(F);
  }
}

TEST_CASE("builtin fft: there and back gives the signal, for long lengths") {
  for (const int64_t F : long_lengths()) {
    CAPTURE(F);
    const Transform<double>& t = fft::builtin_transform<double>(F);
    const Signals<double> original = random_signals(t, 1);
    Signals<double> s = random_signals(t, 1);
    t.r2c(s, 0, kCount);
    t.c2r(s, 0, kCount);
    CHECK(signal_error(s, original, F, 1 / double(F)) < tolerance<double>(F));
  }
}

TEST_CASE("builtin fft: a signal's bits do not depend on its place or on its neighbours") {
  for (const int64_t F : {24, 35, 134}) {
    const Transform<float>& t = fft::builtin_transform<float>(F);
    Signals<float> together = random_signals(t, 5), alone = random_signals(t, 5);
    together.signal(0)[3] = std::numeric_limits<float>::quiet_NaN();
    t.r2c(together, 0, kCount);
    t.r2c(alone, 2, 1);
    for (int64_t k = 0; k <= F / 2; ++k) {
      CHECK(together.spectrum(2)[k].re == alone.spectrum(2)[k].re);
      CHECK(together.spectrum(2)[k].im == alone.spectrum(2)[k].im);
    }
  }
}

TEST_CASE("fft: any length, from several threads at once and inside a parallel region, same bits") {
  const int64_t F = 3 << 7, n = 200;
  const Tensor x = random_normal({2, n, 40}, DType::Float32, 1);
  const Tensor X = fft::r2c(x, F, -2), y = fft::c2r(X, F, -2, n);
  const Tensor rows = random_normal({40, n}, DType::Float32, 2), R = fft::r2c(rows, F, -1);
  const int threads = omp_get_max_threads();
  std::vector<int> same(8, 0);
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < 8; ++i)
    same[size_t(i)] = same_bits(fft::r2c(x, F, -2), X) && same_bits(fft::c2r(X, F, -2, n), y) &&
                      same_bits(fft::r2c(rows, F, -1), R);
  CHECK(same == std::vector<int>(8, 1));
  for (const int count : {1, 2, 5}) {
    omp_set_num_threads(count);
    CHECK(same_bits(fft::r2c(x, F, -2), X));
    CHECK(same_bits(fft::r2c(rows, F, -1), R));
  }
  omp_set_num_threads(threads);
}

TEST_CASE("fft: c2r, weights and r2c in one walk equal one after the other") {
  for (const DType dtype : {DType::Float32, DType::Float64})
    for (const int64_t F : {32, 64, 512})
      for (const bool complex_in : {false, true})
        for (const bool real_out : {false, true}) {
          CAPTURE(F);
          CAPTURE(complex_in);
          CAPTURE(real_out);
          const int64_t bins = F / 2 + 1, channels = 19, n = F / 4 + 3;
          Tensor X = random_normal({2, bins, channels}, complex_type(dtype), 1);
          const Tensor w = random_normal({n}, dtype, 2);
          Tensor in = X, signal;  // a spectrum without imaginary parts may come as a real tensor
          dispatch(w, [&]<class T> {
            if (!complex_in) {
              in = random_normal(X.shape(), dtype, 3);
              for (int64_t i = 0; i < X.size(); ++i)
                X.data<Complex<T>>()[i] = {in.data<T>()[i], T(0)};
            }
            signal = fft::c2r(X, F, 1, n);
            for (int64_t i = 0; i < signal.size(); ++i)
              signal.data<T>()[i] *= w.data<T>()[i / channels % n];
          });
          const Tensor expected = fft::r2c(signal, F, 1);
          const Tensor out = fft::lanes_weighted(in, {}, w, {1, 0.5}, real_out, F, 1);
          // Not bit for bit: a compiler may join other products and sums in each of the two.
          const double tolerance = dtype == DType::Float32 ? 1e-5 : 1e-13;
          dispatch(w, [&]<class T> {
            double largest = 0, difference = 0;
            for (int64_t i = 0; i < X.size(); ++i) {
              const int64_t k = i / channels % bins;
              const T scale = k == 0 || 2 * k == F ? T(1) : T(0.5);
              const Complex<T> bin = expected.data<Complex<T>>()[i];
              const T re = real_out ? out.data<T>()[i] : out.data<Complex<T>>()[i].re;
              const T im = real_out ? scale * bin.im : out.data<Complex<T>>()[i].im;
              largest = std::max<double>(largest, std::abs(bin.re));
              difference = std::max<double>(
                  {difference, std::abs(re - scale * bin.re), std::abs(im - scale * bin.im)});
            }
            CHECK(difference <= tolerance * largest);
          });
        }
}
