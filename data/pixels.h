// What the tasks of gray images have in common: the format, the splits, the report of a check.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks.h"

namespace skiff {

// Square images; a pixel p is given to the model as (p / 255 - mean) / deviation.
struct ImageSet {
  int64_t side, classes;
  double mean, deviation;
  std::array<int64_t, 3> whole;  // examples of the published splits
  int64_t pixels() const { return side * side; }
  int64_t whole_count() const { return whole[0] + whole[1] + whole[2]; }
  TaskShape shape() const;
};

// A gray PNG of this side as an example without a label. DataError for another size.
Example encode_gray(std::string_view png, int64_t side);
void check_side(int64_t height, int64_t width, int64_t side);

// The format, and the images in splits that have these sizes: of the S4 protocol by random_split
// with seed 42; of the original one the first ones, the next ones, .., and a pixel is a token.
TaskData split_images(const ImageSet& set, std::vector<Example> images,
                      const std::array<int64_t, 3>& sizes, Protocol protocol);

// "36 / 4 / 7 examples<words>45000 / 5000 / 10000", of what was read and of the published splits.
std::string sizes_note(const ImageSet& set, const TaskData& data, const std::string& words);

// Adds the examples and the note of the data to a report. Equal images count as duplicates.
TaskReport finish_report(ReportBuilder report, const ImageSet& set, const TaskData& data);

}  // namespace skiff
