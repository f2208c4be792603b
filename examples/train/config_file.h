// Configuration files. The programs write a part of TOML, and read a little more:
//
//   # a comment
//   steps = 800              a number, true, false or a word: letters, digits and + - . _ /
//   out = "runs/a#1"         any text: \" \\ \n \t \r \b \f and \u0001 mean one character each
//   out = 'C:\runs'          any text without ', taken literally
//
// A key is the long name of an option; each key occurs once, and has one value. There are no
// sections.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"

namespace skiff {

struct ConfigEntry {
  std::string key, value, place;  // place: file:line
};

// The entries of a file's text, in order. `file` is its name in messages.
std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& file);
// Opens and reads the file once: it may be a pipe.
std::vector<ConfigEntry> read_config(const std::string& path);

// A value as a file has it: numbers, true and false bare, other texts in quotes.
std::string config_value(const std::string& value);

// Every field with its value, one per line.
template <class Options>
std::string config_text(const Options& options) {
  std::string text;
  for_each_field(options, [&](const Field& field, const auto& value) {
    text += field.name + ("=" + config_value(value_text(value))) + "\n";
  });
  return text;
}

// The same of the fields that shape the result of a run.
template <class Options>
std::string result_text(const Options& options) {
  std::string text;
  for_each_field(options, [&](const Field& field, const auto& value) {
    if (field.changes_result) text += field.name + ("=" + config_value(value_text(value))) + "\n";
  });
  return text;
}

// Sets the fields that a file names. UsageError names the place of an entry that is none of them or
// has a wrong value. `elsewhere`: names of options that a file may not set.
template <class Options>
void apply_config(Options& options, const std::vector<ConfigEntry>& entries,
                  const std::vector<std::string>& elsewhere = {}) {
  for (const ConfigEntry& entry : entries) {
    std::vector<std::string> unused;
    try {
      unused = from_texts(options, {{entry.key, entry.value}});
    } catch (const UsageError& error) {
      fail<UsageError>(entry.place, ": ", error.what());
    }
    if (unused.empty()) continue;
    check<UsageError>(std::find(elsewhere.begin(), elsewhere.end(), entry.key) == elsewhere.end(),
                      entry.place, ": '", entry.key,
                      "' belongs on the command line, not in a file");
    fail<UsageError>(entry.place, ": unknown option '", entry.key, "'",
                     suggestion(entry.key, field_names(options)));
  }
}

}  // namespace skiff
