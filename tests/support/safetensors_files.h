// Files in the format of safetensors, put together by hand.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace skiff::testing {

inline std::string load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void store(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  REQUIRE(out.flush());
}

template <class T>
std::string bytes_of_values(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

inline std::string with_length(uint64_t length, const std::string& rest) {
  return bytes_of_values({length}) + rest;
}

inline std::string file_of(const std::string& header, const std::string& data = "") {
  return with_length(header.size(), header + data);
}

// The message of the DataError that read() throws, "" if it throws none.
inline std::string refusal(const std::string& path) {
  try {
    safetensors::read(path);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

inline bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), size_t(a.bytes())) == 0;
}

inline Tensor numbered(Shape shape, DType dtype) {
  Tensor x(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(x.raw());
  for (int64_t i = 0; i < x.bytes(); ++i) bytes[i] = static_cast<unsigned char>(37 * i + 11);
  return x;
}

// About one and a half kB with everything that a file can hold.
inline const std::map<std::string, std::string> kMetadata = {
    {"", "an empty key"},
    {"config", "lr = 1e-3\n[model]\ttype = \"tno\" \\ \x1f\x0b\x7f"},
    {"empty", ""},
    {"gr\xc3\xb6\xc3\x9f", "\xe2\x82\xac \xf0\x9f\x9b\xb6"},
    {"skiff.step", "10"}};

inline std::vector<safetensors::Entry> checkpoint() {
  return {{"weight", numbered({12, 12}, DType::Float32)},
          {"nothing", Tensor(Shape{10, 0, 8}, DType::Float64)},
          {"", numbered({2}, DType::Float64)},
          {"scalar", numbered({}, DType::Float32)},
          {"__metadata_^", numbered({1, 2}, DType::Complex64)},
          {"\"quoted\"/\x1a\n", numbered({2, 1, 2, 1, 3}, DType::Int32)},
          {"last", Tensor(Shape{0}, DType::Float32)}};
}

}  // namespace skiff::testing
