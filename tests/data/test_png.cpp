// PNG files, whole files as bytes and contact sheets.
#include <png.h>

#include <sstream>

#include "core/check.h"
#include "data/contact_sheet.h"
#include "data/files/binary_file.h"
#include "data/files/png.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

GrayImage gradient(int64_t height, int64_t width) {
  GrayImage image{height, width, {}};
  for (int64_t i = 0; i < height * width; ++i) image.pixels.push_back(uint8_t(i * 37));
  return image;
}

// A PNG of any libpng format.
std::string png_of(unsigned format, int width, int height) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.format = format;
  png.width = unsigned(width);
  png.height = unsigned(height);
  const std::vector<uint16_t> pixels(PNG_IMAGE_SIZE(png), 0x1234);
  png_alloc_size_t size = 1 << 16;
  std::string bytes(size, '\0');
  REQUIRE(png_image_write_to_memory(&png, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
  bytes.resize(size);
  return bytes;
}

// One chunk: length, type, content, CRC.
std::string chunk(const std::string& content_with_type) {
  const auto big_endian = [](uint32_t value) {
    return std::string{char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
  };
  const auto* data = reinterpret_cast<const Bytef*>(content_with_type.data());
  return big_endian(uint32_t(content_with_type.size() - 4)) + content_with_type +
         big_endian(uint32_t(crc32(0, data, unsigned(content_with_type.size()))));
}

std::string png_error(const std::string& bytes) {
  return message_of([&] { decode_png(bytes, "a.png"); });
}

}  // namespace

TEST_CASE("png: an image that is written is read back, from a file and from memory") {
  const Folder folder;
  for (const auto& [height, width] : {std::pair(1, 1), {32, 32}, {5, 17}, {128, 3}}) {
    const GrayImage image = gradient(height, width);
    const std::string path = folder.file("a.png");
    write_png(path, image);
    const GrayImage read = read_png(path);
    CHECK(read.height == height);
    CHECK(read.width == width);
    CHECK(read.pixels == image.pixels);
    CHECK(decode_png(encode_png(image), "memory").pixels == image.pixels);
  }
}

TEST_CASE("png: gray values do not change with a gamma chunk") {
  // A dark and a bright pixel, written with a gamma of 1.
  const GrayImage image{1, 2, {60, 200}};
  std::string bytes = encode_png(image);
  const size_t header_end = 8 + 25;
  bytes = bytes.substr(0, header_end) + chunk(std::string("gAMA\x00\x01\x86\xa0", 8)) +
          bytes.substr(bytes.find("IDAT") - 4);
  CHECK(decode_png(bytes, "gamma").pixels == image.pixels);
}

TEST_CASE("png: files that are no gray image end with their name and the reason") {
  const Folder folder;
  const std::string good = encode_png(gradient(32, 32));
  CHECK(png_error("") == "a.png: the file is empty");
  CHECK(contains(png_error("hello"), "a.png: not a readable PNG image: "));
  CHECK(contains(png_error(good.substr(0, 20)), "a.png: not a readable PNG image: "));
  CHECK(contains(png_error(good.substr(0, good.size() / 2)), "a.png: not a readable PNG image: "));
  std::string damaged = good;
  for (size_t i = damaged.find("IDAT") + 8; i < damaged.size() - 16; ++i) damaged[i] ^= 0x55;
  CHECK(contains(png_error(damaged), "a.png: not a readable PNG image: "));
  CHECK(contains(png_error(png_of(PNG_FORMAT_RGB, 4, 4)), "must be gray, got colours"));
  CHECK(contains(png_error(png_of(PNG_FORMAT_GA, 4, 4)), "got gray with transparency"));
  CHECK(contains(png_error(png_of(PNG_FORMAT_LINEAR_Y, 4, 4)), "8 bits per pixel, got 16"));
  CHECK(contains(png_error(png_of(PNG_FORMAT_GRAY, 4097, 1)), "got 1 x 4097"));

  CHECK(contains(message_of([&] { read_png(folder.file("none.png")); }), "cannot open '"));
  CHECK(contains(message_of([&] { read_png(folder.name()); }), "cannot read '"));
  CHECK_THROWS_AS(write_png(folder.file("none/a.png"), gradient(2, 2)), IoError);
  CHECK_THROWS_AS(encode_png({2, 2, {1, 2, 3}}), Error);
  CHECK_THROWS_AS(encode_png({0, 0, {}}), Error);
}

TEST_CASE("binary file: files are read whole, up to a limit") {
  const Folder folder;
  std::string content;
  for (int i = 0; i < 300000; ++i) content += char(int64_t(i) * i >> 3);
  const std::string plain = folder.write("plain", content);
  CHECK(read_file(plain) == content);
  CHECK(read_file(folder.write("empty", "")).empty());
  CHECK_THROWS_WITH_AS(read_file(plain, 1000), doctest::Contains("at most 1000 bytes"), DataError);
  CHECK_THROWS_WITH_AS(read_file(folder.file("none")), doctest::Contains("No such file"),
                       DataError);
}

TEST_CASE("contact sheet: classes are apart, small images are enlarged") {
  const Folder folder;
  const std::string path = folder.file("sheet.png");
  // 4 x 4 images grow 24 times. Class 1 has three, class 0 one; two columns, so three rows.
  std::vector<Example> examples;
  for (const int32_t label : {1, 0, 1, 1}) {
    examples.push_back({std::vector<uint16_t>(16, uint16_t(label ? 255 : 0)), {}, label});
  }
  write_contact_sheet(examples, 4, 4, 2, path);
  const GrayImage sheet = read_png(path);
  CHECK(sheet.width == 4 + 2 * 100);
  CHECK(sheet.height == 4 + 3 * 100 + 20);
  const auto at = [&](int64_t y, int64_t x) { return sheet.pixels[size_t(y * sheet.width + x)]; };
  CHECK(at(4, 4) == 0);
  CHECK(at(99, 99) == 0);
  CHECK(at(50, 150) == 128);  // class 0 has no second image
  CHECK(at(110, 50) == 128);  // the gap between the classes
  CHECK(at(124, 4) == 255);
  CHECK(at(150, 150) == 255);
  CHECK(at(250, 50) == 255);
  CHECK(at(250, 150) == 128);

  CHECK_THROWS_AS(write_contact_sheet({}, 4, 4, 2, path), UsageError);
  CHECK_THROWS_AS(write_contact_sheet(examples, 4, 5, 2, path), UsageError);
  CHECK_THROWS_AS(write_contact_sheet(examples, 4, 4, 0, path), UsageError);
}
