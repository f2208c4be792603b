#include "examples/bench/options.h"

#include <algorithm>
#include <sstream>

#include "examples/train/flags.h"

namespace skiff::bench {

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

void take_sizes(BenchOptions& o, const Flags& flags) {
  const auto quick = [&](const char* name, auto& value, const auto& small) {
    if (o.quick && !flags.given(name)) value = small;
  };
  quick("n", o.n, "64,128");
  quick("batch", o.sizes.batch, 1);
  quick("dim", o.sizes.dim, 16);
  quick("length", o.sizes.length, 64);
  quick("recipe", o.sizes.recipe, "tiny");
  quick("repeats", o.repeats, 2);
  if (o.quick) o.sizes.language = {.recipe = "demo", .length = 16, .batch = 16};
  if (!o.epoch.task.empty()) {
    o.epoch.recipe = o.sizes.recipe;
    o.epoch.max_length = o.sizes.length;
    if (flags.given("batch")) o.epoch.batch = o.sizes.batch;
    if (!flags.given("repeats")) o.repeats = o.quick ? 1 : 3;
  }
  const Field field{.name = "n", .help = "", .low = 2, .high = 1 << 20};
  o.sizes.n.clear();
  for (const std::string& part : words_of(o.n))
    o.sizes.n.push_back(int64_t(parse_number(field, part, true)));
  std::sort(o.sizes.n.begin(), o.sizes.n.end());
  o.sizes.n.erase(std::unique(o.sizes.n.begin(), o.sizes.n.end()), o.sizes.n.end());
}

}  // namespace skiff::bench
