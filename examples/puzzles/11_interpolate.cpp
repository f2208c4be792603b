// 11 interpolate: r inducing points read at n positions. Position i lies at u = i (r-1)/(n-1),
// between points j and j + 1: y[i] = (1 - f) s[j] + f s[j+1].
//
// Write gs (part 8). place(i) gives j and f.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Interpolate {
  static constexpr auto name = "11 interpolate";
  static constexpr bool linear = true;
  size_t r, n;
  size_t inputs() const { return r; }
  struct Place {
    size_t j;
    double f;
  };
  Place place(size_t i) const {
    const double u = double(i * (r - 1)) / double(n - 1);
    const size_t j = std::min(size_t(u), r - 2);
    return {j, u - double(j)};
  }
  Reals forward(const Reals& s) const {
    Reals y(n);
    for (size_t i = 0; i < n; ++i) {
      const auto [j, f] = place(i);
      y[i] = (1 - f) * s[j] + f * s[j + 1];
    }
    return y;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(r);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Interpolate> cases() { return {{4, 9}, {3, 8}}; }
};
[[maybe_unused]] const bool entered_Interpolate = enter_puzzle<Interpolate>();

}  // namespace
}  // namespace skiff::puzzles
