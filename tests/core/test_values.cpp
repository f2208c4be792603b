// Small numbers computed by hand for every part of the three operators, equal to the digits
// given.
#include "layers/model.h"
#include "layers/operators/rpe.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// |a - b| below half a unit of the last of six digits
void check_digits(const Tensor& got, const std::vector<double>& want, double unit = 1e-6) {
  const std::vector<double> a = to_vector(got);
  REQUIRE(a.size() == want.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(a[i] - want[i]) <= 0.5000001 * unit);
  }
}

// Taps t_{-3} .. t_3 around a circle, n = 4.
Tensor circle(const std::vector<double>& lags) {
  return values({lags[3], lags[4], lags[5], lags[6], 0, lags[0], lags[1], lags[2]}, {8, 1});
}

const std::vector<double> kLags = {0.5, -1, 2, 1.5, -0.5, 0.25, 3};
const Tensor x4() { return values({1, -2, 0.5, 4}, {1, 4, 1}); }
const Tensor g4() { return values({1, 0, -1, 2}, {1, 4, 1}); }

}  // namespace

TEST_CASE("values: the Toeplitz product of four numbers, causal and decayed, and its gradients") {
  const Variable x = Variable::leaf(x4()), t = Variable::leaf(circle(kLags));
  {
    Tape tape;
    const Variable y = toeplitz(t, x, Direction::Bidirectional);
    check_digits(y.value(), {-1, -6.5, 10, 8.25});
    tape.backward(y, g4());
  }
  check_digits(x.grad(), {7.25, 3, -3.5, 1.5});
  check_digits(t.grad(), {8.5, 3, -5, 2, 0, 4, 0.5, -6});
  check_digits(toeplitz(values({1.5, -0.5, 0.25, 3}, {4, 1}), x4(), Direction::Causal).value(),
               {1.5, -3.5, 2, 8.25});
  std::vector<double> decayed = kLags;
  for (int lag = -3; lag <= 3; ++lag) decayed[size_t(lag + 3)] *= std::pow(0.9, std::abs(lag));
  check_digits(toeplitz(circle(decayed), x4(), Direction::Bidirectional).value(),
               {-1.047, -5.79, 9.0525, 7.557});
}

TEST_CASE("values: a bidirectional frequency response, its kernel, product and gradients") {
  const Variable re = Variable::leaf(values({1, 0.5, -0.25, 2, -1}, {5, 1}));
  const Variable im = Variable::leaf(values({0, 0.3, -0.7, 1.1, 0}, {5, 1}));
  const Variable x = Variable::leaf(x4());
  check_digits(irfft(to_complex(re, im), 8, 0).value(),
               {0.5625, -0.087652, 0.2625, 0.092678, -0.6875, 0.937652, -0.1375, 0.057322});
  {
    Tape tape;
    const Variable y = spectral_conv(x, to_complex(re, im), 8);
    check_digits(y.value(), {4.129715, -1.733991, 0.948344, 1.773851});
    tape.backward(y, g4());
  }
  check_digits(re.grad(), {0.875, 0.53401, 3.25, 3.71599, 0.125});
  check_digits(im.grad(), {0, 0.137563, -2.75, -2.612437, 0});
  check_digits(x.grad(), {0.485355, 0.669975, -0.875305, 2.00533});
}

TEST_CASE("values: the causal spectrum of a real response, right and as published") {
  const Tensor rho = values({3, 1, -2, 0.5, 1.5}, {5, 1});
  const Tensor A = hilbert(rho, 8, 0).value(),
               P = hilbert(rho, 8, 0, CausalWindow::Published).value();
  check_digits(A, {3, 0, 1, -2.65533, -2, -0.353553, 0.5, 1.59467, 1.5, 0}, 1e-5);
  check_digits(irfft(A, 8, 0).value(), {0.4375, 0.5517767, 2.125, 0.1982233, -0.3125, 0, 0, 0},
               1e-7);
  check_digits(irfft(P, 8, 0).value(), {0.4375, 0.5517767, 2.125, 0.1982233, -0.625, 0, 0, 0},
               1e-7);
  check_digits(P, {2.6875, 0, 1.3125, -2.65533, -2.3125, -0.353553, 0.8125, 1.59467, 1.1875, 0},
               1e-5);
}

