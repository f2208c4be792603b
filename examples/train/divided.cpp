#include "examples/train/divided.h"

#include <algorithm>
#include <string>

#include "core/processes.h"

namespace skiff {

bool divided(int64_t batches, const std::function<std::vector<double>(int64_t)>& compute,
             const std::function<void(const std::vector<double>&)>& add,
             const std::function<bool()>& goes_on) {
  Processes& all = processes();
  for (int64_t first = 0; first < batches; first += all.size()) {
    if (!goes_on()) return false;
    const int64_t own = first + all.rank();
    std::vector<double> mine;
    if (own < batches) mine = compute(own);
    const auto size = int64_t(mine.size());
    const std::vector<int64_t> ones(size_t(all.size()), 1);
    const std::vector<int64_t> sizes = gather_records(all, std::span(&size, 1), ones);
    const std::vector<double> numbers = gather_records(all, std::span<const double>(mine), sizes);
    int64_t at = 0;
    for (int64_t p = 0; p < std::min<int64_t>(all.size(), batches - first); ++p) {
      const int64_t end = at + sizes[size_t(p)];
      add({numbers.begin() + at, numbers.begin() + end});
      at = end;
    }
  }
  return true;
}

}  // namespace skiff
