// The CPU's own FFT convolution against FFTW's: lengths, channel counts, groups, axes, threads.
#include <omp.h>

#include <string>

#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Problem {
  Tensor x, gy, S;
  int64_t F, axis;
};

Problem problem(Shape shape, int64_t D, int64_t F, int64_t axis, DType dtype = DType::Float64) {
  return {random_normal(shape, dtype, 1), random_normal(shape, dtype, 2),
          random_normal({F / 2 + 1, D}, complex_type(dtype), 3), F, axis};
}

struct Answer {
  Tensor y, gx, gS;
};
Answer by_lanes(const Problem& p) {
  auto [gx, gS] = lanes_spectral_conv_backward(p.x, p.S, p.gy, p.F, p.axis, true, true);
  return {lanes_spectral_conv_forward(p.x, p.S, p.F, p.axis), gx, gS};
}
Answer by_any_length(const Problem& p) {
  auto [gx, gS] = any_length_spectral_conv_backward(p.x, p.S, p.gy, p.F, p.axis, true, true);
  return {any_length_spectral_conv_forward(p.x, p.S, p.F, p.axis), gx, gS};
}

void check_close(const Answer& a, const Answer& b, double tolerance) {
  CHECK(distance(a.y, b.y) < tolerance);
  CHECK(distance(a.gx, b.gx) < tolerance);
  CHECK(distance(a.gS, b.gS) < tolerance);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::string(static_cast<const char*>(a.raw()), size_t(a.bytes())) ==
             std::string(static_cast<const char*>(b.raw()), size_t(b.bytes()));
}

}  // namespace

TEST_CASE("spectral_conv: the own transform serves powers of two from 32, with channels enough") {
  for (const int64_t F : {32, 64, 32768, 1 << 20}) CHECK(fft::use_lanes(F, 12));
  for (const int64_t F : {1, 2, 4, 8, 15, 16, 17, 24, 48, 32767})
    CHECK_FALSE(fft::use_lanes(F, 64));
  CHECK_FALSE(fft::use_lanes(64, 11));
}

TEST_CASE("spectral_conv: equals FFTW for every length of x up to F") {
  for (const int64_t F : {32, 64, 128})
    for (int64_t n = 1; n <= F; ++n) {
      CAPTURE(F);
      CAPTURE(n);
      const Problem p = problem({2, n, 3}, 3, F, -2);
      check_close(by_lanes(p), by_any_length(p), 1e-12);
    }
}

TEST_CASE("spectral_conv: equals FFTW for any number of channels, in float64 and float32") {
  for (const int64_t D : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 67, 128})
    for (const int64_t n : {63, 128, 200}) {
      CAPTURE(D);
      CAPTURE(n);
      const Problem p = problem({3, n, D}, D, 256, -2),
                    q = problem({3, n, D}, D, 256, -2, DType::Float32);
      check_close(by_lanes(p), by_any_length(p), 1e-12);
      check_close(by_lanes(q), by_any_length(q), 1e-5);
    }
}

TEST_CASE("spectral_conv: equals FFTW for every power of two, half full and full") {
  for (int64_t F = 1; F <= 32768; F *= 2)
    for (const int64_t n : {F / 2, F}) {
      if (n < 1) continue;
      CAPTURE(F);
      CAPTURE(n);
      const auto check_public = [&](DType dtype, int64_t D, double tolerance) {
        const Problem p = problem({1, n, D}, D, F, -2, dtype);
        auto [gx, gS] = spectral_conv_backward(p.x, p.S, p.gy, F, -2, true, true);
        check_close({spectral_conv_forward(p.x, p.S, F, -2), gx, gS}, by_any_length(p), tolerance);
      };
      check_public(DType::Float64, 12, 1e-12);
      check_public(DType::Float64, 1, 1e-12);
      check_public(DType::Float32, 32, 1e-5);
    }
}

