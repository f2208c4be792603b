#include "examples/charts/ticks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "examples/charts/charts.h"

namespace skiff::charts {
namespace {

// 10 with an exponent in small figures.
std::string power_of_ten(int e) {
  static const char* const digit[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  if (e >= 0 && e <= 3) return std::to_string(int(std::lround(std::pow(10, e))));
  if (e == -1) return "0.1";
  std::string s = e < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(e))) s += digit[c - '0'];
  return s;
}

// As many decimals as the step asks for, without zeros at the end: "2.9365"; "10,000".
std::string on_axis(double v, double step, double largest) {
  if (v == 0) return "0";  // no -0
  if (largest >= 1e6 || step < 1e-6) return short_number(v);
  const int decimals = std::max(0, int(std::ceil(-std::log10(step) - 1e-9)));
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.*f", decimals, std::abs(v));
  std::string text = digits;
  if (decimals > 0) text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  const size_t whole = std::min(text.find('.'), text.size());
  if (whole > 4)
    for (size_t at = whole; at > 3; at -= 3) text.insert(at - 3, ",");
  return (v < 0 ? "\u2212" : "") + text;
}

std::vector<Tick> linear_ticks(double low, double high, int about) {
  const double raw = std::max(high - low, 1e-300) / about;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double f : {5.0, 2.0, 1.0})
    if (raw <= f * power * (1 + 1e-9)) step = f * power;
  const double largest = std::max(std::abs(low), std::abs(high));
  std::vector<Tick> all;
  const double first = std::ceil(low / step - 1e-9);
  for (int k = 0; first + k <= high / step + 1e-9 && k <= 2 * about; ++k) {
    const double i = first + k;
    all.push_back({i == 0 ? 0 : i * step, on_axis(i * step, step, largest)});
  }
  return all;
}

std::vector<Tick> log_ticks(double low, double high, int most) {
  const int first = int(std::ceil(std::log10(low) - 1e-9));
  const int last = int(std::floor(std::log10(high) + 1e-9));
  std::vector<Tick> all;
  if (last - first >= 2) {
    const int every = (last - first) / most + 1;
    for (int e = first; e <= last; e += every) all.push_back({std::pow(10, e), power_of_ten(e)});
    return all;
  }
  for (int e = first - 1; e <= last; ++e)
    for (const double f : {1.0, 2.0, 5.0}) {
      const double at = f * std::pow(10, e);
      if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9)) all.push_back({at, short_number(at)});
    }
  return all;
}

std::vector<Tick> octave_ticks(double low, double high) {
  std::vector<Tick> all;
  const int first = int(std::ceil(std::log2(low) - 1e-9));
  const int last = int(std::floor(std::log2(high) + 1e-9));
  char text[32];
  for (int e = first; e <= last; e += (last - first) / 6 + 1) {
    std::snprintf(text, sizeof text, "%.0f", std::exp2(e));
    all.push_back({std::exp2(e), text});
  }
  return all;
}

}  // namespace

double Axis::at(double value) const {
  const double share =
      logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + (to - from) * share;
}

std::vector<Tick> ticks(const Axis& axis, int about, bool octaves) {
  if (!axis.logarithmic) return linear_ticks(axis.low, axis.high, about);
  // A narrow range may have none of its round numbers.
  std::vector<Tick> all;
  if (octaves) all = octave_ticks(axis.low, axis.high);
  if (all.size() < 2) all = log_ticks(axis.low, axis.high, about);
  return all.size() < 2 ? linear_ticks(axis.low, axis.high, about) : all;
}

}  // namespace skiff::charts
