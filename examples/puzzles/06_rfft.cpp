// 06 rfft: X[k] = sum_j x[j] e^(-2 pi i jk/F), k = 0 .. F/2, for F real numbers.
//
// Write gx: real, from the F/2 + 1 complex gradients (part 4). A sum of the definition will do;
// std::polar(1.0, u) is e^(iu).
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Rfft {
  static constexpr auto name = "06 rfft";
  static constexpr bool linear = true;
  size_t F;
  size_t inputs() const { return F; }
  Numbers forward(const Reals& x) const { return rfft(x); }
  Reals backward(const Numbers& gy, const Reals& x) const {
    Reals gx(F);
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Rfft> cases() { return {{8}, {7}, {4}}; }
};
[[maybe_unused]] const bool entered_Rfft = enter_puzzle<Rfft>();

}  // namespace
}  // namespace skiff::puzzles
