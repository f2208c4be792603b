// The token ids of a text, in the narrowest of 8, 16 and 32 bits that holds all of them: 100
// million bytes take 100 MB, 100 million words of WikiText-103 take 400 MB.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace skiff {

class TokenArray {
 public:
  TokenArray() = default;
  TokenArray(TokenArray&& other) noexcept;
  TokenArray& operator=(TokenArray&& other) noexcept;
  ~TokenArray();

  int64_t size() const { return size_; }
  int bytes_per_token() const { return width_; }
  int32_t operator[](int64_t i) const;
  void copy(int64_t begin, std::span<int32_t> into) const;
  std::string_view raw() const;  // the memory, for a checksum

  void append(std::span<const int32_t> ids);  // ids >= 0; the array gets wider when it has to
  void append_bytes(std::string_view bytes);  // id = byte
  // Replaces every id by new_ids[id], and makes the array as narrow as these allow.
  void replace(std::span<const int32_t> new_ids);
  void shrink_to_fit();

 private:
  void grow(int64_t more);    // room for `more` tokens
  void set_width(int width);  // 1, 2 or 4 bytes per token, at least as wide as the ids need
  template <class F>
  void with_type(int width, F&& f) const;

  // Memory of realloc: a large block is moved without being copied.
  void* memory_ = nullptr;
  int64_t size_ = 0, capacity_ = 0;  // in tokens
  int width_ = 1;
};

// A part of an array, such as a split. It keeps the array alive.
struct TokenSpan {
  std::shared_ptr<const TokenArray> tokens;
  int64_t begin = 0, count = 0;

  int64_t size() const { return count; }
  int32_t operator[](int64_t i) const { return (*tokens)[begin + i]; }
  void copy(int64_t first, std::span<int32_t> into) const { tokens->copy(begin + first, into); }
};

}  // namespace skiff
