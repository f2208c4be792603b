#include "examples/bench/options.h"

#include <omp.h>

#include <algorithm>

#include "examples/program/flags.h"

namespace skiff::bench {

std::vector<std::string> words_of(const std::string& list, const char* option) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    check<UsageError>(!parts.back().empty() && parts.back().find(' ') == list.npos, "--", option,
                      ": words with a comma between them and no blank are needed, got '", list,
                      "'");
    begin = end + 1;
  }
  return parts;
}

namespace {

// The numbers of a list, increasing.
std::vector<int64_t> numbers_of(const Field& field, const std::string& list) {
  std::vector<int64_t> numbers;
  for (const std::string& word : words_of(list, field.name))
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
  check<UsageError>(o.thread_counts.size() == 1 || !one,
                    "--threads: --generation and --epoch take one number, got '", o.threads, "'");
}

}  // namespace skiff::bench
