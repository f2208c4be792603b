// Options of kernels that are not published: a spectrum of decays, logarithms as inputs.
#include <cmath>

#include "autograd/ops.h"
#include "layers/mixers.h"
#include "layers/operators/fd_tno.h"
#include "layers/operators/tno.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("tno: a spectrum of decays reaches from 2 positions to all of them") {
  const int64_t C = 20;
  Parameters store(1, DType::Float64);
  const Tno spectrum(store.root() / "a", {.channels = C}, {}, {.decay = Decay::Spectrum});
  const std::vector<double> gamma = to_vector(spectrum.gamma.value());
  for (int64_t c = 0; c < C; ++c) {
    CAPTURE(c);
    CHECK(gamma[size_t(c)] == (c >= 18 ? 1 : 1 - std::pow(2, -(1 + 0.5 * double(c)))));
  }
  // The kernel is the undamped one times the powers, at every length in any order.
  const Tno none(store.root() / "b", {.channels = C}, {}, {.decay = Decay::None});
  for (const Parameter& p : store.all())
    if (p.name.starts_with("b.")) {
      Tensor to = p.variable.value();
      const Tensor from = store.find("a." + p.name.substr(2))->variable.value();
      std::copy_n(from.data<double>(), to.size(), to.data<double>());
    }
  for (const int64_t n : {5, 9, 3}) {
    const std::vector<double> damped = to_vector(spectrum.kernel(n).value());
    const std::vector<double> whole = to_vector(none.kernel(n).value());
    for (int64_t row = 0; row < 2 * n; ++row)
      for (int64_t c = 0; c < C; ++c) {
        const double lag = double(row < n ? row : 2 * n - row);
        CHECK(damped[size_t(row * C + c)] ==
              doctest::Approx(whole[size_t(row * C + c)] * std::pow(gamma[size_t(c)], lag)));
      }
  }
}

TEST_CASE("kernel inputs: the logarithm is a second input of the network, odd in the lag") {
  const RpeOptions log{.width = 4, .input = KernelInput::Log};
  Parameters store(1, DType::Float64);
  const Tno tno(store.root() / "a", {.channels = 3}, {.rpe = log}, {.decay = Decay::None});
  const auto& net = std::get<LraRpe>(tno.rpe);
  CHECK(net.pos_proj.weight.shape() == Shape{4, 2});
  const std::vector<double> lags{0, 1, 2, 3, -3, -2, -1};
  std::vector<double> logarithms;
  for (const double l : lags) logarithms.push_back(l < 0 ? -std::log(1 - l) : std::log(1 + l));
  const Variable s = position_columns(lags, logarithms, DType::Float64, Device::CPU);
  const std::vector<double> direct = to_vector(net(s).value());
  const std::vector<double> kernel = to_vector(tno.kernel(4).value());
  for (size_t i = 0; i < 12; ++i) CHECK(kernel[i] == doctest::Approx(direct[i]));
  for (size_t i = 0; i < 9; ++i) CHECK(kernel[15 + i] == doctest::Approx(direct[12 + i]));

  const FdTno fd(store.root() / "b", {.channels = 3}, {.rpe = log});
  CHECK(fd.rpe.pos_proj.weight.shape() == Shape{4, 2});
  const std::vector<double> w{0, M_PI / 4, M_PI / 2, 3 * M_PI / 4, M_PI};
  std::vector<double> lw;
  for (const double v : w) lw.push_back(std::log(v + 2 * M_PI / 8));
  const std::vector<double> out =
      to_vector(fd.rpe(position_columns(w, lw, DType::Float64, Device::CPU)).value());
  const std::vector<double> response = to_vector(fd.response(8).value());  // (re, im) pairs
  for (size_t k = 0; k < 5; ++k)
    for (size_t c = 0; c < 3; ++c)
      CHECK(response[2 * (3 * k + c)] == doctest::Approx(out[6 * k + c]));
}

TEST_CASE("kernel inputs: as published there is one input, and unused options are unread") {
  Parameters store(1);
  const Tno tno(store.root() / "a", {.channels = 3}, {});
  CHECK(std::get<LraRpe>(tno.rpe).pos_proj.weight.shape() == Shape{32, 1});
  const auto unread = [](const ModelOptions& o, const char* name) {
    const auto names = unread_options(o);
    return std::count(names.begin(), names.end(), name) > 0;
  };
  CHECK(unread({.mixer = "ski"}, "kernel-input"));
  CHECK(unread({.mixer = "fd", .fd = {.points = 3}}, "kernel-input"));
  CHECK_FALSE(unread({.mixer = "tno"}, "kernel-input"));
  CHECK_FALSE(unread({.mixer = "fd"}, "kernel-input"));
  CHECK(unread({.mixer = "tno", .tno = {.decay = Decay::Spectrum}}, "gamma"));
}
