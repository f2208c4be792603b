// A solution of examples/puzzles/08_filter.cpp, which states the puzzle.
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
  Numbers backward(const Reals& gy, const Numbers&) const {
    Numbers gx(inputs());
    const size_t F = signal.size();
    const Numbers X = rfft(signal), G = rfft(gy);
    for (size_t k = 0; k < gx.size(); ++k)
      gx[k] = bins_of(k, F) / double(F) * std::conj(X[k]) * G[k];
    return gx;
  }
  static std::vector<Filter> cases() {
    return {{{1, -2, 0.5, 4, 0, 0, 0, 0}}, {{2, 1, -1, 0.5, 3, -0.7, 0.2}}};
  }
};
[[maybe_unused]] const bool entered_Filter = enter_puzzle<Filter>();

}  // namespace
}  // namespace skiff::puzzles
