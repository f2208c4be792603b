// 03 repeat: a bias of D numbers for each of `rows` rows, y[r D + d] = b[d].
//
// Write gb. Every row reads b[d] (part 1: repeating).
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
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(D);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Repeat> cases() { return {{3, 4}, {1, 5}, {6, 3}}; }
};
[[maybe_unused]] const bool entered_Repeat = enter_puzzle<Repeat>();

}  // namespace
}  // namespace skiff::puzzles
