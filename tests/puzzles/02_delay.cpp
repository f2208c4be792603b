// A solution of examples/puzzles/02_delay.cpp, which states the puzzle.
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
  Reals backward(const Reals& gy, const Reals&) const {
    Reals gx(n);
    for (size_t j = 0; j + 1 < n; ++j) gx[j] = gy[j + 1];
    return gx;
  }
  static std::vector<Delay> cases() { return {{5}, {8}}; }
};
[[maybe_unused]] const bool entered_Delay = enter_puzzle<Delay>();

}  // namespace
}  // namespace skiff::puzzles
