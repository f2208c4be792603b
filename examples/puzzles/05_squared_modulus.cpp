// 05 squared modulus: y[k] = |z[k]|^2, real.
//
// Write gz. Take z = p + i q and differentiate in p and in q (part 2). It is not linear: x, the
// second argument of backward, is z.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct SquaredModulus {
  static constexpr auto name = "05 squared modulus";
  static constexpr bool linear = false;
  size_t n;
  size_t inputs() const { return n; }
  Reals forward(const Numbers& z) const {
    Reals y(n);
    for (size_t k = 0; k < n; ++k) y[k] = std::norm(z[k]);
    return y;
  }
  Numbers backward(const Reals& gy, const Numbers& x) const {
    Numbers gx(n);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<SquaredModulus> cases() { return {{4}, {5}}; }
};
[[maybe_unused]] const bool entered_SquaredModulus = enter_puzzle<SquaredModulus>();

}  // namespace
}  // namespace skiff::puzzles
