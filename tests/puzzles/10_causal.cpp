// A solution of examples/puzzles/10_causal.cpp, which states the puzzle.
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
  Reals backward(const Reals& gy, const Reals&) const {
    Reals gx(inputs());
    Reals ge = gy;
    for (size_t t = 0; t < F; ++t) ge[t] *= w(t);
    const Numbers G = rfft(ge);
    for (size_t k = 0; k < gx.size(); ++k) gx[k] = bins_of(k, F) / double(F) * G[k].real();
    return gx;
  }
  static std::vector<Causal> cases() { return {{8}, {7}}; }
};
[[maybe_unused]] const bool entered_Causal = enter_puzzle<Causal>();

}  // namespace
}  // namespace skiff::puzzles
