// Twiddle tables and plans of the channel-vectorised FFT.
#include "core/fft_lanes.h"

#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>
#include <vector>

namespace skiff::lanes {
namespace {

template <class T>
std::vector<T> make_twiddles(int R, int64_t q) {
  const int bits = std::countr_zero(unsigned(R));
  std::vector<T> w;
  w.reserve(size_t(2 * (R - 1) * q));
  for (int64_t j = 0; j < q; ++j)
    for (int s = 1; s < R; ++s) {
      const double angle =
          -2 * std::numbers::pi * double(j * reversed_bits(s, bits)) / double(R * q);
      w.push_back(T(std::cos(angle)));
      w.push_back(T(std::sin(angle)));
    }
  return w;
}

}  // namespace

template <class T>
const T* twiddles(int R, int64_t q) {
  static std::mutex mutex;
  static std::map<std::pair<int, int64_t>, std::vector<T>> tables;
  const std::lock_guard lock(mutex);
  std::vector<T>& table = tables[{R, q}];
  if (table.empty()) table = make_twiddles<T>(R, q);
  return table.data();
}

template <class T>
Plan<T>::Plan(int64_t F) : F(F), first_radix(std::countr_zero(uint64_t(F)) % 2 == 0 ? 4 : 8) {
  first = twiddles<T>(first_radix, F / first_radix);
  for (int64_t q = 4, i = 2; 4 * q <= F / first_radix; q *= 4, ++i) later_[i] = twiddles<T>(4, q);
}
template struct Plan<float>;
template struct Plan<double>;

}  // namespace skiff::lanes
