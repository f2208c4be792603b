// Everything that describes a run of train_lra, as one tree: each option is one field of one
// struct, and flags, --help, config.toml, checkpoints and the comparison at --resume are loops over
// `visit` (core/options.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/options.h"
#include "examples/train/run_options.h"
#include "layers/options.h"

namespace skiff {

class Flags;  // examples/train/flags.h

struct Options {
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  RunOptions run;

  static constexpr const char* kTitle = "Options";
  template <class Self, class Visitor>
  static void visit(Self& o, Visitor&& field) {
    field({.name = "data", .help = ""}, o.data);
    field({.name = "model", .help = ""}, o.model);
    field({.name = "train", .help = ""}, o.train);
    field({.name = "run", .help = ""}, o.run);
  }
};

// The options of one start of train_lra, and where they were set.
struct CommandLine {
  Options options;
  SessionOptions session;
  std::vector<std::string> given;                // names, on the command line
  std::vector<std::string> in_file;              // names, in the file of --config
  bool is_given(const std::string& name) const;  // in one of both
};

// Reads the command line of train_lra into `flags` and runs the body with it; returns the exit code
// of the program (examples/train/program.h). Options that are not given come from the file of
// --config, and those that it does not set, from the recipe.
int run_with_options(int argc, char** argv, Flags& flags,
                     const std::function<int(CommandLine&)>& body);

bool is_several(const std::string& task);  // "all", or names with commas between them
std::vector<std::string> several_tasks(const std::string& text);

// A sentence per option of the command line that changes nothing. UsageError for one that cannot be
// meant.
std::vector<std::string> options_without_effect(const CommandLine& c);

// Compares the options of a run with the text of its config.toml, `file`, and throws UsageError
// that names every option that shapes the result and differs. An option that the text lacks had its
// default. Only --steps may differ where it is given on the command line: then true is returned.
bool has_other_steps(const CommandLine& c, const std::string& config, const std::string& file);

}  // namespace skiff
