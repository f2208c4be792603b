#include "examples/bench/options.h"

#include <omp.h>

#include <algorithm>
#include <sstream>

#include "examples/program/flags.h"

namespace skiff::bench {

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

namespace {

// The numbers of a list, increasing.
std::vector<int64_t> numbers_of(const Field& field, const std::string& list) {
  std::vector<int64_t> numbers;
  for (const std::string& word : words_of(list))
    numbers.push_back(int64_t(parse_number(field, word, true)));
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

}  // namespace

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
  o.sizes.n = numbers_of({.name = "n", .help = "", .low = 2, .high = 1 << 20}, o.n);
  for (const int64_t count :
       numbers_of({.name = "threads", .help = "", .low = 0, .high = 4096}, o.threads))
    o.thread_counts.push_back(count > 0 ? int(count) : omp_get_max_threads());
  std::sort(o.thread_counts.begin(), o.thread_counts.end());  // 0 may be the largest
  o.thread_counts.erase(std::unique(o.thread_counts.begin(), o.thread_counts.end()),
                        o.thread_counts.end());
  const bool one = o.generation || !o.epoch.task.empty();
  check<UsageError>(o.thread_counts.size() == 1 || (!one && !o.thread_counts.empty()),
                    "--threads: ", one ? "--generation and --epoch take one number" : "a number",
                    " is needed, got '", o.threads, "'");
}

}  // namespace skiff::bench
