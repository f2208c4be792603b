#include "data/characters.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "core/check.h"

namespace skiff {

// ---- UTF-8

namespace {

constexpr char32_t kCharacters = 0x110000;

[[noreturn]] void fail_utf8(std::string_view text, size_t at) {
  char code[8];
  std::snprintf(code, sizeof code, "0x%02x", unsigned(uint8_t(text[at])));
  fail<DataError>("the text must be UTF-8, got ", code, " at byte ", at);
}

}  // namespace

bool read_character(std::string_view text, size_t* at, char32_t* character) {
  const size_t begin = *at;
  const uint8_t first = uint8_t(text[begin]);
  if (first < 0x80) {
    *at = begin + 1;
    *character = first;
    return true;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return false;
  char32_t value = first & (0x7F >> length);
  for (size_t i = begin + 1; i < begin + length; ++i) {
    if (i >= text.size() || (uint8_t(text[i]) & 0xC0) != 0x80) return false;
    value = (value << 6) | (uint8_t(text[i]) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value >= kCharacters || surrogate) return false;
  *at = begin + length;
  *character = value;
  return true;
}

char32_t next_character(std::string_view text, size_t* at) {
  char32_t character = 0;
  if (!read_character(text, at, &character)) fail_utf8(text, *at);
  return character;
}

int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_character(text, &at);
  return count;
}

std::string to_utf8(char32_t c) {
  const auto tail = [&](int shift) { return char(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {char(c)};
  if (c < 0x800) return {char(0xC0 | (c >> 6)), tail(0)};
  if (c < 0x10000) return {char(0xE0 | (c >> 12)), tail(6), tail(0)};
  return {char(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)};
}

// ---- Encodings

namespace {
constexpr int32_t kFirst = kEosId + 1;  // id or number of the first character
constexpr size_t kMostNumbers = 0xFFFF;

void check_length(Encoding encoding, int64_t max_length) {
  const int64_t least = encoding == Encoding::Original ? 1 : 2;
  check<UsageError>(max_length >= least, "the max length must be at least ", least, ", got ",
                    max_length);
}

std::vector<uint16_t> encode_bytes(std::string_view text, Encoding encoding, int64_t max_length,
                                   bool* cut) {
  const bool eos = encoding == Encoding::Bytes;
  const int first = eos ? kFirst : 1;
  const size_t longest = size_t(max_length - eos);
  if (cut != nullptr && text.size() > longest) *cut = true;
  text = text.substr(0, longest);
  std::vector<uint16_t> ids;
  ids.reserve(text.size() + 1);
  for (const char c : text) ids.push_back(uint16_t(uint8_t(c) + first));
  if (eos) ids.push_back(kEosId);
  return ids;
}

// number_of(character) for the first max_length - 1 of them, and the end mark.
template <class NumberOf>
std::vector<uint16_t> encode_characters(std::string_view text, int64_t max_length, bool* cut,
                                        const NumberOf& number_of) {
  const size_t longest = size_t(max_length) - 1;
  std::vector<uint16_t> numbers;
  numbers.reserve(std::min(text.size(), longest) + 1);
  for (size_t at = 0; at < text.size();) {
    const char32_t character = next_character(text, &at);
    if (numbers.size() < longest) {
      numbers.push_back(number_of(character));
    } else if (cut != nullptr) {
      *cut = true;  // the rest must still be UTF-8
    }
  }
  numbers.push_back(kEosId);
  return numbers;
}

// The character itself, or "<0x80>": names are UTF-8, and can be read.
std::string name_of_byte(uint8_t byte) {
  if (byte >= 0x20 && byte < 0x7f) return std::string(1, char(byte));
  char name[8];
  std::snprintf(name, sizeof name, "<0x%02x>", unsigned(byte));
  return name;
}

}  // namespace

std::vector<uint16_t> encode_text(std::string_view text, Encoding encoding, int64_t max_length,
                                  const std::vector<std::string>& vocabulary, bool* cut) {
  check_length(encoding, max_length);
  if (encoding != Encoding::Characters) return encode_bytes(text, encoding, max_length, cut);
  std::map<std::string_view, uint16_t> id_of;
  for (size_t id = kFirst; id < vocabulary.size(); ++id) id_of[vocabulary[id]] = uint16_t(id);
  return encode_characters(text, max_length, cut, [&](char32_t character) {
    const auto entry = id_of.find(to_utf8(character));
    return entry == id_of.end() ? uint16_t(kUnknownId) : entry->second;
  });
}

TextEncoder::TextEncoder(Encoding encoding, int64_t max_length, int64_t min_frequency,
                         const std::vector<std::string>& vocabulary)
    : encoding_(encoding),
      max_length_(max_length),
      min_frequency_(min_frequency),
      given_(vocabulary) {
  check_length(encoding, max_length);
  if (encoding != Encoding::Characters) return;
  character_of_number_.resize(kFirst, 0);
  count_of_number_.resize(kFirst, 0);
}

std::vector<uint16_t> TextEncoder::read(std::string_view text, bool counts, bool* cut) {
  if (encoding_ != Encoding::Characters) return encode_bytes(text, encoding_, max_length_, cut);
  return encode_characters(text, max_length_, cut, [&](char32_t character) {
    uint16_t& number = number_of_character_[character];
    if (number == 0 && character_of_number_.size() < kMostNumbers) {
      number = uint16_t(character_of_number_.size());
      character_of_number_.push_back(character);
      count_of_number_.push_back(0);
    }
    count_of_number_[number] += counts;
    return number == 0 ? uint16_t(kUnknownId) : number;
  });
}

std::vector<std::string> TextEncoder::vocabulary(std::vector<uint16_t>* id_of_number) const {
  std::vector<std::string> names = {"<pad>", "<unk>", "<eos>"};
  if (encoding_ != Encoding::Characters) {
    if (encoding_ == Encoding::Original) names.resize(1);
    for (int byte = 0; byte < 256; ++byte) names.push_back(name_of_byte(uint8_t(byte)));
    return names;
  }
  std::map<std::string, int64_t> counts;
  std::map<std::string, size_t> numbers;
  for (size_t number = kFirst; number < character_of_number_.size(); ++number) {
    const std::string name = to_utf8(character_of_number_[number]);
    counts[name] = count_of_number_[number];
    numbers[name] = number;
  }
  names = given_.empty() ? make_vocabulary(counts, min_frequency_) : given_;
  id_of_number->assign(character_of_number_.size(), uint16_t(kUnknownId));
  (*id_of_number)[kEosId] = uint16_t(kEosId);
  for (size_t id = kFirst; id < names.size(); ++id) {
    const auto number = numbers.find(names[id]);
    if (number != numbers.end()) (*id_of_number)[number->second] = uint16_t(id);
  }
  return names;
}

void TextEncoder::finish(TaskData* data) const {
  std::vector<uint16_t> id_of_number;
  data->vocabulary = vocabulary(&id_of_number);
  data->vocab = int64_t(data->vocabulary.size());
  data->max_length = max_length_;
  data->pad_to = encoding_ == Encoding::Original ? max_length_ : 0;
  if (encoding_ != Encoding::Characters) return;
  for (auto* examples : {&data->train, &data->val, &data->test}) {
    for (Example& example : *examples) {
      example.tokens = example.tokens.mapped(id_of_number);
      example.second = example.second.mapped(id_of_number);
    }
  }
}

}  // namespace skiff