TEST_CASE("spectral_conv: equals FFTW along rows and columns of images, and without a batch") {
  for (const int64_t D : {2, 16, 19, 32}) {
    CAPTURE(D);
    for (const Problem& p : {problem({2, 28, 5, D}, D, 64, -3), problem({2, 5, 28, D}, D, 64, -2),
                             problem({40, D}, D, 128, 0), problem({3, 9, 4 * D}, D, 32, -2),
                             problem({2, 7, 3, D}, 3 * D, 32, -3)})
      check_close(by_lanes(p), by_any_length(p), 1e-12);
  }
}

TEST_CASE("spectral_conv: a delta shifts, exactly where it should") {
  // S[k] = e^(-2 pi i k s / F) delays by s: y[j] = x[j - s], zeros before.
  const int64_t F = 64, n = 32, s = 5, D = 3;
  std::vector<double> parts;
  for (int64_t k = 0; k <= F / 2; ++k)
    for (int64_t d = 0; d < D; ++d) {
      parts.push_back(std::cos(2 * M_PI * double(k * s) / double(F)));
      parts.push_back(-std::sin(2 * M_PI * double(k * s) / double(F)));
    }
  Tensor S({F / 2 + 1, D}, DType::Complex128);
  std::copy(parts.begin(), parts.end(), reinterpret_cast<double*>(S.raw()));
  const Tensor x = random64({1, n, D}, 1), y = lanes_spectral_conv_forward(x, S, F, -2);
  for (int64_t i = 0; i < n * D; ++i) {
    const double want = i < s * D ? 0 : x.data<double>()[i - s * D];
    CHECK(std::abs(y.data<double>()[i] - want) < 1e-14);
  }
}

TEST_CASE("spectral_conv: a gradient that is not needed stays empty and changes no other bit") {
  for (const int64_t D : {5, 64}) {
    const Problem p = problem({6, 50, D}, D, 128, -2);
    const Answer both = by_lanes(p);
    const auto x_only = lanes_spectral_conv_backward(p.x, p.S, p.gy, p.F, p.axis, true, false);
    const auto S_only = lanes_spectral_conv_backward(p.x, p.S, p.gy, p.F, p.axis, false, true);
    CHECK_FALSE(x_only.second);
    CHECK_FALSE(S_only.first);
    CHECK(same_bits(x_only.first, both.gx));
    CHECK(same_bits(S_only.second, both.gS));
  }
}

TEST_CASE("spectral_conv: imaginary parts of bins 0 and F/2 change no bit and have gradient 0") {
  const int64_t F = 64, D = 3;
  Problem p = problem({4, 32, D}, D, F, -2);
  const Answer before = by_lanes(p);
  p.S = p.S.clone();
  for (int64_t d = 0; d < D; ++d) {
    p.S.data<Complex<double>>()[d].im += 7;
    p.S.data<Complex<double>>()[F / 2 * D + d].im -= 9;
    CHECK(before.gS.data<Complex<double>>()[d].im == 0);
    CHECK(before.gS.data<Complex<double>>()[F / 2 * D + d].im == 0);
  }
  const Answer after = by_lanes(p);
  CHECK(same_bits(before.y, after.y));
  CHECK(same_bits(before.gx, after.gx));
  CHECK(same_bits(before.gS, after.gS));
}

TEST_CASE("spectral_conv: does not depend on the number of threads") {
  const int threads_before = omp_get_max_threads();
  for (const Problem& p :
       {problem({9, 200, 3}, 3, 512, -2, DType::Float32),
        problem({5, 100, 70}, 70, 256, -2, DType::Float32), problem({3, 28, 7, 64}, 64, 64, -3),
        problem({2, 4096, 17}, 17, 8192, -2)}) {
    omp_set_num_threads(1);
    const Answer one = by_lanes(p);
    for (const int threads : {1, 2, 3, 7}) {
      CAPTURE(threads);
      omp_set_num_threads(threads);
      const Answer several = by_lanes(p);
      CHECK(same_bits(several.y, one.y));
      CHECK(same_bits(several.gx, one.gx));
      CHECK(same_bits(several.gS, one.gS));
    }
  }
  omp_set_num_threads(threads_before);
}

