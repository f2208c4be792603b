// A solution of examples/puzzles/01_scale.cpp, which states the puzzle.
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
  Reals backward(const Reals& gy, const Reals&) const {
    Reals gx(n);
    for (size_t i = 0; i < n; ++i) gx[i] = 3 * gy[i];
    return gx;
  }
  static std::vector<Scale> cases() { return {{4}, {7}}; }
};
[[maybe_unused]] const bool entered_Scale = enter_puzzle<Scale>();

}  // namespace
}  // namespace skiff::puzzles
