// The command line of a program: one flag per field of its structs of options (core/options.h).
//
//   Flags flags("Trains a model.", "train");
//   flags.add(options);            // --NAME VALUE per field; a bool is --NAME or --no-NAME
//   flags.positional("file", options.file, "File to read");
//   run_program(argc, argv, flags, [&] { .. });
//
// The defaults that --help shows are the values the fields have when they are added.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace skiff {

// Stands in front of an argument that begins with a bracket while CLI11 reads it (flags.cpp).
inline constexpr char kShield = '\x02';

// The arguments in the order in which CLI11 takes them, the last one first. UsageError where an
// option stands in the place of a value, which CLI11 would take for it. "--name=" gives an empty
// text, with kShield in it.
std::vector<std::string> arguments_for(const CLI::App& app, int argc, char** argv);

class Flags {
 public:
  Flags(const std::string& description, const std::string& program);
  ~Flags();

  template <class Options>
  void add(Options& options) {
    add_group(options, Options::kTitle);
  }
  // An argument without "--"; those of a list are all that remain.
  void positional(const std::string& name, std::string& value, const std::string& help);
  void positional(const std::string& name, std::vector<std::string>& values,
                  const std::string& help, bool required = true);
  // An option that may be given several times.
  void list(const std::string& name, std::vector<std::string>& values, const std::string& help);
  // Other names of a flag that is added later, such as {"p"} for "prompt".
  void also(const std::string& name, const std::vector<std::string>& names);
  void footer(const std::string& text);  // the last lines of --help

  // Sets the fields that are given. Throws what run_program() knows to report.
  void parse(int argc, char** argv);
  // For a first look at the command line: leaves out wrong values, and ignores --help.
  void parse_what_is_right(int argc, char** argv);
  bool given(const std::string& name) const;  // "steps": --steps is on the command line
  std::vector<std::string> given() const;     // all names that are
  CLI::App& app() { return *app_; }

 private:
  enum class Kind { Switch, Number, Text };
  struct Flag {
    CLI::Option* option = nullptr;
    std::string name, text;  // text: the argument
    bool is_switch = false, switched = false;
    std::function<void(const std::string&)> set;
  };

  template <class Options>
  void add_group(Options& options, const std::string& group) {
    Options::visit(options, [&](const Field& field, auto& value) {
      using T = std::remove_reference_t<decltype(value)>;
      if constexpr (requires { T::kTitle; }) {
        add_group(value, T::kTitle);
      } else if constexpr (OptionStruct<T>) {
        add_group(value, group);
      } else {
        constexpr Kind kind = std::is_same_v<T, bool>                               ? Kind::Switch
                              : std::is_same_v<T, std::string> || std::is_enum_v<T> ? Kind::Text
                                                                                    : Kind::Number;
        std::vector<std::string> words;
        if constexpr (std::is_enum_v<T>) words = all_words<T>();
        if (kind == Kind::Text && field.words) words = field.words();
        add_flag(field, group, kind, words, value_text(value),
                 [field, &value](const std::string& text) { set_from_text(field, value, text); });
      }
    });
  }
  void add_flag(const Field& field, const std::string& group, Kind kind,
                const std::vector<std::string>& words, const std::string& shown,
                std::function<void(const std::string&)> set);
  void parse_arguments(int argc, char** argv);
  void set_fields(bool skip_wrong);

  std::unique_ptr<CLI::App> app_;
  std::map<std::string, std::string> also_;  // ",-p" by name
  std::deque<Flag> flags_;                   // CLI11 keeps pointers into them
  std::vector<std::string*> texts_;          // what positional() and list() set
  std::vector<std::vector<std::string>*> lists_;
};

}  // namespace skiff
