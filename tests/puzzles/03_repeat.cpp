// A solution of examples/puzzles/03_repeat.cpp, which states the puzzle.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Repeat {
  static constexpr auto name = "03 repeat";
  static constexpr bool linear = true;
  size_t rows, D;
  size_t inputs() const { return D; }
  Reals forward(const Reals& b) const {
    Reals y(rows * D);
    for (size_t r = 0; r < rows; ++r)
      for (size_t d = 0; d < D; ++d) y[r * D + d] = b[d];
    return y;
  }
  Reals backward(const Reals& gy, const Reals&) const {
    Reals gx(D);
    for (size_t r = 0; r < rows; ++r)
      for (size_t d = 0; d < D; ++d) gx[d] += gy[r * D + d];
    return gx;
  }
  static std::vector<Repeat> cases() { return {{3, 4}, {1, 5}, {6, 3}}; }
};
[[maybe_unused]] const bool entered_Repeat = enter_puzzle<Repeat>();

}  // namespace
}  // namespace skiff::puzzles
