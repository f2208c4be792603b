#include "data/language/vocabulary.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "data/characters.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

constexpr struct {
  Vocabulary::Kind kind;
  std::string_view name;
} kNames[] = {{Vocabulary::Kind::Bytes, "bytes"},
              {Vocabulary::Kind::Characters, "characters"},
              {Vocabulary::Kind::Words, "words"},
              {Vocabulary::Kind::Ids, "ids"}};
constexpr int64_t kMostIds = int64_t(1) << 31;

std::string code_of(char32_t character) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", unsigned(character));
  return code;
}

// Collects what has no id, each once, and names the first ones in an error.
class Missing {
 public:
  void add(const std::string& shown) {
    if (known_.insert(shown).second && first_.size() < kShown) first_.push_back(shown);
  }
  void check_none(const char* what) const {
    if (known_.empty()) return;
    std::string list;
    for (const std::string& shown : first_) list += (list.empty() ? "" : ", ") + shown;
    const size_t more = known_.size() - first_.size();
    if (more > 0) list += " and " + std::to_string(more) + " more";
    fail<DataError>("the text has ", what, " that the vocabulary does not have: ", list);
  }

 private:
  static constexpr size_t kShown = 10;
  std::unordered_set<std::string> known_;
  std::vector<std::string> first_;  // in the order of the text
};

// Takes the next line off a text; false at the end.
bool take_line(std::string_view* text, std::string_view* line) {
  if (text->empty()) return false;
  const size_t end = std::min(text->find('\n'), text->size());
  *line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return true;
}

template <class Number>
bool parse(std::string_view text, int base, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Vocabulary Vocabulary::characters(std::vector<char32_t> sorted) {
  check<DataError>(!sorted.empty(), "vocabulary: there are no characters");
  for (size_t i = 1; i < sorted.size(); ++i) {
    check<DataError>(sorted[i - 1] < sorted[i],
                     "vocabulary: characters must be sorted and differ, got ",
                     code_of(sorted[i - 1]), " before ", code_of(sorted[i]));
  }
  Vocabulary vocabulary(Kind::Characters, int64_t(sorted.size()));
  vocabulary.characters_ = std::move(sorted);
  return vocabulary;
}

Vocabulary Vocabulary::words(std::vector<std::string> words) {
  check<DataError>(!words.empty(), "vocabulary: there are no words");
  Vocabulary vocabulary(Kind::Words, int64_t(words.size()));
  vocabulary.id_of_word_.reserve(words.size());
  for (size_t id = 0; id < words.size(); ++id) {
    const std::string& word = words[id];
    check<DataError>(!word.empty() && std::none_of(word.begin(), word.end(), is_blank),
                     "vocabulary: a word must have characters and no blanks, got ", quoted(word));
    const bool is_new = vocabulary.id_of_word_.emplace(word, int32_t(id)).second;
    check<DataError>(is_new, "vocabulary: the word ", quoted(word), " occurs twice");
    if (word == kEosWord) vocabulary.eos_ = int32_t(id);
    if (word == kUnkWord) vocabulary.unk_ = int32_t(id);
  }
  vocabulary.words_ = std::move(words);
  return vocabulary;
}

Vocabulary Vocabulary::ids(int64_t size) {
  check<DataError>(size >= 1 && size <= kMostIds, "vocabulary: the number of ids must be 1 to ",
                   kMostIds, ", got ", size);
  return {Kind::Ids, size};
}

const char* Vocabulary::name() const {
  for (const auto& [kind, name] : kNames)
    if (kind == kind_) return name.data();
  fail("vocabulary: unknown kind");
}

std::vector<int32_t> Vocabulary::encode(std::string_view text) const {
  check<DataError>(kind_ != Kind::Ids,
                   "the vocabulary is that of token files, whose tokeniser is not known here");
  std::vector<int32_t> ids;
  Missing missing;
  if (kind_ == Kind::Bytes) {
    for (const char c : text) ids.push_back(uint8_t(c));
  } else if (kind_ == Kind::Characters) {
    for (size_t at = 0; at < text.size();) {
      const char32_t c = next_character(text, &at);
      const auto found = std::lower_bound(characters_.begin(), characters_.end(), c);
      const bool known = found != characters_.end() && *found == c;
      if (!known) missing.add(quoted(to_utf8(c)) + " (" + code_of(c) + ")");
      ids.push_back(int32_t(found - characters_.begin()));
    }
    missing.check_none("characters");
  } else {
    for (size_t at = 0; at < text.size(); ++at) {
      const size_t begin = at;
      while (at < text.size() && !is_blank(text[at])) ++at;
      const std::string_view word = text.substr(begin, at - begin);
      if (!word.empty()) {
        const auto found = id_of_word_.find(word);
        if (found == id_of_word_.end() && unk_ < 0) missing.add(quoted(word));
        ids.push_back(found == id_of_word_.end() ? unk_ : found->second);
      }
      if (at == text.size() || text[at] != '\n') continue;
      if (eos_ < 0) missing.add("<eos> (the end of a line)");
      ids.push_back(eos_);
    }
    missing.check_none("words");
  }
  return ids;
}

std::string Vocabulary::token(int32_t id) const {
  check<DataError>(id >= 0 && id < size_, "vocabulary: an id must be in 0..", size_ - 1, ", got ",
                   id);
  if (kind_ == Kind::Bytes) return std::string(1, char(id));
  if (kind_ == Kind::Characters) return to_utf8(characters_[size_t(id)]);
  return kind_ == Kind::Words ? words_[size_t(id)] : std::to_string(id);
}

bool blank_between(const Vocabulary& vocabulary, int32_t id, int32_t next) {
  if (vocabulary.kind() == Vocabulary::Kind::Ids) return true;
  return vocabulary.kind() == Vocabulary::Kind::Words && id != vocabulary.eos() &&
         next != vocabulary.eos();
}

// The text of a token inside a text.
static std::string text_of(const Vocabulary& vocabulary, int32_t id) {
  return id >= 0 && id == vocabulary.eos() ? "\n" : vocabulary.token(id);
}

std::string Vocabulary::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0 && blank_between(*this, ids[i - 1], ids[i])) text += ' ';
    text += text_of(*this, ids[i]);
  }
  return text;
}

