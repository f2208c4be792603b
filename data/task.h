// data: loaders and generators of the Long Range Arena tasks, one task per file. Knows no layers.
//
// What every task has in common: examples, and the vocabulary of the S4 protocol (Gu et al.,
// state-spaces/s4, src/dataloaders/lra.py).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/elements.h"

namespace skiff {

struct Example {
  Elements tokens;  // ids with the end mark, or the pixels 0..255 of an image by rows
  Elements second;  // pairs only: the right document
  int32_t label = 0;
  bool cut = false;    // longer than the max length, so that its end is missing
  uint16_t group = 0;  // whose accuracy is reported, too (Task::group_name)
};

// What the elements of the examples are, and so what a batch of them is: tokens, pairs of
// documents, or images (height > 0). A pixel p is given to the model as
// (p / 255 - pixel_mean) / pixel_deviation.
struct InputFormat {
  bool pairs = false;
  int64_t height = 0, width = 0;
  double pixel_mean = 0, pixel_deviation = 1;
  int64_t pad_to = 0;      // length of every batch; 0: the longest of the batch
  int64_t vocab = 0;       // ids are 0 .. vocab-1; 0: not known
  int64_t classes = 0;     // labels are 0 .. classes-1; 0: not known
  int64_t max_length = 0;  // no example is longer, end mark included; 0: not known
  bool images() const { return height > 0; }
};

struct TaskData : InputFormat {
  std::vector<Example> train, val, test;
  bool val_is_test = false;             // as some published protocols have it
  std::vector<std::string> vocabulary;  // vocabulary[id]; empty for images
  std::string note;  // for the reader of a result: "validation is the test split"
};

// The first ids of every vocabulary.
inline constexpr int32_t kPadId = 0, kUnknownId = 1, kEosId = 2;

// <pad>, <unk>, <eos>, then the counted tokens: the frequent ones first, ties in code point order.
// Tokens seen fewer than min_frequency times are left out and become <unk>.
std::vector<std::string> make_vocabulary(const std::map<std::string, int64_t>& counts,
                                         int64_t min_frequency = 1);

std::vector<int64_t> class_counts(const std::vector<Example>& examples, int64_t classes);

int64_t count_cut(const std::vector<Example>& examples);

// Share of the most frequent class: what a model that ignores its input scores. 0 without examples.
double majority_rate(const std::vector<Example>& examples);
double majority_rate(const std::vector<int64_t>& class_counts);

}  // namespace skiff
