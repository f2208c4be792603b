#include "data/pixels.h"

#include <numeric>
#include <sstream>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "data/files/png.h"
#include "data/split.h"

namespace skiff {

TaskShape ImageSet::shape() const {
  return {.features = 1, .classes = classes, .max_length = pixels(), .height = side, .width = side};
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

TaskData split_images(const ImageSet& set, std::vector<Example> images,
                      const std::array<int64_t, 3>& sizes, Protocol protocol) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t(0));
  check(total == int64_t(images.size()), "split_images: the sizes must sum to the ", images.size(),
        " images, got ", total);
  TaskData data;
  data.classes = set.classes;
  data.max_length = set.pixels();
  std::vector<int64_t> order(images.size());
  if (protocol == Protocol::Original) {
    std::iota(order.begin(), order.end(), int64_t(0));
    data.vocab = 256;
  } else {
    order = torch_permutation(total, 42);
    data.height = data.width = set.side;
    data.pixel_mean = set.mean;
    data.pixel_deviation = set.deviation;
  }
  auto next = order.begin();
  for (size_t part = 0; part < sizes.size(); ++part) {
    std::vector<Example>& examples = *std::array{&data.train, &data.val, &data.test}[part];
    examples.reserve(size_t(sizes[part]));
    for (int64_t i = 0; i < sizes[part]; ++i)
      examples.push_back(std::move(images[size_t(*next++)]));
  }
  return data;
}

std::string sizes_note(const ImageSet& set, const TaskData& data, const std::string& words) {
  std::ostringstream note;
  note << data.train.size() << " / " << data.val.size() << " / " << data.test.size() << " examples"
       << words << set.whole[0] << " / " << set.whole[1] << " / " << set.whole[2];
  return note.str();
}

TaskReport finish_report(ReportBuilder report, const ImageSet& set, const TaskData& data) {
  for (const auto& [split, examples] :
       {std::pair{"train", &data.train}, {"val", &data.val}, {"test", &data.test}}) {
    for (const Example& example : *examples) {
      report.add_row(split, example.label, {set.pixels()}, hash_name(example.tokens.bytes()));
    }
  }
  if (!data.note.empty()) report.add_note(data.note);
  return report.finish();
}

}  // namespace skiff
