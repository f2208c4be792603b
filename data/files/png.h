// 8-bit gray PNG files, through libpng's simplified interface.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skiff {

struct GrayImage {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;  // row-major, height * width
};

// Gray images of 1 to 8 bits. Throws DataError with the name and the reason, also for an empty
// file, for colour, transparency and 16 bits.
GrayImage read_png(const std::string& path);
GrayImage decode_png(std::string_view bytes, const std::string& name);

// Also of images in colour: the red, green and blue of each pixel, row-major.
struct ColorImage {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;  // height * width * 3
};
ColorImage decode_color_png(std::string_view bytes, const std::string& name);

// Throws IoError; the file appears only when it is complete.
void write_png(const std::string& path, const GrayImage& image);
std::string encode_png(const GrayImage& image);

}  // namespace skiff
