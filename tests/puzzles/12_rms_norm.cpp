// A solution of examples/puzzles/12_rms_norm.cpp, which states the puzzle.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct RmsNorm {
  static constexpr auto name = "12 rms norm";
  static constexpr bool linear = false;
  size_t n;
  size_t inputs() const { return n; }
  double rho(const Reals& x) const {
    double sum = 0;
    for (const double v : x) sum += v * v;
    return std::sqrt(sum / double(n));
  }
  Reals forward(const Reals& x) const {
    Reals y(n);
    for (size_t i = 0; i < n; ++i) y[i] = x[i] / rho(x);
    return y;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(n);
    const double p = rho(x);
    double along = 0;  // 1/n <y, gy>
    for (size_t i = 0; i < n; ++i) along += x[i] / p * gy[i] / double(n);
    for (size_t i = 0; i < n; ++i) gx[i] = (gy[i] - x[i] / p * along) / p;
    return gx;
  }
  static std::vector<RmsNorm> cases() { return {{4}, {7}}; }
};
[[maybe_unused]] const bool entered_RmsNorm = enter_puzzle<RmsNorm>();

}  // namespace
}  // namespace skiff::puzzles
