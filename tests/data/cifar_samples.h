// Images of CIFAR-10 made by number, and the pickles that hold them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skiff::testing {

inline constexpr size_t kPixels = 3072;

// The three planes of an image; each number has another one.
inline std::string planes(int number) {
  std::string bytes(kPixels, '\0');
  for (size_t i = 0; i < kPixels; ++i) bytes[i] = char(size_t(number) * 7 + i * 13 + (i >> 8));
  return bytes;
}
inline int label_of(int number) { return (number * 3) % 10; }

inline std::string little_endian(size_t value) {
  return {char(value), char(value >> 8), char(value >> 16), char(value >> 24)};
}
template <size_t N>
inline std::string raw(const char (&text)[N]) {
  return std::string(text, N - 1);
}

// ---- Pickles of a batch as each Python writes it

struct Content {
  std::string pixels;
  std::vector<int> labels;
};
inline Content content_of(int first, int count) {
  Content content;
  for (int i = first; i < first + count; ++i) {
    content.pixels += planes(i);
    content.labels.push_back(label_of(i));
  }
  return content;
}

// Protocol 2 of Python 2: the files of CIFAR-10 themselves.
inline std::string pickle_2(const Content& content) {
  std::string bytes = raw("\x80\x02}q\x01(U\x0b") + "batch_label" + raw("q\x02U\x15") +
                      "training batch 1 of 5" + raw("q\x03U\x06labelsq\x04]q\x05(");
  for (const int label : content.labels) bytes += std::string("K") + char(label);
  bytes += raw("eU\x04") + "data" + raw("q\x06") + "cnumpy.core.multiarray\n_reconstruct\n" +
           raw("q\x07") + "cnumpy\nndarray\n" + raw("q\x08K\x00\x85U\x01") + "b" +
           raw("\x87Rq\x09(K\x01K") + char(content.labels.size()) + raw("M\x00\x0c\x86") +
           "cnumpy\ndtype\n" + raw("q\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN") +
           raw("J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T") +
           little_endian(content.pixels.size()) + content.pixels + raw("tbU\x09") + "filenames" +
           raw("q\x0c]q\x0d(U\x05") + "a.pngU" + raw("\x05") + "b.png" + "eu.";
  return bytes;
}

// A dictionary with the pixels as one string.
inline std::string pickle_string(const std::string& pixels, const std::vector<int>& labels) {
  std::string bytes = raw("\x80\x02}(U\x06labels](");
  for (const int label : labels) bytes += std::string("K") + char(label);
  return bytes + raw("eU\x04") + "dataT" + little_endian(pixels.size()) + pixels + "u.";
}

}  // namespace skiff::testing
