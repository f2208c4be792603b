#include "data/language/tokens.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "core/check.h"

namespace skiff {

namespace {

int width_for(int64_t largest_id) { return largest_id < 256 ? 1 : largest_id < 65536 ? 2 : 4; }

}  // namespace

TokenArray::TokenArray(TokenArray&& other) noexcept { *this = std::move(other); }

TokenArray& TokenArray::operator=(TokenArray&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(width_, other.width_);
  return *this;
}

TokenArray::~TokenArray() { std::free(memory_); }

// f(pointer to the ids as the type of that width)
template <class F>
void TokenArray::with_type(int width, F&& f) const {
  if (width == 1) return f(static_cast<uint8_t*>(memory_));
  if (width == 2) return f(static_cast<uint16_t*>(memory_));
  f(static_cast<uint32_t*>(memory_));
}

int32_t TokenArray::operator[](int64_t i) const {
  if (width_ == 1) return static_cast<const uint8_t*>(memory_)[i];
  if (width_ == 2) return static_cast<const uint16_t*>(memory_)[i];
  return int32_t(static_cast<const uint32_t*>(memory_)[i]);
}

void TokenArray::copy(int64_t begin, std::span<int32_t> into) const {
  check(begin >= 0 && begin + int64_t(into.size()) <= size_, "tokens: ", begin, " .. ",
        begin + int64_t(into.size()), " must be within 0 .. ", size_);
  with_type(width_, [&](const auto* ids) {
    std::transform(ids + begin, ids + begin + into.size(), into.begin(),
                   [](auto id) { return int32_t(id); });
  });
}

std::string_view TokenArray::raw() const {
  return {static_cast<const char*>(memory_), size_t(size_) * size_t(width_)};
}

void TokenArray::grow(int64_t more) {
  if (more == 0 || size_ + more <= capacity_) return;
  const int64_t capacity = std::max(size_ + more, 2 * capacity_);
  void* memory = std::realloc(memory_, size_t(capacity) * size_t(width_));
  if (memory == nullptr) throw std::bad_alloc();
  memory_ = memory;
  capacity_ = capacity;
}

void TokenArray::set_width(int width) {
  if (width == width_) return;
  TokenArray other;
  other.width_ = width;
  other.grow(size_);
  with_type(width_, [&](const auto* ids) {
    other.with_type(width, [&](auto* stored) {
      using T = std::remove_pointer_t<decltype(stored)>;
      std::transform(ids, ids + size_, stored, [](auto id) { return T(id); });
    });
  });
  other.size_ = size_;
  *this = std::move(other);
}

void TokenArray::append(std::span<const int32_t> ids) {
  if (ids.empty()) return;
  const auto [least, largest] = std::minmax_element(ids.begin(), ids.end());
  check(*least >= 0, "tokens: an id must be at least 0, got ", *least);
  set_width(std::max(width_, width_for(*largest)));
  grow(int64_t(ids.size()));
  with_type(width_, [&](auto* stored) {
    using T = std::remove_pointer_t<decltype(stored)>;
    std::transform(ids.begin(), ids.end(), stored + size_, [](int32_t id) { return T(id); });
  });
  size_ += int64_t(ids.size());
}

void TokenArray::append_bytes(std::string_view bytes) {
  if (bytes.empty()) return;
  check(width_ == 1, "tokens: bytes go into an array of bytes");
  grow(int64_t(bytes.size()));
  std::memcpy(static_cast<uint8_t*>(memory_) + size_, bytes.data(), bytes.size());
  size_ += int64_t(bytes.size());
}

void TokenArray::replace(std::span<const int32_t> new_ids) {
  int32_t largest = 0;
  with_type(width_, [&](auto* ids) {
    using T = std::remove_pointer_t<decltype(ids)>;
    for (int64_t i = 0; i < size_; ++i) {
      const int32_t id = new_ids[size_t(ids[i])];
      largest = std::max(largest, id);
      ids[i] = T(id);
    }
  });
  set_width(std::min(width_, width_for(largest)));
}

void TokenArray::shrink_to_fit() {
  if (size_ == 0 || size_ == capacity_) return;
  void* memory = std::realloc(memory_, size_t(size_) * size_t(width_));
  if (memory != nullptr) {
    memory_ = memory;
    capacity_ = size_;
  }
}

}  // namespace skiff
