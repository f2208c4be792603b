// 04 complex product: y[k] = b[k] a[k], b fixed.
//
// Write ga (part 2).
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
namespace {

struct ComplexProduct {
  static constexpr auto name = "04 complex product";
  static constexpr bool linear = true;
  Numbers b;
  size_t inputs() const { return b.size(); }
  Numbers forward(const Numbers& a) const {
    Numbers y(b.size());
    for (size_t k = 0; k < b.size(); ++k) y[k] = b[k] * a[k];
    return y;
  }
  Numbers backward(const Numbers& gy, const Numbers& x) const {
    Numbers gx(b.size());
    (void)gy, (void)x;  // your turn: remove this line and fill gx
    return gx;
  }
  static std::vector<ComplexProduct> cases() {
    return {{{{1, 2}, {-0.5, 1}, {0, 3}}}, {{{2, -1}, {0.3, 0.7}, {-1, 0.5}, {1.5, 1}}}};
  }
};
[[maybe_unused]] const bool entered_ComplexProduct = enter_puzzle<ComplexProduct>();

}  // namespace
}  // namespace skiff::puzzles
