// The sequence ops against the sums of their definitions, and against each other.
#include <numbers>

#include "core/fft/fft.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// y and the gradients of the inputs under a cotangent, through the tape.
struct Result {
  Tensor y;
  std::vector<Tensor> grads;
};
template <class F>
Result differentiate(const std::vector<Tensor>& inputs, const Tensor& gy, const F& f) {
  std::vector<Variable> leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, gy);
  Result result{y.value(), {}};
  for (const Variable& v : leaves) result.grads.push_back(v.grad());
  return result;
}

void check_equal(const Result& a, const Result& b, double tolerance) {
  CHECK(distance(a.y, b.y) < tolerance);
  REQUIRE(a.grads.size() == b.grads.size());
  for (size_t i = 0; i < a.grads.size(); ++i) {
    CAPTURE(i);
    CHECK(distance(a.grads[i], b.grads[i]) < tolerance);
  }
}

const std::vector<int64_t> kLengths = {1, 2, 3, 5, 7, 8, 16, 17, 31, 64};

}  // namespace

TEST_CASE("toeplitz: equals the dense matrix in value and both gradients") {
  const int64_t B = 2, D = 3;
  for (const Direction direction : {Direction::Bidirectional, Direction::Causal}) {
    for (const int64_t n : kLengths) {
      const bool causal = direction == Direction::Causal;
      CAPTURE(n);
      CAPTURE(causal);
      const int64_t rows = causal ? n : 2 * n;
      const Tensor t = random64({rows, D}, 1), x = random64({B, n, D}, 2),
                   g = random64({B, n, D}, 3);
      const auto tap = [&](int64_t lag) { return lag >= 0 ? lag : causal ? -1 : 2 * n + lag; };
      Result dense{zeros({B, n, D}, DType::Float64),
                   {zeros({rows, D}, DType::Float64), zeros({B, n, D}, DType::Float64)}};
      for (int64_t b = 0; b < B; ++b)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < n; ++j)
            for (int64_t d = 0; d < D; ++d) {
              const int64_t row = tap(i - j), out = (b * n + i) * D + d, in = (b * n + j) * D + d;
              if (row < 0) continue;
              const double w = t.data<double>()[row * D + d];
              dense.y.data<double>()[out] += w * x.data<double>()[in];
              dense.grads[0].data<double>()[row * D + d] +=
                  g.data<double>()[out] * x.data<double>()[in];
              dense.grads[1].data<double>()[in] += w * g.data<double>()[out];
            }
      const Result fast = differentiate({t, x}, g, [&](const std::vector<Variable>& v) {
        return toeplitz(v[0], v[1], direction);
      });
      check_equal(fast, dense, 1e-12);
    }
  }
}

TEST_CASE("toeplitz: the row that is no lag changes nothing and has gradient 0") {
  const Tensor x = random64({2, 5, 2}, 1), g = random64({2, 5, 2}, 2);
  Tensor t = random64({10, 2}, 3);
  const auto run = [&] {
    return differentiate({t, x}, g, [](const std::vector<Variable>& v) {
      return toeplitz(v[0], v[1], Direction::Bidirectional);
    });
  };
  const Result before = run();
  t = t.clone();
  t.data<double>()[10] += 100;
  const Result after = run();
  CHECK(to_vector(before.y) == to_vector(after.y));
  CHECK(before.grads[0].data<double>()[10] == 0);
  CHECK(before.grads[0].data<double>()[11] == 0);
}

TEST_CASE("spectral_conv: equals rfft, complex_mul and irfft one after the other") {
  for (const int64_t F : {1, 2, 7, 8, 9, 16}) {
    for (const int64_t n : {int64_t(1), F / 2, F}) {
      if (n < 1) continue;
      CAPTURE(F);
      CAPTURE(n);
      const Tensor x = random64({2, n, 3}, 1), S = complex128({F / 2 + 1, 3}, 2),
                   g = random64({2, n, 3}, 3);
      const Result fused = differentiate(
          {x, S}, g, [&](const std::vector<Variable>& v) { return spectral_conv(v[0], v[1], F); });
      const Result composed = differentiate({x, S}, g, [&](const std::vector<Variable>& v) {
        return slice(irfft(complex_mul(rfft(v[0], F), v[1]), F), -2, 0, n);
      });
      check_equal(fused, composed, 1e-12);
    }
  }
}

