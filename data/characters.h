// Text as ids, character by character or byte by byte: the encodings of the tasks Text and
// Retrieval (S4 protocol: state-spaces/s4, src/dataloaders/lra.py; original: google-research/
// long-range-arena, lra_benchmarks).
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/task.h"

namespace skiff {

enum class Encoding {
  Characters,  // S4 protocol: Unicode characters, a vocabulary counted on the training texts
  Bytes,     // id = byte + 3, after <pad>, <unk> and <eos>; a letter beyond ASCII is several bytes
  Original,  // as in the first LRA code: id = byte + 1, no end mark, padded to the max length
};

// Some programs write it before UTF-8 text, of which it is no part.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The character of UTF-8 text that begins at byte *at; *at moves behind it. DataError for bytes
// that are not UTF-8 (cut, overlong, a surrogate, beyond U+10FFFF), with their offset.
char32_t next_character(std::string_view text, size_t* at);
// The same without an error: false for such bytes, and *at stays.
bool read_character(std::string_view text, size_t* at, char32_t* character);
std::string to_utf8(char32_t character);
int64_t count_characters(std::string_view text);  // DataError as next_character()

// A number for each character: `none` until it is set. As long as the largest character so far.
template <class Number, Number none>
class CharacterTable {
 public:
  Number& operator[](char32_t character) {
    if (character >= numbers_.size()) numbers_.resize(std::bit_ceil(size_t(character) + 1), none);
    return numbers_[character];
  }

 private:
  std::vector<Number> numbers_;
};

// One text with the vocabulary of a training, as TextEncoder would have given it. `cut` as there.
std::vector<uint16_t> encode_text(std::string_view text, Encoding encoding, int64_t max_length,
                                  const std::vector<std::string>& vocabulary, bool* cut = nullptr);

// Encodes the texts of a task. The vocabulary, unless one is given, is known only after all
// training texts, so the ids of read() are provisional until finish().
class TextEncoder {
 public:
  TextEncoder(Encoding encoding, int64_t max_length, int64_t min_frequency,
              const std::vector<std::string>& vocabulary = {});

  // The first max_length - 1 characters, then <eos>. `counts`: a training text, which counts in the
  // vocabulary. `cut` becomes true when the text is longer. DataError for text that is not UTF-8
  // (Characters only).
  std::vector<uint16_t> read(std::string_view text, bool counts, bool* cut = nullptr);

  // Gives the examples their ids, and sets the vocabulary and lengths of the task. Call it once.
  void finish(TaskData* data) const;

 private:
  std::vector<std::string> vocabulary(std::vector<uint16_t>* id_of_number) const;

  Encoding encoding_;
  int64_t max_length_, min_frequency_;
  std::vector<std::string> given_;                   // the vocabulary, if it is given
  CharacterTable<uint16_t, 0> number_of_character_;  // provisional; 0: not seen yet
  std::vector<char32_t> character_of_number_;
  std::vector<int64_t> count_of_number_;
};

}  // namespace skiff
