#include "data/pixels.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/random.h"
#include "data/files/png.h"
#include "data/split.h"

namespace skiff {

void set_image_format(TaskData& data, int64_t side, double mean, double deviation) {
  data.height = data.width = side;
  data.max_length = side * side;
  data.pixel_mean = mean;
  data.pixel_deviation = deviation;
}

void set_pixel_tokens(TaskData& data, int64_t side) {
  data.vocab = 256;
  data.max_length = side * side;
}

void check_side(int64_t height, int64_t width, int64_t side) {
  check<DataError>(height == side && width == side, "the image must be ", side, " x ", side,
                   " pixels, got ", height, " x ", width);
}

Example encode_gray(std::string_view png, int64_t side) {
  const GrayImage image = decode_png(png, "the image");
  check_side(image.height, image.width, side);
  return {{image.pixels.begin(), image.pixels.end()}, {}};
}

std::vector<std::vector<Example>> split_examples(std::vector<Example> all,
                                                 const std::vector<int64_t>& sizes,
                                                 SplitOrder order) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t(0));
  check(total == int64_t(all.size()), "split_examples: the sizes must sum to the ", all.size(),
        " examples, got ", total);
  std::vector<int64_t> indices(all.size());
  std::iota(indices.begin(), indices.end(), int64_t(0));
  if (order == SplitOrder::Seeded) indices = torch_permutation(total, 42);
  std::vector<std::vector<Example>> parts;
  auto next = indices.begin();
  for (const int64_t size : sizes) {
    auto& part = parts.emplace_back();
    part.reserve(size_t(size));
    for (int64_t i = 0; i < size; ++i) part.push_back(std::move(all[size_t(*next++)]));
  }
  return parts;
}

ImageReport::ImageReport(const std::string& folder, int64_t classes) {
  report_.folder = folder;
  for (const char* name : {"train", "val", "test"}) {
    if (folder.empty()) break;
    SplitReport& part = report_.splits.emplace_back();
    part.name = name;
    part.file = folder;
    part.class_counts.assign(size_t(classes), 0);
  }
}

SplitReport& ImageReport::split(const std::string& name) {
  const auto part = std::find_if(report_.splits.begin(), report_.splits.end(),
                                 [&](const SplitReport& split) { return split.name == name; });
  check(part != report_.splits.end(), "ImageReport: no split is called ", name);
  return *part;
}

void ImageReport::add_problem(const std::string& name, const std::string& file,
                              const std::string& reason) {
  constexpr size_t kMostProblems = 20;
  SplitReport& part = split(name);
  ++part.problem_count;
  if (part.problems.size() == kMostProblems) return;
  // Many errors begin with the file, or with a file in the folder, themselves.
  const size_t end = reason.starts_with(file) ? reason.find(": ", file.size()) : std::string::npos;
  if (end == std::string::npos) {
    part.problems.push_back({file, 0, reason});
  } else {
    part.problems.push_back({reason.substr(0, end), 0, reason.substr(end + 2)});
  }
}

void ImageReport::add_split(const std::string& name, const std::string& file,
                            const std::vector<Example>& examples, int64_t length) {
  SplitReport& part = split(name);
  part.file = file;
  part.class_counts = class_counts(examples, int64_t(part.class_counts.size()));
  for (const Example& example : examples) {
    const auto* bytes = reinterpret_cast<const char*>(example.tokens.data());
    hashes_.push_back(hash_name({bytes, example.tokens.size() * sizeof(uint16_t)}));
  }
  if (!examples.empty()) part.lengths = {length, length, double(length), double(length)};
}

TaskReport ImageReport::finish() {
  std::sort(hashes_.begin(), hashes_.end());
  const auto different = std::unique(hashes_.begin(), hashes_.end());
  report_.duplicates = int64_t(hashes_.end() - different);
  return std::move(report_);
}

}  // namespace skiff