TEST_CASE("toeplitz: equals spectral_conv with the spectrum of its taps around a circle") {
  const int64_t n = 8, F = 16;  // 2n is the transform length, so the taps are the circle
  const Tensor t = random64({2 * n, 3}, 1), x = random64({2, n, 3}, 2), g = random64({2, n, 3}, 3);
  const Result fused = differentiate({t, x}, g, [&](const std::vector<Variable>& v) {
    return toeplitz(v[0], v[1], Direction::Bidirectional);
  });
  Result composed = differentiate({t, x}, g, [&](const std::vector<Variable>& v) {
    return spectral_conv(v[1], rfft(v[0], F, 0), F);
  });
  CHECK(distance(fused.y, composed.y) < 1e-12);
  CHECK(distance(fused.grads[0], composed.grads[0]) < 1e-12);
  CHECK(distance(fused.grads[1], composed.grads[1]) < 1e-12);
}

TEST_CASE("sequence ops: columns of an image equal a transposed sequence") {
  const int64_t H = 6, W = 4, D = 3;
  const Tensor image = random64({2, H, W, D}, 1), t = random64({2 * H, D}, 2),
               c = random64({5, D}, 3);
  const Tensor S = complex128({9, D}, 4);
  const auto columns = [&](const auto& op) {  // along axis -3, and by transposing around axis -2
    const Tensor direct = op(Variable(image), int64_t(-3)).value();
    const Tensor turned =
        transpose(op(transpose(Variable(image), 1, 2), int64_t(-2)), 1, 2).value();
    CHECK(distance(direct, turned) < 1e-13);
  };
  columns([&](const Variable& x, int64_t axis) {
    return toeplitz(t, x, Direction::Bidirectional, axis);
  });
  columns([&](const Variable& x, int64_t axis) {
    return conv1d(x, c, Direction::Bidirectional, axis);
  });
  columns([&](const Variable& x, int64_t axis) { return conv1d(x, c, Direction::Causal, axis); });
  columns([&](const Variable& x, int64_t axis) { return spectral_conv(x, S, 16, axis); });
  columns([&](const Variable& x, int64_t axis) { return interpolate_adjoint(x, {H, 3}, axis); });
  columns([&](const Variable& x, int64_t axis) { return interpolate(x, {11, H}, axis); });
  columns([&](const Variable& x, int64_t axis) { return irfft(rfft(x, 9, axis), 9, axis); });
}

TEST_CASE("conv1d: equals the sum of its definition in value and both gradients") {
  const int64_t B = 2, D = 3;
  for (const Direction direction : {Direction::Bidirectional, Direction::Causal})
    for (const int64_t n : kLengths)
      for (const int64_t K : {1, 3, 5, 9}) {
        const bool causal = direction == Direction::Causal;
        const Tensor x = random64({B, n, D}, 1), c = random64({K, D}, 2),
                     g = random64({B, n, D}, 3);
        Result dense{zeros({B, n, D}, DType::Float64),
                     {zeros({B, n, D}, DType::Float64), zeros({K, D}, DType::Float64)}};
        for (int64_t b = 0; b < B; ++b)
          for (int64_t i = 0; i < n; ++i)
            for (int64_t q = 0; q < K; ++q)
              for (int64_t d = 0; d < D; ++d) {
                const int64_t j = causal ? i - q : i + q - (K - 1) / 2;
                if (j < 0 || j >= n) continue;
                const int64_t out = (b * n + i) * D + d, in = (b * n + j) * D + d;
                dense.y.data<double>()[out] += c.data<double>()[q * D + d] * x.data<double>()[in];
                dense.grads[0].data<double>()[in] +=
                    c.data<double>()[q * D + d] * g.data<double>()[out];
                dense.grads[1].data<double>()[q * D + d] +=
                    x.data<double>()[in] * g.data<double>()[out];
              }
        const Result fast = differentiate({x, c}, g, [&](const std::vector<Variable>& v) {
          return conv1d(v[0], v[1], direction);
        });
        check_equal(fast, dense, 1e-12);
      }
}

TEST_CASE("hilbert: the signal is causal and the real part is the response, odd and even F") {
  for (const int64_t F : {1, 2, 3, 4, 7, 8, 15, 16, 64}) {
    CAPTURE(F);
    const Tensor R = random64({F / 2 + 1, 2}, uint64_t(F));
    const Tensor A = hilbert(R, F, 0).value();
    std::vector<double> real;
    const std::vector<double> parts = to_vector(A);
    for (size_t i = 0; i < parts.size(); i += 2) real.push_back(parts[i]);
    CHECK(distance(real, to_vector(R)) < 1e-13);
    const Tensor h = irfft(A, F, 0).value();
    for (int64_t t = F / 2 + 1; t < F; ++t)
      for (int64_t d = 0; d < 2; ++d) CHECK(std::abs(h.data<double>()[t * 2 + d]) < 1e-14);
  }
}