std::string Vocabulary::text() const {
  std::string text = std::string(name()) + ' ' + std::to_string(size_) + '\n';
  for (const char32_t c : characters_) text += code_of(c) + '\n';
  for (const std::string& word : words_) text += word + '\n';
  return text;
}

Vocabulary Vocabulary::from_text(std::string_view text, const std::string& place) {
  std::string_view line;
  take_line(&text, &line);
  const std::string head(line);
  const size_t blank = std::min(line.find(' '), line.size());
  const auto* known = std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& entry) {
    return entry.name == line.substr(0, blank);
  });
  int64_t size = 0;
  check<DataError>(known != std::end(kNames) && blank < line.size() &&
                       parse(line.substr(blank + 1), 10, &size) && size >= 1 && size <= kMostIds,
                   place,
                   ": a vocabulary begins with 'bytes', 'characters', 'words' or 'ids' and "
                   "a number, got ",
                   quoted(head));
  std::vector<char32_t> characters;
  std::vector<std::string> words;
  while (take_line(&text, &line)) {
    uint32_t code = 0;
    size_t at = 0;
    char32_t character = 0;
    if (known->kind == Kind::Words) {
      words.emplace_back(line);
      continue;
    }
    check<DataError>(known->kind == Kind::Characters && line.starts_with("U+") &&
                         parse(line.substr(2), 16, &code) && code < 0x110000 &&
                         read_character(to_utf8(code), &at, &character),
                     place, ": a line of a vocabulary of ", known->name, " cannot be ",
                     quoted(line));
    characters.push_back(code);
  }
  const bool listed = known->kind == Kind::Characters || known->kind == Kind::Words;
  check<DataError>(!listed || size == int64_t(characters.size() + words.size()), place, ": ", size,
                   " ", known->name, " must follow, got ", characters.size() + words.size());
  check<DataError>(known->kind != Kind::Bytes || size == 256, place, ": there are 256 bytes, got ",
                   size);
  try {
    return known->kind == Kind::Characters ? Vocabulary::characters(std::move(characters))
           : known->kind == Kind::Words    ? Vocabulary::words(std::move(words))
                                           : Vocabulary(known->kind, size);
  } catch (const DataError& error) {
    fail<DataError>(place, ": ", error.what());
  }
}

bool Vocabulary::operator==(const Vocabulary& other) const {
  return kind_ == other.kind_ && size_ == other.size_ && characters_ == other.characters_ &&
         words_ == other.words_;
}

// ---- Text as it is made

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Whether `bytes` and one more byte can begin a character: the Unicode standard's table of
// well-formed UTF-8.
bool may_follow(const std::string& bytes, uint8_t next) {
  const uint8_t lead = uint8_t(bytes[0]);
  if (bytes.size() > 1) return next >= 0x80 && next <= 0xBF;
  const uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return next >= least && next <= most;
}

size_t length_from(uint8_t lead) {  // of the character; 0: no character begins so
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

}  // namespace

std::string TextStream::add_byte(char byte) {
  std::string out;
  if (!begun_.empty() && !may_follow(begun_, uint8_t(byte))) {
    out = kReplacement;
    begun_.clear();  // the byte may begin another character
  }
  if (begun_.empty() && length_from(uint8_t(byte)) == 0) return out + kReplacement;
  begun_ += byte;
  if (begun_.size() == length_from(uint8_t(begun_[0]))) out += std::exchange(begun_, "");
  return out;
}

std::string TextStream::add(int32_t id) {
  const Vocabulary& v = *vocabulary_;
  std::string text = text_of(v, id);
  if (v.kind() == Vocabulary::Kind::Bytes) return add_byte(text[0]);
  if (previous_ >= 0 && blank_between(v, previous_, id)) text = ' ' + text;
  previous_ = id;
  return text;
}

std::string TextStream::finish() { return std::exchange(begun_, "").empty() ? "" : kReplacement; }

}  // namespace skiff
