// Options: structs of settings that can list themselves, so that each setting is written down once.
//
// A struct of options has defaults, a title, and one `visit`, which names every field:
//
//   struct SgdOptions {
//     double momentum = 0;
//     static constexpr const char* kTitle = "Optimizer";
//     template <class Options, class Visitor>
//     static void visit(Options& o, Visitor&& field) {
//       field({.name = "momentum", .help = "Momentum of SGD", .low = 0, .high = 1}, o.momentum);
//     }
//   };
//
// Flags, --help, the configuration file, the metadata of a checkpoint and the comparison at
// --resume are all loops over `visit`. A field is a bool, int64_t, uint64_t, double, std::string,
// an enum with a table of words (below), or a nested struct of options, which is visited in its
// place.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/check.h"

namespace skiff {

struct Field {
  const char* name;                               // of the flag, without "--"
  const char* help;                               // meaning and unit
  double low = -1e300, high = 1e300;              // numbers: the smallest and largest allowed
  std::vector<std::string> (*words)() = nullptr;  // texts: the allowed ones; any if absent
  bool changes_result = true;                     // false: a run may be resumed with another value
  const char* old_name = nullptr;                 // the name in older files, still read
};

// The words for an enum: `std::span<const Word<E>> words_of(E)` beside the enum.
//   inline std::span<const Word<Readout>> words_of(Readout) {
//     static constexpr Word<Readout> kWords[] = {{Readout::Mean, "mean"}, ..};
//     return kWords;
//   }
template <class E>
struct Word {
  E value;
  const char* text;
};

template <class E>
const char* word_for(E value) {
  for (const Word<E>& w : words_of(E{}))
    if (w.value == value) return w.text;
  fail("an enum has the value ", int(value), ", which has no word");
}

template <class E>
std::vector<std::string> all_words() {
  std::vector<std::string> all;
  for (const Word<E>& w : words_of(E{})) all.push_back(w.text);
  return all;
}

// Steps from a to b by inserting, leaving out or replacing a character or swapping two neighbours
// (Damerau and Levenshtein; a swapped pair is not changed again).
int edit_distance(std::string_view a, std::string_view b);
// The known word within two steps of `word`, the nearest one; "" if there is none.
std::string nearest(std::string_view word, const std::vector<std::string>& known);
// "; did you mean 'word'?" or "". For settings with named values, too:
//   fail<UsageError>("unknown task '", name, "'", suggestion(name, names));
std::string suggestion(std::string_view text, const std::vector<std::string>& known);

// Throws UsageError "--NAME: must be one of a, b, got 'c'" unless text is one of the words.
void check_word(const char* name, std::string_view text, const std::vector<std::string>& words);
// Throws UsageError "--NAME: must be a number from LOW to HIGH, got 'c'". Accepts 1e6 for integers.
double parse_number(const Field& field, std::string_view text, bool integer);
std::string number_text(double value);  // the shortest text that reads back as the same double

template <class T>
concept OptionStruct = requires(T t) {
  T::visit(t, [](const Field&, auto&) {});
};

// A value as text, and back. set_from_text throws UsageError with the name, the rule and the text.
template <class T>
std::string value_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::is_same_v<T, std::string>)
    return value;
  else if constexpr (std::is_enum_v<T>)
    return word_for(value);
  else if constexpr (std::is_integral_v<T>)
    return std::to_string(value);
  else
    return number_text(value);
}

template <class T>
void set_from_text(const Field& field, T& value, std::string_view text) {
  if constexpr (std::is_same_v<T, bool>) {
    check_word(field.name, text, {"true", "false"});
    value = text == "true";
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (field.words) check_word(field.name, text, field.words());
    value = text;
  } else if constexpr (std::is_enum_v<T>) {
    check_word(field.name, text, all_words<T>());
    for (const Word<T>& w : words_of(T{}))
      if (text == w.text) value = w.value;
  } else {
    value = T(parse_number(field, text, std::is_integral_v<T>));
  }
}

// An enum's value for a word. Throws UsageError "--OPTION: must be one of .., got 'text'".
template <class E>
E value_for(const char* option, std::string_view text) {
  E value{};
  set_from_text(Field{.name = option, .help = ""}, value, text);
  return value;
}

// Calls f(field, value) for every field that is not itself a struct of options.
template <class Options, class F>
void for_each_field(Options& options, F&& f) {
  std::remove_const_t<Options>::visit(options, [&](const Field& field, auto& value) {
    if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>)
      for_each_field(value, f);
    else
      f(field, value);
  });
}

template <class Options>
std::vector<std::string> field_names(const Options& options = {}) {
  std::vector<std::string> names;
  for_each_field(options, [&](const Field& field, const auto&) { names.emplace_back(field.name); });
  return names;
}

// All fields as texts by name, and back. from_texts leaves a field alone whose name is missing (an
// older file: the field keeps its default) and returns the names it did not use.
template <class Options>
std::map<std::string, std::string> to_texts(const Options& options) {
  std::map<std::string, std::string> texts;
  for_each_field(options,
                 [&](const Field& field, const auto& v) { texts[field.name] = value_text(v); });
  return texts;
}

template <class Options>
std::vector<std::string> from_texts(Options& options, std::map<std::string, std::string> texts) {
  for_each_field(options, [&](const Field& field, auto& value) {
    auto found = texts.find(field.name);
    if (found == texts.end() && field.old_name) found = texts.find(field.old_name);
    if (found == texts.end()) return;
    set_from_text(field, value, found->second);
    texts.erase(found);
  });
  std::vector<std::string> unused;
  for (const auto& [name, text] : texts) unused.push_back(name);
  return unused;
}

template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

// An entry of a registry by its name: a table of structs with a member `name`. Throws UsageError
// "--OPTION: must be one of .., got 'name'", with a suggestion.
template <class Table>
const auto& find_named(const Table& table, std::string_view name, const char* option) {
  for (const auto& entry : table)
    if (entry.name == name) return entry;
  check_word(option, name, names_of(table));
  fail("unreachable");
}

}  // namespace skiff