TEST_CASE("hilbert: the published doubling of sample F/2 reaches no output and no gradient") {
  const int64_t n = 4, F = 8;
  const Tensor R = random64({5, 2}, 1), x = random64({1, n, 2}, 2), g = random64({1, n, 2}, 3);
  const auto run = [&](bool published) {
    return differentiate({R, x}, g, [&](const std::vector<Variable>& v) {
      return spectral_conv(
          v[1], hilbert(v[0], F, 0, published ? CausalWindow::Published : CausalWindow::Exact), F);
    });
  };
  check_equal(run(true), run(false), 1e-13);
  CHECK(distance(hilbert(R, F, 0, CausalWindow::Published).value(), hilbert(R, F, 0).value()) >
        1e-3);
}

TEST_CASE("spectral_conv: imaginary parts at bins 0 and F/2 change nothing and have gradient 0") {
  const int64_t F = 8;
  Tensor S = complex128({5, 2}, 1);
  const Tensor x = random64({2, 4, 2}, 2), g = random64({2, 4, 2}, 3);
  const auto run = [&] {
    return differentiate(
        {x, S}, g, [&](const std::vector<Variable>& v) { return spectral_conv(v[0], v[1], F); });
  };
  const Result before = run();
  S = S.clone();
  S.data<Complex<double>>()[0].im += 5;
  S.data<Complex<double>>()[8].im += 5;
  const Result after = run();
  CHECK(distance(before.y, after.y) < 1e-14);
  CHECK(std::abs(before.grads[1].data<Complex<double>>()[0].im) < 1e-14);
  CHECK(std::abs(before.grads[1].data<Complex<double>>()[8].im) < 1e-14);
}

namespace {
std::vector<double> dense_W(const InterpolationMatrix& W) {  // n x r, row-major
  std::vector<double> identity(size_t(W.r * W.r), 0);
  for (int64_t j = 0; j < W.r; ++j) identity[size_t(j * W.r + j)] = 1;
  return to_vector(interpolate(values(identity, {W.r, W.r}), W).value());
}
}  // namespace

TEST_CASE("interpolate: rows of W sum to 1, lie in [0, 1] and reproduce straight lines") {
  for (const int64_t n : {1, 2, 3, 8, 17, 64, 1000})
    for (const int64_t r : {2, 3, 7, 64}) {
      CAPTURE(n);
      CAPTURE(r);
      const std::vector<double> W = dense_W({n, r});
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0, line = 0;
        for (int64_t j = 0; j < r; ++j) {
          const double w = W[size_t(i * r + j)];
          CHECK(w >= 0);
          CHECK(w <= 1);
          sum += w;
          line += w * double(j) * double(n - 1) / double(r - 1);  // an inducing point's position
        }
        CHECK(sum == doctest::Approx(1).epsilon(1e-15));
        CHECK(line == doctest::Approx(double(i)).epsilon(1e-13));
      }
    }
}

TEST_CASE("interpolate: W is the identity for r = n, and W^T is its transpose") {
  const std::vector<double> W = dense_W({9, 9});
  for (int64_t i = 0; i < 81; ++i) CHECK(W[size_t(i)] == (i % 10 == 0 ? 1 : 0));
  for (const bool published : {false, true}) {
    const InterpolationMatrix M{.n = 10, .r = 4, .published = published, .gamma = 0.99};
    const std::vector<double> dense = dense_W(M);
    const Tensor x = random64({10, 2}, 1);
    std::vector<double> want(8, 0);
    for (int64_t i = 0; i < 10; ++i)
      for (int64_t j = 0; j < 4; ++j)
        for (int64_t d = 0; d < 2; ++d)
          want[size_t(j * 2 + d)] += dense[size_t(i * 4 + j)] * x.data<double>()[i * 2 + d];
    CHECK(distance(interpolate_adjoint(x, M).value(), want) < 1e-14);
  }
}

