// A solution of examples/puzzles/06_rfft.cpp, which states the puzzle.
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Rfft {
  static constexpr auto name = "06 rfft";
  static constexpr bool linear = true;
  size_t F;
  size_t inputs() const { return F; }
  Numbers forward(const Reals& x) const { return rfft(x); }
  Reals backward(const Numbers& gy, const Reals&) const {
    Reals gx(F);
    for (size_t j = 0; j < F; ++j)
      for (size_t k = 0; k < gy.size(); ++k)
        gx[j] += (gy[k] * std::polar(1.0, 2 * M_PI * double(j * k) / double(F))).real();
    return gx;
  }
  static std::vector<Rfft> cases() { return {{8}, {7}, {4}}; }
};
[[maybe_unused]] const bool entered_Rfft = enter_puzzle<Rfft>();

}  // namespace
}  // namespace skiff::puzzles
