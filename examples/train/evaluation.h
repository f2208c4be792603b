// Scores of a classifier on examples whose labels are known.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "data/batch.h"
#include "data/tasks.h"
#include "layers/model.h"

namespace skiff {

// Per row of logits (B, classes): the class with the highest, or -1 if one of them is not finite.
// Where batch norm uses its running statistics, a rare example can grow through the products of the
// units until its logits overflow. Such an example counts as wrong, whatever class it belongs to.
std::vector<int64_t> predicted_classes(const Tensor& logits);

struct Evaluation {
  struct Group {
    int64_t examples = 0, correct = 0;
  };

  explicit Evaluation(int64_t classes);
  // One example; predicted: see above; group: its Example::group.
  void add(int64_t label, int64_t predicted, int64_t group = 0);

  int64_t examples() const;
  int64_t correct() const;
  double accuracy() const { return double(correct()) / double(examples()); }
  double majority() const;                      // share of the most frequent class
  int64_t examples_of(int64_t label) const;     // with this label
  int64_t predictions_of(int64_t label) const;  // examples that this class was predicted for
  double recall(int64_t label) const;           // NaN without examples
  double precision(int64_t label) const;        // NaN without predictions
  std::string remark() const;                   // on examples that are not finite; may be empty

  std::vector<std::vector<int64_t>> counts;  // [label][predicted]
  std::vector<int64_t> not_finite;           // [label]: examples without a prediction
  double loss = 0;                           // mean over the examples
  std::map<int64_t, Group> groups;           // by Example::group
  // By example, in the order of what `evaluate` was given; -1 as above. Empty if add() made this.
  std::vector<int64_t> predicted;
};

// The accuracy of groups of examples, such as of expressions with this operator at their root.
struct GroupScore {
  std::string name;
  int64_t examples = 0;
  double accuracy = NAN;
};
// Of a task with several groups; none of others, whose only group is all there is.
std::vector<GroupScore> group_scores(const Task& task, const Evaluation& e);
std::string group_table(const std::string& title, const std::vector<GroupScore>& scores);
inline std::string group_table(const Task& task, const Evaluation& e) {
  return group_table(task.groups, group_scores(task, e));
}

// Examples, precision and recall per class, one row each, under the title.
std::string class_table(const std::string& title, const Evaluation& e,
                        const std::vector<std::string>& classes);

// Every example once; several processes divide the batches (divided.h). `progress` is called after
// each batch with the number of examples done; when it returns false, evaluation stops and nothing
// is returned. shards: parts of a batch that the model computes one after the other, for less
// memory; a small batch has as many as examples.
std::optional<Evaluation> evaluate(const Model& model, const InputFormat& format,
                                   const std::vector<Example>& examples, int64_t batch_size,
                                   Device device, const std::function<bool(int64_t)>& progress,
                                   int64_t shards = 1);

// `count` of the examples (at most all), evenly spread over their order.
std::vector<Example> evenly_spread(const std::vector<Example>& examples, int64_t count);

}  // namespace skiff
