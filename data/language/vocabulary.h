// What the ids of a text mean: bytes, characters, words, or ids of a tokeniser that is not known
// here. text() is what a checkpoint keeps; from_text() reads it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace skiff {

inline constexpr std::string_view kEosWord = "<eos>", kUnkWord = "<unk>";

// Words are found without making a std::string of each.
struct WordHash {
  using is_transparent = void;
  size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
};
using WordIds = std::unordered_map<std::string, int32_t, WordHash, std::equal_to<>>;

// Words are separated by these, and lines end with '\n'.
inline bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Vocabulary {
 public:
  enum class Kind { Bytes, Characters, Words, Ids };

  Vocabulary() : Vocabulary(Kind::Bytes, 256) {}
  static Vocabulary bytes() { return {}; }  // id = byte
  static Vocabulary characters(std::vector<char32_t> sorted);
  static Vocabulary words(std::vector<std::string> words);  // words[id]
  static Vocabulary ids(int64_t size);                      // without a text

  Kind kind() const { return kind_; }
  const char* name() const;  // "bytes", "characters", "words" or "ids"
  int64_t size() const { return size_; }
  int32_t eos() const { return eos_; }  // <eos> and <unk> of words; -1: there is none
  int32_t unk() const { return unk_; }

  // Words: a line end is <eos>, and a word that is not in the vocabulary is <unk>. DataError for
  // what has no id; the message lists it. DataError for Ids.
  std::vector<int32_t> encode(std::string_view text) const;
  // The text of one token: of bytes the byte, of words the word, of Ids the number.
  std::string token(int32_t id) const;
  // The text of tokens. Words are joined by blanks, and <eos> becomes a line end.
  std::string decode(std::span<const int32_t> ids) const;

  std::string text() const;  // UTF-8, one line per word
  static Vocabulary from_text(std::string_view text, const std::string& place);
  bool operator==(const Vocabulary& other) const;

 private:
  Vocabulary(Kind kind, int64_t size) : kind_(kind), size_(size) {}

  Kind kind_;
  int64_t size_;
  int32_t eos_ = -1, unk_ = -1;
  std::vector<char32_t> characters_;  // sorted
  std::vector<std::string> words_;
  WordIds id_of_word_;
};

// Whether a blank belongs between two tokens of a text of words.
bool blank_between(const Vocabulary& vocabulary, int32_t id, int32_t next);

// Tokens as text while they are made, one by one. Of bytes only whole UTF-8 characters are given
// out; what cannot become one is replaced by U+FFFD, as one mark per longest valid beginning.
//   TextStream stream(vocabulary);
//   for (..) print(stream.add(id));
//   print(stream.finish());
class TextStream {
 public:
  // Keeps the pointer: the vocabulary must outlive the stream.
  // before: the token in front of the text, so that words keep their distance to it; -1: none.
  explicit TextStream(const Vocabulary* vocabulary, int32_t before = -1)
      : vocabulary_(vocabulary), previous_(before) {}
  std::string add(int32_t id);
  std::string finish();  // what a cut character leaves

 private:
  std::string add_byte(char byte);

  const Vocabulary* vocabulary_;
  std::string begun_;      // the first bytes of a character
  int32_t previous_ = -1;  // token
};

}  // namespace skiff