// ---- channels are independent ----

// x with channel c of all positions multiplied by size(c); x is (.., D).
template <class Size>
Tensor sized(const Tensor& x, const Size& size) {
  Tensor y = x.clone();
  const int64_t D = x.size(-1), parts = x.is_complex() ? 2 : 1;
  dispatch(y, [&]<class T> {
    T* values = static_cast<T*>(y.raw());
    for (int64_t i = 0; i < y.size() * parts; ++i) values[i] = T(size(i / parts % D)) * values[i];
  });
  return y;
}

// For each channel the largest |a - b|, relative to the largest |b| of that channel; the worst of
// all.
double channel_distance(const Tensor& a, const Tensor& b) {
  const int64_t D = b.size(-1), parts = b.is_complex() ? 2 : 1;
  const std::vector<double> u = to_vector(a), v = to_vector(b);
  REQUIRE(u.size() == v.size());
  std::vector<double> differences(static_cast<size_t>(D)), largest(static_cast<size_t>(D));
  for (size_t i = 0; i < v.size(); ++i) {
    const size_t d = i / size_t(parts) % size_t(D);
    const double difference = std::abs(u[i] - v[i]);
    if (!(difference <= differences[d])) differences[d] = difference;
    largest[d] = std::max(largest[d], std::abs(v[i]));
  }
  double worst = 0;
  for (size_t d = 0; d < size_t(D); ++d)
    if (!(differences[d] / largest[d] <= worst)) worst = differences[d] / largest[d];
  return worst;
}

TEST_CASE(
    "spectral_conv: a channel is as exact as if it were alone, however large its neighbours are") {
  // Sizes `ratio` apart alternate in runs of 1, 2, 4, .. channels: whichever two a machine would
  // put side by side, in some run they differ. S is sized too, so that products are apart as well.
  const int64_t D = 64;
  for (const double ratio : {1.0, 1e2, 1e4, 1e6, 1e12, 1e20})
    for (const int64_t run : {1, 2, 4, 8, 16, 32})
      for (const int64_t n :
           {63, 64, 127}) {  // in a transform of 128: padded, half full, nearly full
        CAPTURE(ratio);
        CAPTURE(run);
        CAPTURE(n);
        const auto small = [=](int64_t d) { return d / run % 2 == 0 ? 1.0 : 1 / ratio; };
        const auto response = [=](int64_t d) {
          return (d / run + 1) / 2 % 2 == 0 ? 1.0 : 1 / ratio;
        };
        Problem p = problem({2, n, D}, D, 128, -2, DType::Float32);
        p.x = sized(p.x, small);
        if (ratio <= 1e12) p.gy = sized(p.gy, small);  // beyond, their products are no float32
        if (ratio <= 1e6) p.S = sized(p.S, response);
        const Problem exact{p.x.to(DType::Float64), p.gy.to(DType::Float64),
                            p.S.to(DType::Complex128), p.F, p.axis};
        const Answer got = by_lanes(p), want = by_any_length(exact);
        CHECK(channel_distance(got.y, want.y) < 2e-6);
        CHECK(channel_distance(got.gx, want.gx) < 2e-6);
        CHECK(channel_distance(got.gS, want.gS) < 2e-6);
      }
}

// Bit by bit, but for channel `d`, where b has a NaN.
bool same_but(const Tensor& a, const Tensor& b, int64_t d) {
  const int64_t D = a.size(-1), parts = a.is_complex() ? 2 : 1;
  const std::vector<double> u = to_vector(a), v = to_vector(b);
  bool same = true, found = false;
  for (size_t i = 0; i < u.size(); ++i) {
    if (int64_t(i) / parts % D == d)
      found = found || std::isnan(v[i]);
    else
      same = same && u[i] == v[i];
  }
  return same && found;
}

