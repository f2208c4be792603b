// What the main() of every program shares: errors become a line on stderr and an exit code, and a
// misspelt option or command gets a suggestion.
//
//   int main(int argc, char** argv) {
//     SumOptions options;                       // a struct of options (core/options.h)
//     Flags flags("Adds numbers.", "sum");      // examples/program/flags.h
//     flags.add(options);
//     flags.footer("Example:\n  sum --from 2");
//     return skiff::run_program(argc, argv, flags, [&] { return sum(options); });
//   }
//
// Exit codes: what the body returns; 0 after --help and --version; 2 for a wrong command line;
// exit_code() of a skiff::Error (1 general, 2 setting, 3 data, 4 not a number, 5 writing); 1 for
// any other exception.
#pragma once

#include <functional>
#include <string>

#include "core/check.h"
#include "core/options.h"
#include "examples/program/signals.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace skiff {

class Flags;

// Parses the command line and runs the body. Returns the exit code of the program.
int run_program(int argc, char** argv, Flags& flags, const std::function<int()>& body);
// For a program with commands, which describes them to CLI11 itself (<CLI/CLI.hpp>).
int run_program(int argc, char** argv, CLI::App& app, const std::function<int()>& body);
// For an error before that, which all processes meet alike: prints it, returns its exit code.
int refuse_start(const Error& error);
// A path as a word of a command line: in quotes where it has what a shell would not leave as it is.
std::string argument_for(const std::string& path);
// The check of such a program's options that are whole numbers from 0, which may be written as in
// the other programs (1e3). Without it "-1" is read as the largest number and "010" as 8.
CLI::Validator not_negative();

}  // namespace skiff
