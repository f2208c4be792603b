#include "data/files/png.h"

#include <png.h>

#include <algorithm>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "data/files/binary_file.h"

namespace skiff {

namespace {

constexpr int64_t kLargestSide = 4096;  // a damaged header must not ask for all of the memory

// Frees what libpng holds, also when an exception passes.
struct Control {
  png_image image{};
  Control() { image.version = PNG_IMAGE_VERSION; }
  ~Control() { ::png_image_free(&image); }
};

// Throws DataError for what is not 8 bits of gray, or of colours where these are allowed.
void check_format(const png_image& image, const std::string& name, bool colors) {
  check<DataError>((image.format & PNG_FORMAT_FLAG_LINEAR) == 0, name,
                   ": the image must have 8 bits per pixel, got 16");
  check<DataError>(
      colors || (image.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_COLORMAP)) == 0, name,
      ": the image must be gray, got colours");
  check<DataError>((image.format & PNG_FORMAT_FLAG_ALPHA) == 0, name,
                   colors ? ": the image must have no transparency"
                          : ": the image must be gray, got gray with transparency");
  check<DataError>(image.width <= kLargestSide && image.height <= kLargestSide, name,
                   ": the image must have at most ", kLargestSide, " pixels per side, got ",
                   image.height, " x ", image.width);
}

// The file without what does not hold pixels. libpng would follow a gamma or a colour profile and
// change the gray values; every other reader of these data sets takes them as they are stored.
std::string pixel_chunks(std::string_view bytes) {
  constexpr size_t kSignature = 8, kFrame = 12;  // a chunk: length, type, content, check sum
  if (bytes.size() < kSignature) return std::string(bytes);
  std::string result(bytes.substr(0, kSignature));
  size_t at = kSignature;
  while (bytes.size() - at >= kFrame) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | uint8_t(bytes[at + i]);
    const std::string_view type = bytes.substr(at + 4, 4);
    if (length > bytes.size() - at - kFrame) break;
    const bool needed = type[0] >= 'A' && type[0] <= 'Z';
    if (needed || type == "tRNS") result += bytes.substr(at, kFrame + length);
    at += kFrame + length;
  }
  return result += bytes.substr(at);  // a cut chunk: libpng names the reason
}

template <class Image>
Image decode(std::string_view bytes, const std::string& name, png_uint_32 format) {
  check<DataError>(!bytes.empty(), name, ": the file is empty");
  const std::string chunks = pixel_chunks(bytes);
  Control control;
  png_image& png = control.image;
  check<DataError>(::png_image_begin_read_from_memory(&png, chunks.data(), chunks.size()) != 0,
                   name, ": not a readable PNG image: ", png.message);
  check_format(png, name, format != PNG_FORMAT_GRAY);
  png.format = format;
  Image result{png.height, png.width, {}};
  result.pixels.resize(PNG_IMAGE_SIZE(png));
  check<DataError>(::png_image_finish_read(&png, nullptr, result.pixels.data(), 0, nullptr) != 0,
                   name, ": not a readable PNG image: ", png.message);
  return result;
}

}  // namespace

GrayImage decode_png(std::string_view bytes, const std::string& name) {
  return decode<GrayImage>(bytes, name, PNG_FORMAT_GRAY);
}

ColorImage decode_color_png(std::string_view bytes, const std::string& name) {
  return decode<ColorImage>(bytes, name, PNG_FORMAT_RGB);
}

GrayImage read_png(const std::string& path) { return decode_png(read_file(path), path); }

std::string encode_png(const GrayImage& image) {
  const int64_t most = kLargestSide * 16;
  check<UsageError>(
      std::min(image.height, image.width) >= 1 && std::max(image.height, image.width) <= most,
      "encode_png: the sides must lie in 1..", most, ", got ", image.height, " x ", image.width);
  check(int64_t(image.pixels.size()) == image.height * image.width,
        "encode_png: the pixels must be height x width, got ", image.pixels.size(), " for ",
        image.height, " x ", image.width);
  Control control;
  png_image& png = control.image;
  png.width = png_uint_32(image.width);
  png.height = png_uint_32(image.height);
  png.format = PNG_FORMAT_GRAY;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string bytes(size_t(size), '\0');
  check<IoError>(::png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0,
                                             nullptr) != 0,
                 "encode_png: ", png.message);
  bytes.resize(size_t(size));
  return bytes;
}

void write_png(const std::string& path, const GrayImage& image) {
  const std::string bytes = encode_png(image);
  AtomicFile file(path);
  file.write(bytes);
  file.publish();
}

}  // namespace skiff
