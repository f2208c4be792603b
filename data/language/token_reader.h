// Text to tokens, piece by piece, so that the text is never held as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/characters.h"
#include "data/language/tokens.h"
#include "data/language/vocabulary.h"

namespace skiff {

// The pieces of a file have this size; the last one may be shorter.
inline constexpr size_t kTextPiece = size_t(1) << 16;

class TokenReader {
 public:
  // ids: the number of ids of token files; 0: the largest one found plus one.
  explicit TokenReader(Vocabulary::Kind kind, int64_t ids = 0);

  // For each file: begin(), its pieces, end(). `place` names the file in messages. A byte order
  // mark at the start of a file is left out. close_line: a file that does not end with a line end
  // gets one. Of words, every file gets one. An empty file adds nothing.
  void begin(const std::string& place);
  void add(std::string_view piece);
  void end(bool close_line);

  int64_t size() const { return tokens_.size() + int64_t(buffer_.size()); }  // tokens so far
  int64_t text_bytes() const { return text_bytes_; }  // so far, without byte order marks
  int64_t marks() const { return marks_; }            // byte order marks
  int64_t carriage_returns() const { return carriage_returns_; }
  int64_t empty_files() const { return empty_files_; }

  // The vocabulary, and the tokens as its ids. Characters are sorted by code point. Words are in
  // the order of their first appearance; a word that does not appear in the first `train` tokens
  // becomes <unk>, and is a DataError when there is no <unk>. Call it once.
  Vocabulary finish(int64_t train, TokenArray* tokens);
  int64_t replaced() const { return replaced_; }  // words that became <unk>, each time they occur

 private:
  void add_characters(std::string_view text);
  void add_words(std::string_view text);
  void add_ids(std::string_view bytes);
  void add_word(std::string_view word);
  void end_ids();
  void push(int32_t id);
  void flush();
  Vocabulary finish_characters(TokenArray* tokens);
  Vocabulary finish_words(int64_t train, TokenArray* tokens);

  const Vocabulary::Kind kind_;
  const int64_t ids_;
  TokenArray tokens_;
  std::vector<int32_t> buffer_;  // tokens on their way into the array
  int64_t text_bytes_ = 0, marks_ = 0, carriage_returns_ = 0, replaced_ = 0, empty_files_ = 0;

  // The file that is read.
  std::string place_;
  int64_t offset_ = 0;         // of the next piece
  char last_ = '\n';           // the last byte so far
  std::string rest_;           // the start of a character or of a word
  bool has_header_ = false;    // of llm.c
  int64_t header_count_ = -1;  // tokens by the header, or by what would be the header

  CharacterTable<int32_t, -1> number_of_character_;  // -1: not seen yet
  std::vector<char32_t> characters_;                 // by number
  WordIds id_of_word_;
  std::vector<std::string> words_;  // by id
  int32_t largest_id_ = 0;
};

}  // namespace skiff
