#include "data/language/token_reader.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "data/characters.h"
#include "data/files/text_file.h"

namespace skiff {

using Kind = Vocabulary::Kind;

namespace {

constexpr size_t kBuffer = size_t(1) << 14;
constexpr size_t kLongestWord = size_t(1) << 16;
// llm.c, llmc/dataloader.h: 256 numbers of 32 bits, of which the first three count.
constexpr int32_t kMagic = 20240520, kVersion = 1;
constexpr int64_t kHeaderBytes = 1024;

int32_t number_at(std::string_view bytes, size_t index) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | uint8_t(bytes[4 * index + i]);
  return int32_t(value);
}

[[noreturn]] void fail_utf8(const std::string& place, char byte, int64_t offset) {
  char code[8];
  std::snprintf(code, sizeof code, "0x%02x", unsigned(uint8_t(byte)));
  fail<DataError>(place, ": the text must be UTF-8, got ", code, " at byte ", offset,
                  "; --units bytes reads any text");
}

}  // namespace

TokenReader::TokenReader(Kind kind, int64_t ids) : kind_(kind), ids_(ids) {}

void TokenReader::begin(const std::string& place) {
  place_ = place;
  offset_ = 0;
  last_ = '\n';
  rest_.clear();
  has_header_ = false;
  header_count_ = -1;
}

void TokenReader::add(std::string_view piece) {
  if (piece.empty()) return;
  last_ = piece.back();
  if (kind_ == Kind::Ids) return add_ids(piece);
  if (offset_ == 0 && piece.starts_with(kByteOrderMark)) {
    piece.remove_prefix(kByteOrderMark.size());
    offset_ += int64_t(kByteOrderMark.size());
    ++marks_;
  }
  text_bytes_ += int64_t(piece.size());
  carriage_returns_ += std::count(piece.begin(), piece.end(), '\r');
  if (kind_ == Kind::Bytes) tokens_.append_bytes(piece);
  if (kind_ == Kind::Characters) add_characters(piece);
  if (kind_ == Kind::Words) add_words(piece);
  offset_ += int64_t(piece.size());
}

void TokenReader::end(bool close_line) {
  if (offset_ == 0) {
    ++empty_files_;
    return;
  }
  if (kind_ == Kind::Ids) return end_ids();
  if (last_ != '\n' && (close_line || kind_ == Kind::Words)) add("\n");
  if (!rest_.empty()) fail_utf8(place_, rest_[0], offset_ - int64_t(rest_.size()));
}

void TokenReader::push(int32_t id) {
  buffer_.push_back(id);
  if (buffer_.size() == kBuffer) flush();
}

void TokenReader::flush() {
  tokens_.append(buffer_);
  buffer_.clear();
}

void TokenReader::add_characters(std::string_view piece) {
  const int64_t begin = offset_ - int64_t(rest_.size());  // of the text below
  const std::string joined = rest_.empty() ? "" : std::exchange(rest_, "") + std::string(piece);
  const std::string_view text = joined.empty() ? piece : std::string_view(joined);
  for (size_t at = 0; at < text.size();) {
    char32_t character = 0;
    if (!read_character(text, &at, &character)) {
      const bool may_be_cut = text.size() - at < 4 && uint8_t(text[at]) >= 0xC2;
      if (!may_be_cut) fail_utf8(place_, text[at], begin + int64_t(at));
      rest_ = text.substr(at);
      return;
    }
    int32_t& number = number_of_character_[character];
    if (number < 0) {
      number = int32_t(characters_.size());
      characters_.push_back(character);
    }
    push(number);
  }
}

void TokenReader::add_word(std::string_view word) {
  auto found = id_of_word_.find(word);
  if (found == id_of_word_.end()) {
    for (size_t at = 0; at < word.size();) {
      char32_t character = 0;
      if (!read_character(word, &at, &character)) {
        fail<DataError>(place_, ": words must be UTF-8, got ", quoted(word),
                        "; --units bytes reads any text");
      }
    }
    found = id_of_word_.emplace(word, int32_t(words_.size())).first;
    words_.emplace_back(word);
  }
  push(found->second);
}

void TokenReader::add_words(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t begin = at;
    while (at < text.size() && !is_blank(text[at])) ++at;
    const std::string_view part = text.substr(begin, at - begin);
    if (at == text.size() || !rest_.empty()) rest_ += part;
    check<DataError>(rest_.size() <= kLongestWord, place_, ": a word is longer than ", kLongestWord,
                     " bytes");
    if (at == text.size()) return;
    if (!rest_.empty()) {
      add_word(std::exchange(rest_, ""));
    } else if (!part.empty()) {
      add_word(part);
    }
    if (text[at] == '\n') add_word(kEosWord);
  }
}

