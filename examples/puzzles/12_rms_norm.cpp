// 12 root mean square: y = x / rho, rho = |x| / sqrt(n).
//
// Write gx (part 9). x is the second argument of backward.
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
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<RmsNorm> cases() { return {{4}, {7}}; }
};
[[maybe_unused]] const bool entered_RmsNorm = enter_puzzle<RmsNorm>();

}  // namespace
}  // namespace skiff::puzzles
