#include "examples/train/config_file.h"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "core/check.h"
#include "data/characters.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

class Line {
 public:
  Line(std::string_view text, std::string place) : text_(text), place_(std::move(place)) {}

  // False for a line without an entry.
  bool read(ConfigEntry* entry) {
    skip_blanks();
    if (at_end()) return false;
    *entry = {word("_-", "a line must be key = value"), "", place_};
    skip_blanks();
    if (next() != '=') refuse("'=' must follow the key ", quoted(entry->key));
    ++at_;
    skip_blanks();
    if (next() == '"')
      entry->value = escaped_text();
    else if (next() == '\'')
      entry->value = plain_text();
    else
      entry->value =
          word("+-._/", "a value must be a number, true, false, a word or a text in quotes");
    skip_blanks();
    if (!at_end()) refuse("nothing but a comment may follow the value");
    return true;
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail<UsageError>(place_, ":", at_ + 1, ": ", parts...);
  }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_end() const { return at_ == text_.size() || text_[at_] == '#'; }
  void skip_blanks() {
    while (next() == ' ' || next() == '\t' || next() == '\r') ++at_;
  }

  std::string word(std::string_view besides, const char* requirement) {
    const size_t begin = at_;
    while (std::isalnum(uint8_t(next())) ||
           (next() != '\0' && besides.find(next()) != besides.npos))
      ++at_;
    if (at_ == begin) refuse(requirement, ", got ", quoted(text_.substr(at_, 20)));
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string plain_text() {
    const size_t end = text_.find('\'', at_ + 1);
    if (end == text_.npos) refuse("the text has no closing '");
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }

  std::string escaped_text() {
    const size_t begin = at_++;
    std::string value;
    while (next() != '"') {
      if (at_ == text_.size()) {
        at_ = begin;
        refuse("the text has no closing \"");
      }
      value += next() == '\\' ? escape() : std::string(1, text_[at_++]);
    }
    ++at_;
    return value;
  }

  std::string escape() {
    static constexpr std::string_view kLetters = "\"\\ntrbf", kMeant = "\"\\\n\t\r\b\f";
    const std::string_view rest = text_.substr(at_ + 1);
    if (const size_t which = rest.empty() ? rest.npos : kLetters.find(rest[0]);
        which != rest.npos) {
      at_ += 2;
      return std::string(1, kMeant[which]);
    }
    const std::string digits(rest.starts_with('u') ? rest.substr(1, 4) : "");
    char* end = nullptr;
    const unsigned long code = std::strtoul(digits.c_str(), &end, 16);
    const bool whole = digits.size() == 4 && std::isxdigit(uint8_t(digits[0])) && *end == '\0';
    if (!whole || code == 0 || (code >= 0xD800 && code < 0xE000))
      refuse(
          "after \\ must follow one of \" \\ n t r b f, or u and four hexadecimal digits of a "
          "character");
    at_ += 6;
    return to_utf8(char32_t(code));
  }

  std::string_view text_;
  std::string place_;
  size_t at_ = 0;
};

}  // namespace

std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& file) {
  std::vector<ConfigEntry> entries;
  std::map<std::string, std::string> places;  // of each key
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ConfigEntry entry;
    if (Line(text.substr(begin, end - begin), file + ":" + std::to_string(++number)).read(&entry)) {
      const auto [before, fresh] = places.emplace(entry.key, entry.place);
      check<UsageError>(fresh, entry.place, ": ", quoted(entry.key),
                        " must occur once, but it is set at ", before->second);
      entries.push_back(entry);
    }
    begin = end + 1;
  }
  return entries;
}

std::vector<ConfigEntry> read_config(const std::string& path) {
  constexpr size_t kMost = 1 << 20;
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  check<UsageError>(file != nullptr, "cannot open '", path, "': ", std::strerror(errno));
  std::string text(kMost + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  check<UsageError>(!std::ferror(file.get()), "cannot read '", path, "': ", std::strerror(errno));
  check<UsageError>(text.size() <= kMost, "'", path,
                    "' is longer than a configuration file may be, 1 MB");
  return parse_config(text, path);
}

std::string config_value(const std::string& value) {
  char* end = nullptr;
  std::strtod(value.c_str(), &end);
  const bool number =
      !value.empty() && value.find_first_not_of("0123456789+-.eE") == value.npos && *end == '\0';
  if (number || value == "true" || value == "false") return value;
  std::string text = "\"";
  for (const char c : value) {
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", unsigned(uint8_t(c)));
    if (c == '"' || c == '\\')
      text += {'\\', c};
    else if (c == '\n')
      text += "\\n";
    else if (uint8_t(c) < 0x20 || c == 0x7f)
      text += code;
    else
      text += c;
  }
  return text + '"';
}

}  // namespace skiff
