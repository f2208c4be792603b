// 10 causal kernel: h = w irfft(R), R real with F/2 + 1 bins; w[t] = 1 for t = 0 and 2t = F, 2 for
// 0 < t < F/2, 0 beyond. This is the first half of the Hilbert transform.
//
// Write gR: real (part 7). Two linear maps, two transposes, in reverse order.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Causal {
  static constexpr auto name = "10 causal";
  static constexpr bool linear = true;
  size_t F;
  size_t inputs() const { return F / 2 + 1; }
  double w(size_t t) const { return t == 0 || 2 * t == F ? 1 : 2 * t < F ? 2 : 0; }
  Reals forward(const Reals& R) const {
    Reals h = irfft(Numbers(R.begin(), R.end()), F);
    for (size_t t = 0; t < F; ++t) h[t] *= w(t);
    return h;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(inputs());
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Causal> cases() { return {{8}, {7}}; }
};
[[maybe_unused]] const bool entered_Causal = enter_puzzle<Causal>();

}  // namespace
}  // namespace skiff::puzzles
