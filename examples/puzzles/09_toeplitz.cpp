// 09 toeplitz: y[i] = sum_j t[i-j] x[j] of a fixed x, `signal`, n numbers. The input is the kernel:
// t[l + n-1] holds lag l, from -(n-1) to n-1.
//
// Write gt (part 6).
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct ToeplitzTaps {
  static constexpr auto name = "09 toeplitz";
  static constexpr bool linear = true;
  Reals signal;
  size_t inputs() const { return 2 * signal.size() - 1; }
  Reals forward(const Reals& t) const {
    const size_t n = signal.size();
    Reals y(n);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) y[i] += t[i + n - 1 - j] * signal[j];
    return y;
  }
  Reals backward(const Reals& gy, const Reals& x) const {
    Reals gx(inputs());
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<ToeplitzTaps> cases() { return {{{1, -2, 0.5, 4}}, {{2, 1, -1, 0.5, 3}}}; }
};
[[maybe_unused]] const bool entered_ToeplitzTaps = enter_puzzle<ToeplitzTaps>();

}  // namespace
}  // namespace skiff::puzzles