TEST_CASE("sequence ops: wrong shapes are refused with the values that were given") {
  const Tensor x = random64({2, 5, 3}, 1);
  const auto fails = [](const std::string& part, const auto& f) {
    const std::string message = message_of(f);
    CAPTURE(message);
    CHECK(contains(message, part));
  };
  fails("needs a kernel (2n = 10, D), got float64 (9, 3)", [&] {
    toeplitz(random64({9, 3}, 1), x, Direction::Bidirectional);
  });
  fails("needs a kernel (n = 5, D)", [&] { toeplitz(random64({4, 3}, 1), x, Direction::Causal); });
  fails("channels of t do not divide", [&] {
    toeplitz(random64({10, 2}, 1), x, Direction::Bidirectional);
  });
  fails("must agree in type", [&] {
    toeplitz(random64({10, 3}, 1).to(DType::Float32), x, Direction::Bidirectional);
  });
  fails("needs an odd number of taps", [&] {
    conv1d(x, random64({4, 3}, 1), Direction::Bidirectional);
  });
  fails("conv1d: c must be (K, D)", [&] {
    conv1d(x, random64({3, 2}, 1), Direction::Bidirectional);
  });
  fails("needs F >= 5", [&] { spectral_conv(x, complex128({3, 3}, 1), 4); });
  fails("S must be complex128 (F/2 + 1 = 5, D)", [&] { spectral_conv(x, random64({5, 3}, 1), 8); });
  fails("needs 5 bins", [&] { irfft(complex128({2, 4, 3}, 1), 8); });
  fails("X must be complex", [&] { irfft(x, 8); });
  fails("x must be real", [&] { rfft(complex128({2, 4, 3}, 1), 8); });
  fails("hilbert: length F = 8 needs 5 bins", [&] { hilbert(random64({4, 2}, 1), 8, 0); });
  fails("5 inducing points are needed", [&] { interpolate(random64({1, 4, 2}, 1), {9, 5}); });
  fails("at least 2 inducing points", [&] { interpolate(x, {9, 1}); });
  fails("9 positions are needed", [&] { interpolate_adjoint(x, {9, 4}); });
  fails("base must lie in (0, 1]", [&] {
    warped_kernel(random64({5, 2}, 1), {0}, 1.5, Direction::Bidirectional);
  });
  fails("no lag -1", [&] { warped_kernel(random64({5, 2}, 1), {-1}, 0.5, Direction::Causal); });
  fails("(2r + 1, D)", [&] {
    warped_kernel(random64({4, 2}, 1), {0}, 0.5, Direction::Bidirectional);
  });
  fails("sizes must be positive", [&] { linear_resize(x, 0, Resize::HalfPixel); });
  fails("exponents must not be negative", [&] { powers(values({0.5, 1}, {2}), {-1}); });
  fails("gamma must lie in [0, 1], got 1.5", [&] { powers(values({0.5, 1.5}, {2}), {1}); });
}

TEST_CASE("rotary: known values; position 0 stays, and so does the last channel of an odd head") {
  const Tensor x = values({1, 2, 3, 4, 5, 1, 2, 3, 4, 5}, {2, 5});
  const double c = std::cos(1), s = std::sin(1), a = std::pow(100, -2.0 / 5);
  const double C = std::cos(a), S = std::sin(a);
  CHECK(distance(rotary(x, 5, 100).value(),
                 {1, 2, 3, 4, 5, c - 3 * s, C * 2 - S * 4, s + 3 * c, S * 2 + C * 4, 5}) < 1e-15);
}

TEST_CASE("rotary: the inner product of two rows depends on their distance alone") {
  const int64_t n = 9, width = 6;
  Tensor q({n, width}, DType::Float64), k = empty_like(q);  // the same row at every position
  for (int64_t i = 0; i < q.size(); ++i) {
    q.data<double>()[i] = std::sin(1.0 + double(i % width));
    k.data<double>()[i] = std::cos(2.0 * double(i % width));
  }
  const std::vector<double> scores =
      to_vector(matmul(rotary(q, width), transposed(rotary(k, width))).value());
  const auto at = [&](int64_t i, int64_t j) { return scores[size_t(i * n + j)]; };
  for (int64_t i = 1; i < n; ++i)
    for (int64_t j = 1; j < n; ++j) CHECK(std::abs(at(i, j) - at(i - 1, j - 1)) < 1e-14);
  CHECK(std::abs(at(0, 3) - at(0, 0)) > 0.1);
  CHECK(std::abs(at(0, 3) - at(3, 0)) > 0.1);
}

TEST_CASE("rotary: float32 keeps its digits at a million positions") {
  const int64_t n = 1 << 20;
  const Tensor x = full({n, 2}, 1, DType::Float32);
  const Tensor y = slice(Variable(rotary(x, 2)), 0, n - 1, n).value();
  const double a = double(n - 1);
  CHECK(distance(y.to(DType::Float64), {std::cos(a) - std::sin(a), std::sin(a) + std::cos(a)}) <
        1e-6);
}

TEST_CASE("rotary: a width that is no divisor, a row and integers are refused") {
  CHECK(contains(message_of([] {
                   rotary(random64({2, 6}, 1), 4);
                 }),
                 "rotary: x (.., n, d) with heads of 4 channels is needed, got float64 (2, 6)"));
  CHECK(contains(message_of([] { rotary(random64({6}, 1), 2); }), "got float64 (6)"));
  CHECK(contains(message_of([] { rotary(random64({2, 6}, 1), 0); }), "heads of 0 channels"));
  CHECK(contains(message_of([] { rotary(random64({2, 6}, 1), 2, 0); }), "base must be positive"));
}
