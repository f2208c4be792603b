// The elements of an example: ids of tokens, or pixels.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

namespace skiff {

// Numbers below 65536 that do not change. Each takes one byte if all of them are below 256, else
// two. Copies share them: two splits of the same examples need their memory once.
class Elements {
 public:
  Elements() = default;
  Elements(const std::vector<uint16_t>& values);
  Elements(std::initializer_list<uint16_t> values) : Elements(std::vector<uint16_t>(values)) {}
  explicit Elements(const std::vector<uint8_t>& values);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  uint16_t operator[](size_t i) const {
    if (!wide_) return bytes_[i];
    uint16_t value;
    std::memcpy(&value, &bytes_[sizeof value * i], sizeof value);
    return value;
  }
  std::vector<uint16_t> values() const;
  uint16_t largest() const;                                   // 0 if there are none
  Elements mapped(const std::vector<uint16_t>& table) const;  // table[value] of each

  bool wide() const { return wide_; }  // two bytes each
  std::string_view bytes() const {     // as they are in memory
    return {reinterpret_cast<const char*>(bytes_.get()), wide_ ? 2 * size_ : size_};
  }
  bool operator==(const Elements& other) const {
    return wide_ == other.wide_ && bytes() == other.bytes();
  }

 private:
  std::shared_ptr<const uint8_t[]> bytes_;
  size_t size_ = 0;
  bool wide_ = false;
};

}  // namespace skiff
