#include "examples/train/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "autograd/ops.h"
#include "examples/train/divided.h"

namespace skiff {

std::vector<int64_t> predicted_classes(const Tensor& logits) {
  const std::vector<double> values = to_vector(logits);
  const int64_t classes = logits.size(1);
  std::vector<int64_t> predicted;
  for (int64_t b = 0; b < logits.size(0); ++b) {
    const auto row = values.begin() + b * classes;
    const bool finite = std::all_of(row, row + classes, [](double v) { return std::isfinite(v); });
    predicted.push_back(finite ? std::max_element(row, row + classes) - row : -1);
  }
  return predicted;
}

Evaluation::Evaluation(int64_t classes)
    : counts(size_t(classes), std::vector<int64_t>(size_t(classes))), not_finite(size_t(classes)) {}

void Evaluation::add(int64_t label, int64_t predicted, int64_t group) {
  predicted < 0 ? ++not_finite[size_t(label)] : ++counts[size_t(label)][size_t(predicted)];
  ++groups[group].examples;
  groups[group].correct += predicted == label;
}

int64_t Evaluation::examples_of(int64_t label) const {
  int64_t count = not_finite[size_t(label)];
  for (const int64_t c : counts[size_t(label)]) count += c;
  return count;
}

int64_t Evaluation::predictions_of(int64_t label) const {
  int64_t count = 0;
  for (const std::vector<int64_t>& row : counts) count += row[size_t(label)];
  return count;
}

int64_t Evaluation::examples() const {
  int64_t count = 0;
  for (size_t label = 0; label < counts.size(); ++label) count += examples_of(int64_t(label));
  return count;
}

int64_t Evaluation::correct() const {
  int64_t count = 0;
  for (size_t label = 0; label < counts.size(); ++label) count += counts[label][label];
  return count;
}

double Evaluation::majority() const {
  int64_t most = 0;
  for (size_t label = 0; label < counts.size(); ++label)
    most = std::max(most, examples_of(int64_t(label)));
  return double(most) / double(examples());
}

double Evaluation::recall(int64_t label) const {
  const size_t c = size_t(label);
  return double(counts[c][c]) / double(examples_of(label));
}

double Evaluation::precision(int64_t label) const {
  const size_t c = size_t(label);
  return double(counts[c][c]) / double(predictions_of(label));
}

std::string Evaluation::remark() const {
  int64_t count = 0;
  for (const int64_t c : not_finite) count += c;
  if (count == 0) return "";
  return std::to_string(count) + (count == 1 ? " example has" : " examples have") +
         " logits that are not finite, counted as wrong";
}

std::string class_table(const std::string& title, const Evaluation& e,
                        const std::vector<std::string>& classes) {
  std::string table;
  char row[160];
  const auto share = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * v);
    return std::isnan(v) ? std::string("-") : std::string(text);
  };
  std::snprintf(row, sizeof row, "%-16s %9s %9s %9s\n", title.c_str(), "examples", "precision",
                "recall");
  table += row;
  for (int64_t c = 0; c < int64_t(classes.size()); ++c) {
    std::snprintf(row, sizeof row, "%-16s %9lld %9s %9s\n", classes[size_t(c)].c_str(),
                  (long long)e.examples_of(c), share(e.precision(c)).c_str(),
                  share(e.recall(c)).c_str());
    table += row;
  }
  return table + (e.remark().empty() ? "" : "note: " + e.remark() + "\n");
}

std::vector<GroupScore> group_scores(const Task& task, const Evaluation& e) {
  std::vector<GroupScore> scores;
  if (!task.group_name || e.groups.size() < 2) return scores;
  for (const auto& [group, counts] : e.groups)
    scores.push_back({task.group_name(group), counts.examples,
                      double(counts.correct) / double(counts.examples)});
  return scores;
}

std::string group_table(const std::string& title, const std::vector<GroupScore>& scores) {
  if (scores.empty()) return "";
  char row[160];
  std::snprintf(row, sizeof row, "%-28s %11s %11s\n", title.c_str(), "examples", "accuracy");
  std::string table = row;
  for (const GroupScore& s : scores) {
    std::snprintf(row, sizeof row, "%-28s %11lld %9.1f %%\n", s.name.c_str(), (long long)s.examples,
                  100 * s.accuracy);
    table += row;
  }
  return table;
}

std::optional<Evaluation> evaluate(const Model& model, const InputFormat& format,
                                   const std::vector<Example>& examples, int64_t batch_size,
                                   Device device, const std::function<bool(int64_t)>& progress,
                                   int64_t shards) {
  const EvaluationBatches batches(format, &examples, batch_size);
  std::optional<Evaluation> all;
  double loss = 0;
  int64_t done = 0;
  // Of a batch: classes, loss, then number and prediction of each example.
  const auto compute = [&](int64_t i) {
    const Batch batch = batches[i];
    const int64_t parts = std::min(shards, batch.size());
    std::vector<double> numbers(2);
    for (int64_t p = 0; p < parts; ++p) {
      const Batch part = part_of(batch, part_of(batch.size(), p, parts));
      const Variable logits = model(part.input.to(device), part.lengths.to(device));
      numbers[0] = double(logits.size(1));
      numbers[1] += item(cross_entropy(logits, part.labels.to(device))) * double(part.size());
      const std::vector<int64_t> predicted = predicted_classes(logits.value());
      for (size_t b = 0; b < predicted.size(); ++b) {
        numbers.push_back(double(part.examples[b]));
        numbers.push_back(double(predicted[b]));
      }
    }
    return numbers;
  };
  const auto add = [&](const std::vector<double>& numbers) {
    if (!all) {
      all.emplace(int64_t(numbers[0]));
      all->predicted.resize(examples.size());
    }
    loss += numbers[1];
    for (size_t i = 2; i < numbers.size(); i += 2) {
      const size_t at = size_t(numbers[i]);
      all->predicted[at] = int64_t(numbers[i + 1]);
      all->add(examples[at].label, all->predicted[at], examples[at].group);
    }
    done += int64_t(numbers.size() - 2) / 2;
  };
  if (!divided(batches.count(), compute, add, [&] { return progress(done); })) return std::nullopt;
  if (all) all->loss = loss / double(examples.size());
  return all;
}

std::vector<Example> evenly_spread(const std::vector<Example>& examples, int64_t count) {
  const size_t all = examples.size(), chosen = std::min(size_t(count), all);
  std::vector<Example> spread;
  for (size_t i = 0; i < chosen; ++i) spread.push_back(examples[i * all / chosen]);
  return spread;
}

}  // namespace skiff
