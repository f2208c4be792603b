// 07 irfft: x[j] = 1/F sum_{k <= F/2} c[k] Re( X[k] e^(2 pi i jk/F) ), c[k] = bins_of(k, F).
//
// Write gX (part 4). rfft() of puzzle.h may be used.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Irfft {
  static constexpr auto name = "07 irfft";
  static constexpr bool linear = true;
  size_t F;
  size_t inputs() const { return F / 2 + 1; }
  Reals forward(const Numbers& X) const { return irfft(X, F); }
  Numbers backward(const Reals& gy, const Numbers& x) const {
    Numbers gx(inputs());
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Irfft> cases() { return {{8}, {7}, {4}}; }
};
[[maybe_unused]] const bool entered_Irfft = enter_puzzle<Irfft>();

}  // namespace
}  // namespace skiff::puzzles
