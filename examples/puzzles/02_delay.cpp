// 02 delay: y[0] = 0, y[i] = x[i-1]. The last x is lost.
//
// Write gx. Where does x[j] go? (part 1: padding and cutting)
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Delay {
  static constexpr auto name = "02 delay";
  static constexpr bool linear = true;
  size_t n;
  size_t inputs() const { return n; }
  Reals forward(const Reals& x) const {
    Reals y(n);
    for (size_t i = 1; i < n; ++i) y[i] = x[i - 1];
    return y;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(n);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Delay> cases() { return {{5}, {8}}; }
};
[[maybe_unused]] const bool entered_Delay = enter_puzzle<Delay>();

}  // namespace
}  // namespace skiff::puzzles
