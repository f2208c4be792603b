#include "data/elements.h"

#include <algorithm>

namespace skiff {

namespace {

std::shared_ptr<const uint8_t[]> copy_of(const void* values, size_t bytes) {
  if (bytes == 0) return {};
  auto copy = std::make_shared<uint8_t[]>(bytes);
  std::memcpy(copy.get(), values, bytes);
  return copy;
}

}  // namespace

Elements::Elements(const std::vector<uint8_t>& values)
    : bytes_(copy_of(values.data(), values.size())), size_(values.size()) {}

Elements::Elements(const std::vector<uint16_t>& values) : size_(values.size()) {
  wide_ = std::any_of(values.begin(), values.end(), [](uint16_t value) { return value > 255; });
  if (wide_) {
    bytes_ = copy_of(values.data(), sizeof(uint16_t) * size_);
  } else {
    bytes_ = Elements(std::vector<uint8_t>(values.begin(), values.end())).bytes_;
  }
}

std::vector<uint16_t> Elements::values() const {
  std::vector<uint16_t> values(size_);
  for (size_t i = 0; i < size_; ++i) values[i] = (*this)[i];
  return values;
}

uint16_t Elements::largest() const {
  uint16_t largest = 0;
  for (size_t i = 0; i < size_; ++i) largest = std::max(largest, (*this)[i]);
  return largest;
}

Elements Elements::mapped(const std::vector<uint16_t>& table) const {
  std::vector<uint16_t> values = this->values();
  for (uint16_t& value : values) value = table[value];
  return values;
}

}  // namespace skiff
