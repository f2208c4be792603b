#include "examples/program/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/check.h"

namespace skiff {

namespace {

// A number without an exponent where it is whole.
std::string plain(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.0f", v);
  return v == std::floor(v) ? text : number_text(v);
}

// What --help shows for the value: the words, or the range where there is one.
std::string type_of(const Field& field, const std::vector<std::string>& words, bool number) {
  if (number) return field.high < 1e15 ? plain(field.low) + ".." + plain(field.high) : "NUMBER";
  if (words.empty()) return "TEXT";
  std::string type;
  for (const std::string& word : words) type += (type.empty() ? "{" : ", ") + word;
  return type + "}";
}

// Shows a switch as --[no-]NAME, and of an option with an old name the new one alone.
struct HelpFormatter : CLI::Formatter {
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    const std::vector<std::string>& names = option->get_lnames();
    if (positional || names.empty() || names[0] == "help")
      return CLI::Formatter::make_option_name(option, positional);
    std::string shown;
    for (const std::string& letter : option->get_snames()) shown += "-" + letter + ",";
    return shown + (option->get_fnames().empty() ? "--" : "--[no-]") + names[0];
  }
};

// The option of this name, in the program or in one of its commands; nullptr: none.
const CLI::Option* option_named(const CLI::App& app, const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return nullptr;
  if (const CLI::Option* option = app.get_option_no_throw(word)) return option;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (const CLI::Option* option = option_named(*sub, word)) return option;
  return nullptr;
}

}  // namespace

// CLI11 takes "[a,b]" for a list of two and drops the brackets, but an expression of ListOps or the
// end of a text may look like that. A character that no argument has keeps them in its place.
std::vector<std::string> arguments_for(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {  // only arguments without a name follow
      arguments.insert(arguments.end(), argv + i, argv + argc);
      break;
    }
    const size_t equals = word.find('=');
    const CLI::Option* option = option_named(app, word.substr(0, equals));
    const bool takes_value = option != nullptr && option->get_expected_max() > 0;
    if (takes_value && equals != word.npos && equals + 1 == word.size()) {
      arguments.push_back(word.substr(0, equals));
      arguments.push_back(std::string(1, kShield));
      continue;
    }
    arguments.push_back(word.starts_with('[') ? kShield + word : word);
    if (!takes_value || equals != word.npos || i + 1 == argc) continue;
    const std::string value = argv[++i];
    check<UsageError>(option_named(app, value.substr(0, value.find('='))) == nullptr, word,
                      ": a value must follow, got the option '", value, "'; --",
                      option->get_lnames()[0], "=", value, " would give it as the value");
    arguments.push_back(value.starts_with('[') ? kShield + value : value);
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

Flags::Flags(const std::string& description, const std::string& program)
    : app_(std::make_unique<CLI::App>(description, program)) {
  app_->formatter(std::make_shared<HelpFormatter>());
  // The last of an option that is given twice counts.
  app_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

Flags::~Flags() = default;

void Flags::add_flag(const Field& field, const std::string& group, Kind kind,
                     const std::vector<std::string>& words, const std::string& shown,
                     std::function<void(const std::string&)> set) {
  Flag& flag = flags_.emplace_back();
  flag.name = field.name;
  flag.is_switch = kind == Kind::Switch;
  std::string name = "--" + flag.name + also_[flag.name];
  if (field.old_name) name.append(",--").append(field.old_name);
  if (kind == Kind::Switch)
    flag.option = app_->add_flag(name + ",!--no-" + field.name, flag.switched, field.help);
  else
    flag.option = app_->add_option(name, flag.text, field.help)
                      ->type_name(type_of(field, words, kind == Kind::Number));
  flag.option->default_str(shown)->group(group);
  flag.set = std::move(set);
}

void Flags::positional(const std::string& name, std::string& value, const std::string& help) {
  app_->add_option(name, value, help)->required();
  texts_.push_back(&value);
}
void Flags::positional(const std::string& name, std::vector<std::string>& values,
                       const std::string& help, bool required) {
  app_->add_option(name, values, help)
      ->required(required)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  lists_.push_back(&values);
}
void Flags::list(const std::string& name, std::vector<std::string>& values,
                 const std::string& help) {
  app_->add_option("--" + name, values, help)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->allow_extra_args(false)  // or CLI11 would take "[a,b]" apart
      ->type_name("TEXT ..");
  lists_.push_back(&values);
}
void Flags::also(const std::string& name, const std::vector<std::string>& names) {
  for (const std::string& other : names) also_[name] += (other.size() == 1 ? ",-" : ",--") + other;
}
void Flags::footer(const std::string& text) { app_->footer(text); }

void Flags::parse_arguments(int argc, char** argv) {
  app_->parse(arguments_for(*app_, argc, argv));
  const auto unshield = [](std::string& text) {
    if (text.starts_with(kShield)) text.erase(0, 1);
  };
  for (Flag& flag : flags_) unshield(flag.text);
  for (std::string* text : texts_) unshield(*text);
  for (std::vector<std::string>* list : lists_)
    for (std::string& text : *list) unshield(text);
}

void Flags::parse(int argc, char** argv) {
  parse_arguments(argc, argv);
  set_fields(/*skip_wrong=*/false);
}

void Flags::parse_what_is_right(int argc, char** argv) {
  app_->set_help_flag();
  app_->allow_extras();
  try {
    parse_arguments(argc, argv);
  } catch (const CLI::ParseError&) {
    return;
  } catch (const UsageError&) {
    return;
  }
  set_fields(/*skip_wrong=*/true);
}

void Flags::set_fields(bool skip_wrong) {
  for (const Flag& flag : flags_) {
    if (flag.option->count() == 0) continue;
    try {
      flag.set(flag.is_switch ? (flag.switched ? "true" : "false") : flag.text);
    } catch (const UsageError&) {
      if (!skip_wrong) throw;
    }
  }
}

bool Flags::given(const std::string& name) const {
  return app_->get_option("--" + name)->count() > 0;
}

std::vector<std::string> Flags::given() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_)
    if (flag.option->count() > 0) names.push_back(flag.name);
  return names;
}

}  // namespace skiff
