#include "examples/puzzles/diagnose.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace skiff::puzzles {
namespace {

double size_of(const Numbers& v) {
  double sum = 0;
  for (const Number& z : v) sum += std::norm(z);
  return std::sqrt(sum);
}
bool same(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return false;
  Numbers d = a;
  for (size_t i = 0; i < d.size(); ++i) d[i] -= b[i];
  return size_of(d) <= 1e-6 * std::max(size_of(b), 1e-3);
}
Numbers conjugate(Numbers v) {
  for (Number& z : v) z = std::conj(z);
  return v;
}

std::string in_words(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  return text;
}
std::string in_words(Number z) {
  return z.imag() == 0 ? in_words(z.real())
                       : in_words(z.real()) + (z.imag() < 0 ? " - " : " + ") +
                             in_words(std::abs(z.imag())) + "i";
}

// given = s right with one real s per case.
std::optional<std::string> wrong_factor(const std::vector<Attempt>& all) {
  std::vector<double> factors;
  for (const Attempt& a : all) {
    Number dot = 0;
    for (size_t i = 0; i < a.right.size(); ++i) dot += std::conj(a.right[i]) * a.given[i];
    const double s = dot.real() / std::pow(size_of(a.right), 2);
    Numbers scaled = a.right;
    for (Number& z : scaled) z *= s;
    if (!same(a.given, scaled) || std::abs(s) < 1e-9) return std::nullopt;
    factors.push_back(s);
  }
  const auto all_are = [&](const std::function<double(const Attempt&)>& value) {
    for (size_t i = 0; i < all.size(); ++i)
      if (std::abs(factors[i] / value(all[i]) - 1) > 1e-5) return false;
    return true;
  };
  const std::string by = "factor: the gradient is right but for a factor of ";
  if (all_are([](const Attempt&) { return -1.0; }))
    return "sign: the gradient is right but for its sign";
  const auto n = [](const Attempt& a) { return double(a.right.size()); };
  const auto m = [](const Attempt& a) { return double(a.outputs); };
  if (all_are(n)) return by + "n, the number of inputs; is a division by n missing?";
  if (all_are([&](const Attempt& a) { return 1 / n(a); }))
    return by + "1/n, n the number of inputs; is there a division too many?";
  if (all_are(m)) return by + "F, the number of outputs; is a division by F missing?";
  if (all_are([&](const Attempt& a) { return 1 / m(a); }))
    return by + "1/F, F the number of outputs; is there a division too many?";
  if (all_are([&](const Attempt&) { return factors[0]; })) return by + in_words(factors[0]);
  return by + in_words(factors[0]) + " in the first case, " + in_words(factors.back()) +
         " in the last";
}

// Some entries right, the others all wrong by one factor.
std::optional<std::string> factor_of_some(const std::vector<Attempt>& all) {
  double factor = 0;
  std::string where;
  for (const Attempt& a : all)
    for (size_t i = 0; i < a.right.size(); ++i) {
      if (std::abs(a.right[i]) < 1e-7) continue;
      const Number ratio = a.given[i] / a.right[i];
      if (std::abs(ratio - 1.0) < 1e-5) continue;
      if (std::abs(ratio.imag()) > 1e-5 || std::abs(ratio) < 1e-9 ||
          (factor != 0 && std::abs(ratio.real() / factor - 1) > 1e-5))
        return std::nullopt;
      factor = ratio.real();
      if (&a == &all.front()) where += (where.empty() ? "" : ", ") + std::to_string(i);
    }
  if (factor == 0) return std::nullopt;
  return "factor: some entries are " + in_words(factor) +
         " times what they should be, the others right; in the first case entries " +
         (where.empty() ? "none, look at the other cases" : where);
}

std::optional<std::string> shifted(const std::vector<Attempt>& all) {
  for (const bool circular : {true, false})
    for (const int64_t by : {-3, -2, -1, 1, 2, 3}) {
      bool fits = true;
      for (const Attempt& a : all) {
        const int64_t n = int64_t(a.right.size());
        if (n <= 2 * std::abs(by)) {
          fits = false;
          break;
        }
        Numbers moved, wanted;
        for (int64_t i = 0; i < n; ++i) {
          const int64_t from = circular ? ((i + by) % n + n) % n : i + by;
          if (from < 0 || from >= n) continue;
          moved.push_back(a.given[size_t(from)]);
          wanted.push_back(a.right[size_t(i)]);
        }
        fits = fits && same(moved, wanted);
      }
      if (fits)
        return "shift: every entry is " + std::to_string(std::abs(by)) +
               (std::abs(by) == 1 ? " place" : " places") + (by > 0 ? " too late" : " too early") +
               (circular ? ", around the end" : "");
    }
  for (const size_t keep_first : {0, 1}) {  // reversed, or reversed around entry 0
    bool fits = true;
    for (const Attempt& a : all) {
      Numbers turned = a.given;
      std::reverse(turned.begin() + std::ptrdiff_t(keep_first), turned.end());
      fits = fits && a.right.size() > 2 && same(turned, a.right);
    }
    if (fits) return "shift: the entries are right but in reverse order";
  }
  return std::nullopt;
}

// Two mistakes: the sign or the conjugate is corrected first.
std::optional<std::string> two_mistakes(const std::vector<Attempt>& all) {
  const auto corrected = [&](const std::function<Numbers(const Attempt&)>& put_right) {
    std::vector<Attempt> copy = all;
    for (Attempt& a : copy) a.given = put_right(a);
    return copy;
  };
  const auto negated = corrected([](const Attempt& a) {
    Numbers v = a.given;
    for (Number& z : v) z = -z;
    return v;
  });
  if (const auto found = shifted(negated)) return "sign, and " + *found;
  for (const auto& conjugated :
       {corrected([](const Attempt& a) { return conjugate(a.given); }),
        corrected([](const Attempt& a) { return conjugate(a.given_for_conjugate); }),
        corrected([](const Attempt& a) { return a.given_for_conjugate; })}) {
    if (const auto found = wrong_factor(conjugated)) return "conjugate, and " + *found;
    if (const auto found = factor_of_some(conjugated)) return "conjugate, and " + *found;
  }
  return std::nullopt;
}

std::string mistake(const std::vector<Attempt>& all) {
  for (const Attempt& a : all) {
    if (a.given.size() != a.right.size())
      return "size: the gradient has " + std::to_string(a.given.size()) + " numbers, the input " +
             std::to_string(a.right.size());
    for (const Number& z : a.given)
      if (!std::isfinite(z.real()) || !std::isfinite(z.imag())) return "the gradient is not finite";
  }
  const auto every = [&](const std::function<bool(const Attempt&)>& holds) {
    return std::all_of(all.begin(), all.end(), holds);
  };
  if (every([](const Attempt& a) { return size_of(a.given) == 0; }))
    return "not written yet: backward returns zeros; the task is at the top of the file";
  if (every([](const Attempt& a) { return same(a.given, a.right); }))
    return "the gradient is right in float64";
  if (const auto found = wrong_factor(all)) return *found;
  if (every([](const Attempt& a) {
        return same(conjugate(a.given), a.right) ||
               same(conjugate(a.given_for_conjugate), a.right) ||
               same(a.given_for_conjugate, a.right);
      }))
    return "conjugate: one is missing, or there is one too many; a complex map A has the backward "
           "A^H, not A^T";
  if (const auto found = factor_of_some(all)) return *found;
  if (const auto found = shifted(all)) return *found;
  if (const auto found = two_mistakes(all)) return *found;
  return "another mistake: no sign, conjugate, factor or shift makes it fit";
}

// The first entry that is wrong in the first case that is.
std::string wrong_entry(const std::vector<Attempt>& all) {
  for (const Attempt& a : all) {
    if (a.given.size() != a.right.size()) return "";
    for (size_t i = 0; i < a.right.size(); ++i)
      if (!(std::abs(a.given[i] - a.right[i]) <= 1e-6 * std::max(size_of(a.right), 1e-3)))
        return "entry " + std::to_string(i) + " of " + std::to_string(a.right.size()) + " is " +
               in_words(a.given[i]) + ", differences say " + in_words(a.right[i]);
  }
  return "";
}

}  // namespace

Diagnosis diagnosis(const std::vector<Attempt>& all) { return {mistake(all), wrong_entry(all)}; }

}  // namespace skiff::puzzles
