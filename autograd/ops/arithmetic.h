// Arithmetic of real numbers (add, sub and scale also of complex ones). b's shape is the end of
// a's, and b is repeated over a's leading axes; or b is a single number.
#pragma once

#include <vector>

#include "autograd/tape.h"

namespace skiff {

Variable add(const Variable& a, const Variable& b);  // a + b
Variable sub(const Variable& a, const Variable& b);  // a - b
Variable mul(const Variable& a, const Variable& b);  // a b, real
Variable div(const Variable& a, const Variable& b);  // a / b, real
Variable scale(const Variable& x, double s);         // s x

inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }

// With a number: x is real, but for s x and -x.
Variable operator+(const Variable& x, double s);
Variable operator-(const Variable& x, double s);
Variable operator-(double s, const Variable& x);
Variable operator/(const Variable& x, double s);
inline Variable operator+(double s, const Variable& x) { return x + s; }
inline Variable operator*(double s, const Variable& x) { return scale(x, s); }
inline Variable operator*(const Variable& x, double s) { return scale(x, s); }
inline Variable operator-(const Variable& x) { return scale(x, -1); }

// y[l, d] = gamma[d]^exponents[l];  gamma (D), 0 <= gamma <= 1, exponents >= 0 -> (L, D)
Variable powers(const Variable& gamma, const std::vector<double>& exponents);

}  // namespace skiff
