// 01 scale: y[i] = 3 x[i].
//
// Write gx. It is <gy, dy> with dy = 3 dx, collected in front of dx (autograd/README.md, part 0).
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Scale {
  static constexpr auto name = "01 scale";
  static constexpr bool linear = true;
  size_t n;
  size_t inputs() const { return n; }
  Reals forward(const Reals& x) const {
    Reals y(n);
    for (size_t i = 0; i < n; ++i) y[i] = 3 * x[i];
    return y;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(n);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Scale> cases() { return {{4}, {7}}; }
};
[[maybe_unused]] const bool entered_Scale = enter_puzzle<Scale>();

}  // namespace
}  // namespace skiff::puzzles
