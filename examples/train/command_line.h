// The command line of a training program: the options of a run, the places where they were set, and
// the defaults that a recipe gives them. Options is a struct of options that has a member `run`
// (RunOptions) and a member `train` (TrainOptions).
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/train/config_file.h"
#include "examples/train/run_folder.h"
#include "examples/train/run_options.h"

namespace skiff {

inline bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The options of one start of a program.
template <class Options>
struct Command {
  Options options;
  SessionOptions session;
  std::vector<std::string> given;                 // names, on the command line
  std::vector<std::string> in_file;               // names, in the file of --config
  std::string config;                             // that file; "": none
  bool is_given(const std::string& name) const {  // in one of both
    return contains(given, name) || contains(in_file, name);
  }
};

// A few options, such as the recipe, decide the defaults of all others.
template <class Options>
struct Defaults {
  std::vector<std::string> deciding;            // the names of these few
  std::function<Options(const Options&)> make;  // reads them alone
};

std::string folder_of(const std::string& file);   // "." where no folder is named
std::string clean_path(const std::string& path);  // "runs/a" for "./runs//a/"; "" stays
// Whether this is config.toml or several.toml of a run, beside other files of one.
bool is_options_of_run(const std::string& config);

// The file that --config names, itself or by its run folder. With --resume alone, that of --out.
std::string config_file(const SessionOptions& session, const std::string& out);

template <class Options>
bool knows(const Options& options, const std::string& name) {
  bool known = false;
  for_each_field(options, [&](const Field& field, const auto&) {
    known = known || name == field.name || (field.old_name && name == field.old_name);
  });
  return known;
}

// UsageError when --recipe would change nothing but its own name, because the file sets everything
// that it decides.
template <class Options>
void check_recipe(const Command<Options>& first, const Flags& look,
                  const std::vector<ConfigEntry>& entries, const std::string& file) {
  if (2 * entries.size() < field_names(first.options).size() || !look.given("recipe")) return;
  const std::string& asked = first.options.train.recipe;
  for (const ConfigEntry& e : entries)
    check<UsageError>(e.key != "recipe" || e.value == asked, "--recipe: '", file,
                      "' sets all that the recipe ", e.value, " decides; with --recipe ", asked,
                      " only its name would change. Leave out one of them");
}

// The options before the command line is read: those of the recipe, then of the file of --config.
template <class Options>
Command<Options> options_before_flags(int argc, char** argv, const char* program,
                                      const Defaults<Options>& defaults) {
  Command<Options> first, c;
  Flags look("", program);
  look.add(first.options);
  look.add(first.session);
  look.parse_what_is_right(argc, argv);
  std::vector<ConfigEntry> entries;
  c.config = config_file(first.session, first.options.run.out);
  if (!c.config.empty()) entries = read_config(c.config);
  if (first.session.config.empty())  // use_of_folder() says what to think of unknown ones
    std::erase_if(entries, [&](const ConfigEntry& e) { return !knows(first.options, e.key); });
  if (!first.session.config.empty()) check_recipe(first, look, entries, c.config);
  for (const ConfigEntry& e : entries) {
    c.in_file.push_back(e.key);
    if (!contains(defaults.deciding, e.key) || look.given(e.key)) continue;
    try {
      from_texts(first.options, {{e.key, e.value}});
    } catch (const UsageError&) {
      // apply_config() reports it with its place.
    }
  }
  c.options = defaults.make(first.options);
  apply_config(c.options, entries, /*elsewhere=*/field_names(c.session));
  return c;
}

// Reads the command line into `flags` and runs the body with it; returns the exit code of the
// program (program.h). Options that are not given come from the file of --config, and those that it
// does not set, from the defaults.
template <class Options>
int run_command(int argc, char** argv, Flags& flags, const char* program,
                const Defaults<Options>& defaults,
                const std::function<int(Command<Options>&)>& body) {
  Command<Options> command;
  try {
    command = options_before_flags(argc, argv, program, defaults);
  } catch (const Error& e) {
    return refuse_start(e);
  }
  flags.also("shards", {"accumulate"});
  flags.add(command.options);
  flags.add(command.session);
  return run_program(argc, argv, flags, [&] {
    command.given = flags.given();
    check<UsageError>(!command.session.resume || !command.session.force,
                      "--resume and --force: one goes on, the other starts over; give one of them");
    // Who asks for epochs does not want the steps of the recipe.
    const bool steps = contains(command.given, "epochs") ? contains(command.given, "steps")
                                                         : command.is_given("steps");
    if (command.is_given("epochs") && command.options.train.epochs > 0 && !steps)
      command.options.train.steps = 0;
    // The folder that holds the options is the run, whatever they say: it may have been moved.
    // --resume finds out whether a folder that is named is a run; --force must know, as it clears.
    const bool resumes = command.session.resume && command.config != command.session.config;
    const bool goes_there = command.session.resume || command.session.force;
    if (!contains(command.given, "out") &&
        (resumes || (goes_there && is_options_of_run(command.config))))
      command.options.run.out = folder_of(command.config);
    command.options.run.out = clean_path(command.options.run.out);
    return body(command);
  });
}

// Compares the options of a run with the text of its config.toml, `file`, and throws UsageError
// that names every option that shapes the result and differs. An option that the text lacks had its
// value in `then`, the defaults of the recipe. Only --steps may differ where it is given on the
// command line: then true is returned.
template <class Options>
bool differs_in_steps(const Command<Options>& c, Options then, const std::string& config,
                      const std::string& file) {
  for (const ConfigEntry& e : parse_config(config, file))
    check<UsageError>(
        from_texts(then, {{e.key, e.value}}).empty(), "--resume: '", file, "' sets '", e.key,
        "', which this program does not know; a newer one, or another one, started this run");
  std::map<std::string, std::string> before = to_texts(then);
  bool other_steps = false;
  std::string differences;
  for_each_field(c.options, [&](const Field& field, const auto& value) {
    const std::string name = field.name, now = value_text(value);
    if (!field.changes_result || before[name] == now) return;
    // Where the stage before lies now; what it is, stages.cpp compares.
    if (name == "init" && !c.session.outer.empty()) return;
    if (name == "steps" && contains(c.given, name) && c.options.train.steps > 0) {
      other_steps = true;
      return;
    }
    differences +=
        (differences.empty() ? "" : ", ") + ("--" + name) + " is " + now + ", was " + before[name];
  });
  check<UsageError>(differences.empty(), "--resume: '", c.options.run.out,
                    "' was started with other options: ", differences);
  return other_steps;
}

// Whether a run may begin or go on in its folder, and how.
struct FolderUse {
  bool clears = false;       // --force, and there is something to clear
  bool other_steps = false;  // --resume with another number of steps
};
// recipe: makes the defaults of the run.
template <class Options>
FolderUse use_of_folder(const Command<Options>& c, const RunFolder& folder,
                        const std::function<Options()>& recipe) {
  check<UsageError>(!folder.has(kOptionsOfSeveral), "--out: '", folder.path(),
                    "' holds several runs; another one needs another folder");
  const bool used = folder.has("config.toml") || !folder.checkpoints().empty();
  if (c.session.resume) {
    check<DataError>(folder.has("config.toml"), "--resume: '", folder.path(), "' holds no run");
    return {.other_steps = differs_in_steps(c, recipe(), folder.read("config.toml"),
                                            folder.file("config.toml"))};
  }
  check<UsageError>(
      !used || c.session.force, "'", folder.path(), "' holds a run already; ",
      folder.checkpoints().empty() ? "it has no checkpoint, so " : "--resume goes on with it, ",
      "--force starts over");
  return {.clears = used};
}

}  // namespace skiff