TEST_CASE("values: the position network of variant A") {
  Parameters store(1, DType::Float64);
  const Rpe rpe(store.root(), {.width = 2, .layers = 1}, 1);
  const auto set = [&](const std::string& name, const std::vector<double>& numbers) {
    Tensor own = store.find(name)->variable.value();
    REQUIRE(own.size() == int64_t(numbers.size()));
    std::copy(numbers.begin(), numbers.end(), own.data<double>());
  };
  set("pos_proj.weight", {0.5, -1});
  set("pos_proj.bias", {0.1, 0.2});
  set("layers.0.2.weight", {1, -2, 0.5, 0.25});
  set("layers.0.2.bias", {0, -0.1});
  set("out.2.weight", {2, -1});
  set("out.2.bias", {0.3});
  check_digits(rpe(values({-3, -2, -1, 0, 1, 2, 3, 100}, {8, 1})).value(),
               {0.178253, 0.177705, 0.176403, -0.082108, 2.437244, 2.473299, 2.487318, 2.517816});
  check_digits(simple_rms_norm(values({3, -4}, {1, 2})).value(), {0.848528, -1.131371});
}

TEST_CASE("values: the interpolation matrix, right and as published") {
  const Tensor identity = values({1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3});
  check_digits(interpolate(identity, {8, 3}).value(),
               {1, 0,     0,     .7143, .2857, 0,     .4286, .5714, 0,     .1429, .8571, 0,
                0, .8571, .1429, 0,     .5714, .4286, 0,     .2857, .7143, 0,     0,     1},
               1e-4);
  check_digits(interpolate(identity, {.n = 8, .r = 3, .published = true}).value(),
               {0, 1,     0,     0, -.6735, 1.6735, 0, -.3469, 1.3469, 0, -.0204, 1.0204,
                0, .3061, .6939, 0, .6327,  .3673,  0, .9592,  .0408,  0, 1.2857, -.2857},
               1e-4);
}

TEST_CASE("values: the warped table, both sides and causal") {
  const Tensor V = values({-1, -2, -3, -4, 0, 1, 2, 3, 4}, {9, 1});
  check_digits(
      warped_kernel(V, {-14, -7, -3, -1, 0, 1, 3, 7, 14}, 0.9, Direction::Bidirectional).value(),
      {-3.660287, -3.086812, -2.084, -1.4, 4, 3.6, 2.916, 1.913188, 0.915072});
  const Tensor causal = values({0, 1, 2, 3, 4}, {5, 1});
  check_digits(warped_kernel(causal, {0, 1, 3, 7, 14}, 0.9, Direction::Causal).value(),
               {4, 3.6, 2.916, 1.913188, 0.915072});
}

TEST_CASE("values: the SKI operator step by step") {
  const Tensor V = values({1, 0.25, -0.5, 0, 0.5, -1, 2}, {7, 1});
  const Tensor x = values({1, -1, 2, 0, 0.5, 3, -2, 1}, {1, 8, 1});
  const Variable kernel = warped_kernel(V, {0, 3.5, 7, 0, -7, -3.5}, 0.8, Direction::Bidirectional);
  check_digits(slice(kernel, 0, 4, 6).value(), {-0.314573, -0.21962});
  check_digits(slice(kernel, 0, 0, 3).value(), {2, -0.06076, 0.314573});
  const Variable z = interpolate_adjoint(x, {8, 3});
  check_digits(z.value(), {1.142857, 2.428571, 0.928571});
  const Variable s = toeplitz(kernel, z, Direction::Bidirectional);
  check_digits(s.value(), {1.460248, 4.58377, 2.069094});
  check_digits(interpolate(s, {8, 3}).value(),
               {1.460248, 2.352683, 3.245118, 4.137552, 4.22453, 3.506052, 2.787573, 2.069094});
  check_digits(
      conv1d(x, values({0.1, -0.2, 0.3, 0.4, -0.5}, {5, 1}), Direction::Bidirectional).value(),
      {-1.1, 0.3, 0.65, -1.8, 2.55, -0.5, -0.75, 1.0});
}

TEST_CASE("values: half-pixel resizing, up and down") {
  check_digits(linear_resize(values({1, 2, 4}, {3, 1}), 6, Resize::HalfPixel).value(),
               {1, 1.25, 1.75, 2.5, 3.5, 4});
  check_digits(linear_resize(values({1, 2, 4, 8}, {4, 1}), 2, Resize::HalfPixel).value(), {1.5, 6});
}

TEST_CASE("values: sinusoidal positions") {
  check_digits(sinusoid_table(3, 4), {0, 1, 0, 1, 0.841471, 0.540302, 0.01, 0.99995, 0.909297,
                                      -0.416147, 0.019999, 0.9998});
}