// ---- Token files: ids of 16 bits (nanoGPT), or the same behind a header (llm.c)

void TokenReader::add_ids(std::string_view bytes) {
  if (offset_ == 0 && bytes.size() >= 4) {
    has_header_ = number_at(bytes, 0) == kMagic;
    const bool whole = int64_t(bytes.size()) >= kHeaderBytes;
    if (has_header_) {
      check<DataError>(whole, place_, ": the header of llm.c has ", kHeaderBytes, " bytes, got ",
                       bytes.size());
      check<DataError>(number_at(bytes, 1) == kVersion, place_,
                       ": the version of llm.c's header must be ", kVersion, ", got ",
                       number_at(bytes, 1));
    }
    if (whole) header_count_ = number_at(bytes, 2);
  }
  for (size_t at = offset_ == 0 && has_header_ ? kHeaderBytes : 0; at + 1 < bytes.size(); at += 2) {
    const int32_t id = uint8_t(bytes[at]) | uint8_t(bytes[at + 1]) << 8;
    check<DataError>(ids_ == 0 || id < ids_, place_, ": ids must be in 0..", ids_ - 1,
                     " (--vocab), got ", id, " at byte ", offset_ + int64_t(at));
    largest_id_ = std::max(largest_id_, id);
    push(id);
  }
  offset_ += int64_t(bytes.size());
}

void TokenReader::end_ids() {
  const bool fits = header_count_ >= 0 && offset_ == kHeaderBytes + 2 * header_count_;
  check<DataError>(!has_header_ || fits, place_, ": by its header the file has ", header_count_,
                   " tokens of 2 bytes, so ", kHeaderBytes + 2 * header_count_, " bytes, got ",
                   offset_);
  check<DataError>(has_header_ || !fits, place_,
                   ": the header of llm.c must begin with the number ", kMagic);
  check<DataError>(offset_ % 2 == 0, place_, ": tokens have 2 bytes each, got a file of ", offset_,
                   " bytes");
}

// ---- The vocabulary

Vocabulary TokenReader::finish_characters(TokenArray* tokens) {
  std::vector<int32_t> numbers(characters_.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto character = [&](int32_t number) { return characters_[size_t(number)]; };
  std::sort(numbers.begin(), numbers.end(),
            [&](int32_t a, int32_t b) { return character(a) < character(b); });
  std::vector<int32_t> id_of_number(numbers.size());
  for (size_t id = 0; id < numbers.size(); ++id) id_of_number[size_t(numbers[id])] = int32_t(id);
  tokens->replace(id_of_number);
  std::sort(characters_.begin(), characters_.end());
  return Vocabulary::characters(std::move(characters_));
}

Vocabulary TokenReader::finish_words(int64_t train, TokenArray* tokens) {
  int32_t known = 0;  // ids are in the order of first appearance
  for (int64_t i = 0; i < train; ++i) known = std::max(known, (*tokens)[i] + 1);
  const auto unk = id_of_word_.find(kUnkWord);
  if (known < int32_t(words_.size())) {
    check<DataError>(unk != id_of_word_.end() && unk->second < known, "the word ",
                     quoted(words_[size_t(known)]),
                     " is not in the training text, which has no <unk> to take its place; --units "
                     "bytes or characters read any text");
    std::vector<int32_t> new_ids(words_.size(), unk->second);
    std::iota(new_ids.begin(), new_ids.begin() + known, 0);
    for (int64_t i = train; i < tokens->size(); ++i) replaced_ += (*tokens)[i] >= known;
    tokens->replace(new_ids);
    words_.resize(size_t(known));
  }
  return Vocabulary::words(std::move(words_));
}

Vocabulary TokenReader::finish(int64_t train, TokenArray* tokens) {
  flush();
  *tokens = std::move(tokens_);
  Vocabulary vocabulary = kind_ == Kind::Bytes        ? Vocabulary::bytes()
                          : kind_ == Kind::Characters ? finish_characters(tokens)
                          : kind_ == Kind::Words
                              ? finish_words(train, tokens)
                              : Vocabulary::ids(ids_ > 0 ? ids_ : largest_id_ + 1);
  tokens->shrink_to_fit();
  return vocabulary;
}

}  // namespace skiff
