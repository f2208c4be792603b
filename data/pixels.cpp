#include "data/pixels.h"

#include <numeric>
#include <utility>

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
  return {Elements(image.pixels), {}};
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

TaskReport finish_report(ReportBuilder report, const TaskData& data, int64_t pixels) {
  for (const auto& [split, examples] :
       {std::pair{"train", &data.train}, {"val", &data.val}, {"test", &data.test}}) {
    for (const Example& example : *examples) {
      report.add_row(split, example.label, {pixels}, hash_name(example.tokens.bytes()));
    }
  }
  if (!data.note.empty()) report.add_note(data.note);
  return report.finish();
}

}  // namespace skiff
