// A solution of examples/puzzles/04_complex_product.cpp, which states the puzzle.
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
  Numbers backward(const Numbers& gy, const Numbers&) const {
    Numbers gx(b.size());
    for (size_t k = 0; k < b.size(); ++k) gx[k] = std::conj(b[k]) * gy[k];
    return gx;
  }
  static std::vector<ComplexProduct> cases() {
    return {{{{1, 2}, {-0.5, 1}, {0, 3}}}, {{{2, -1}, {0.3, 0.7}, {-1, 0.5}, {1.5, 1}}}};
  }
};
[[maybe_unused]] const bool entered_ComplexProduct = enter_puzzle<ComplexProduct>();

}  // namespace
}  // namespace skiff::puzzles
