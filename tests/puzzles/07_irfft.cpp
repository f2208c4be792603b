// A solution of examples/puzzles/07_irfft.cpp, which states the puzzle.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Irfft {
  static constexpr auto name = "07 irfft";
  static constexpr bool linear = true;
  size_t F;
  size_t inputs() const { return F / 2 + 1; }
  Reals forward(const Numbers& X) const { return irfft(X, F); }
  Numbers backward(const Reals& gy, const Numbers&) const {
    Numbers gx(inputs());
    gx = rfft(gy);
    for (size_t k = 0; k < gx.size(); ++k) gx[k] *= bins_of(k, F) / double(F);
    return gx;
  }
  static std::vector<Irfft> cases() { return {{8}, {7}, {4}}; }
};
[[maybe_unused]] const bool entered_Irfft = enter_puzzle<Irfft>();

}  // namespace
}  // namespace skiff::puzzles
