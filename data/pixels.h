// What the tasks of gray images have in common: the format, the split and the report of a check.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/task.h"

namespace skiff {

// The input format of square images of this side, a pixel p as (p / 255 - mean) / deviation.
void set_image_format(TaskData& data, int64_t side, double mean, double deviation);

// The input format of the original protocol (Tay et al.): a pixel is a token, vocabulary 256.
void set_pixel_tokens(TaskData& data, int64_t side);

// A gray PNG of this side as an example without a label. DataError for another size.
Example encode_gray(std::string_view png, int64_t side);
void check_side(int64_t height, int64_t width, int64_t side);

enum class SplitOrder {
  Seeded,  // random_split with seed 42
  Stored,  // the first ones, the next ones, ..
};
// The parts of `all`, which sizes sum to.
std::vector<std::vector<Example>> split_examples(std::vector<Example> all,
                                                 const std::vector<int64_t>& sizes,
                                                 SplitOrder order);

// The report of a check of train, val and test; empty for an empty folder.
class ImageReport {
 public:
  ImageReport(const std::string& folder, int64_t classes);
  // What is wrong in the files of a split; the first 20 are kept.
  void add_problem(const std::string& split, const std::string& file, const std::string& reason);
  void add_note(const std::string& note) { report_.notes.push_back(note); }
  // length: of every example, in pixels. Equal tokens count as duplicates.
  void add_split(const std::string& name, const std::string& file,
                 const std::vector<Example>& examples, int64_t length);
  TaskReport finish();

 private:
  SplitReport& split(const std::string& name);

  TaskReport report_;
  std::vector<uint64_t> hashes_;  // of all images
};

}  // namespace skiff
