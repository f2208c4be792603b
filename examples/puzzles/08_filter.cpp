// 08 filter: y = irfft(S rfft(x)) of a fixed x, `signal`, of F numbers. The input is the spectrum
// S.
//
// Write gS. It is the chain of 07 and 04 (part 5).
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct Filter {
  static constexpr auto name = "08 filter";
  static constexpr bool linear = true;
  Reals signal;
  size_t inputs() const { return signal.size() / 2 + 1; }
  Reals forward(const Numbers& S) const {
    Numbers Y = rfft(signal);
    for (size_t k = 0; k < Y.size(); ++k) Y[k] *= S[k];
    return irfft(Y, signal.size());
  }
  Numbers backward(const Reals& gy, const Numbers& x) const {
    Numbers gx(inputs());
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<Filter> cases() {
    return {{{1, -2, 0.5, 4, 0, 0, 0, 0}}, {{2, 1, -1, 0.5, 3, -0.7, 0.2}}};
  }
};
[[maybe_unused]] const bool entered_Filter = enter_puzzle<Filter>();

}  // namespace
}  // namespace skiff::puzzles
