#include "data/contact_sheet.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "data/files/png.h"

namespace skiff {

namespace {

constexpr int64_t kSide = 96;                // smaller images are enlarged up to this
constexpr int64_t kGap = 4, kClassGap = 20;  // pixels
constexpr uint8_t kPaper = 128;              // neither of the two ends of the gray scale

void paste(GrayImage& sheet, const Example& example, int64_t width, int64_t scale, int64_t top,
           int64_t left) {
  const int64_t height = int64_t(example.tokens.size()) / width;
  for (int64_t y = 0; y < height * scale; ++y) {
    uint8_t* row = sheet.pixels.data() + (top + y) * sheet.width + left;
    for (int64_t x = 0; x < width * scale; ++x) {
      row[x] = uint8_t(example.tokens[size_t(y / scale * width + x / scale)]);
    }
  }
}

}  // namespace

void write_contact_sheet(const std::vector<Example>& examples, int64_t height, int64_t width,
                         int64_t columns, const std::string& path) {
  check<UsageError>(!examples.empty() && height >= 1 && width >= 1 && columns >= 1,
                    "contact sheet: examples, a size and columns are needed, got ", examples.size(),
                    " examples of ", height, " x ", width, " in ", columns, " columns");
  std::map<int32_t, std::vector<const Example*>> classes;
  for (const Example& example : examples) {
    check<UsageError>(int64_t(example.tokens.size()) == height * width,
                      "contact sheet: an example must have ", height, " x ", width, " pixels, got ",
                      example.tokens.size());
    classes[example.label].push_back(&example);
  }
  const int64_t scale = std::max<int64_t>(1, kSide / std::max(height, width));
  const int64_t step_y = height * scale + kGap, step_x = width * scale + kGap;
  int64_t rows = 0;
  for (const auto& [label, members] : classes) {
    rows += (int64_t(members.size()) + columns - 1) / columns;
  }
  GrayImage sheet;
  sheet.height = kGap + rows * step_y + (int64_t(classes.size()) - 1) * kClassGap;
  sheet.width = kGap + columns * step_x;
  sheet.pixels.assign(size_t(sheet.height * sheet.width), kPaper);
  int64_t top = kGap;
  for (const auto& [label, members] : classes) {
    for (size_t i = 0; i < members.size(); ++i) {
      const int64_t row = int64_t(i) / columns, column = int64_t(i) % columns;
      paste(sheet, *members[i], width, scale, top + row * step_y, kGap + column * step_x);
    }
    top += (int64_t(members.size()) + columns - 1) / columns * step_y + kClassGap;
  }
  write_png(path, sheet);
}

}  // namespace skiff