TEST_CASE("spectral_conv, r2c, c2r: a NaN stays in its channel and changes no bit of another") {
  const int64_t D = 64;
  for (const int64_t at : {0, 1, 15, 16, 40}) {
    const Problem p = problem({2, 50, D}, D, 128, -2, DType::Float32);
    Problem q = p;
    q.x = sized(p.x, [=](int64_t d) { return d == at ? NAN : 1.0; });
    const Answer clean = by_lanes(p), spoilt = by_lanes(q);
    const Tensor X = fft::lanes_r2c(p.x, 128, -2), Y = fft::lanes_r2c(q.x, 128, -2);
    CAPTURE(at);
    CHECK(same_but(clean.y, spoilt.y, at));
    CHECK(same_but(clean.gS, spoilt.gS, at));
    CHECK(same_bits(clean.gx, spoilt.gx));
    CHECK(same_but(X, Y, at));
    CHECK(same_but(fft::lanes_c2r(X, 128, -2, 50), fft::lanes_c2r(Y, 128, -2, 50), at));
  }
}

TEST_CASE("r2c, c2r: the own transform equals FFTW along any axis, padded, cut and full") {
  for (const int64_t D : {1, 5, 17, 40})
    for (const int64_t F : {32, 64, 128, 2048})
      for (const int64_t n : {int64_t(1), F / 2 - 3, F / 2, F - 1, F, F + 5}) {
        CAPTURE(D);
        CAPTURE(F);
        CAPTURE(n);
        const Tensor x = random64({2, n, D}, 1), X = complex128({2, F / 2 + 1, D}, 2);
        CHECK(distance(fft::lanes_r2c(x, F, -2), fft::any_length_r2c(x, F, -2)) < 1e-12);
        CHECK(distance(fft::lanes_c2r(X, F, -2, n), fft::any_length_c2r(X, F, -2, n)) < 1e-12);
        if (F > 128) continue;
        const Tensor kernel = random_normal({n, 3, D}, DType::Float32, 3);
        CHECK(distance(fft::lanes_r2c(kernel, F, 0), fft::any_length_r2c(kernel, F, 0)) < 1e-5);
      }
}

TEST_CASE("r2c, c2r: do not depend on the number of threads") {
  const int threads_before = omp_get_max_threads();
  const Tensor x = random64({3, 500, 70}, 1), X = complex128({3, 513, 70}, 2);
  omp_set_num_threads(1);
  const Tensor Y = fft::lanes_r2c(x, 1024, -2), y = fft::lanes_c2r(X, 1024, -2, 500);
  for (const int threads : {2, 3, 7}) {
    omp_set_num_threads(threads);
    CHECK(same_bits(fft::lanes_r2c(x, 1024, -2), Y));
    CHECK(same_bits(fft::lanes_c2r(X, 1024, -2, 500), y));
  }
  omp_set_num_threads(threads_before);
}

TEST_CASE("r2c, c2r: a channel is as exact as if it were alone, however large its neighbours are") {
  for (const double ratio : {1.0, 1e6, 1e20})
    for (const int64_t run : {1, 2, 4, 8, 16}) {
      CAPTURE(ratio);
      CAPTURE(run);
      const auto size = [=](int64_t d) { return d / run % 2 == 0 ? 1.0 : 1 / ratio; };
      const Tensor x = sized(random_normal({2, 101, 32}, DType::Float32, 1), size);
      const Tensor X = sized(random_normal({2, 65, 32}, DType::Complex64, 2), size);
      CHECK(channel_distance(fft::lanes_r2c(x, 128, -2),
                             fft::any_length_r2c(x.to(DType::Float64), 128, -2)) < 2e-6);
      CHECK(channel_distance(fft::lanes_c2r(X, 128, -2, 101),
                             fft::any_length_c2r(X.to(DType::Complex128), 128, -2, 101)) < 2e-6);
    }
}
