#include "data/task.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"

namespace skiff {

std::vector<std::string> make_vocabulary(const std::map<std::string, int64_t>& counts,
                                         int64_t min_frequency) {
  std::vector<std::pair<std::string, int64_t>> ranked;
  for (const auto& entry : counts) {
    if (entry.second >= std::max<int64_t>(1, min_frequency)) ranked.push_back(entry);
  }
  // A map is in the order of its bytes, which for UTF-8 is the order of the code points.
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> vocabulary = {"<pad>", "<unk>", "<eos>"};
  for (const auto& entry : ranked) vocabulary.push_back(entry.first);
  return vocabulary;
}

std::vector<int64_t> class_counts(const std::vector<Example>& examples, int64_t classes) {
  std::vector<int64_t> counts(size_t(classes), 0);
  for (const Example& example : examples) {
    check(example.label >= 0 && example.label < classes, "class_counts: a label must be in 0..",
          classes - 1, ", got ", example.label);
    ++counts[size_t(example.label)];
  }
  return counts;
}

int64_t count_cut(const std::vector<Example>& examples) {
  return std::count_if(examples.begin(), examples.end(), [](const Example& e) { return e.cut; });
}

double majority_rate(const std::vector<int64_t>& class_counts) {
  const int64_t total = std::accumulate(class_counts.begin(), class_counts.end(), int64_t(0));
  if (total == 0) return 0;
  return double(*std::max_element(class_counts.begin(), class_counts.end())) / double(total);
}

double majority_rate(const std::vector<Example>& examples) {
  int32_t classes = 1;
  for (const Example& example : examples) classes = std::max(classes, example.label + 1);
  return majority_rate(class_counts(examples, classes));
}

}  // namespace skiff
