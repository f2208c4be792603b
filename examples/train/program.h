// What the main() of every program shares: errors become a line on stderr and an exit code, and a
// misspelt option or command gets a suggestion.
//
//   int main(int argc, char** argv) {
//     CLI::App app("Trains a model.", "train_lra");
//     Settings settings;
//     app.add_option("--seed", settings.seed, "Random seed");
//     app.footer("Example:\n  train_lra --seed 2");
//     return skiff::run_program(argc, argv, app, [&] { return train(settings); });
//   }
//
// Exit codes: what the body returns; 0 after --help and --version; 2 for a wrong command line;
// exit_code() of a skiff::Error (1 general, 2 setting, 3 data, 4 not a number, 5 writing); 1 for
// any other exception.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/options.h"
#include "core/version.h"
#include "data/files/text_file.h"
#include "examples/train/start.h"

namespace skiff {

// For options that are unsigned: without it "-1" is read as the largest number.
//   app.add_option("--seed", seed, "Random seed")->check(not_negative());
inline CLI::Validator not_negative() {
  return CLI::Validator(
      [](std::string& text) {
        return text.starts_with('-') ? "must be at least 0, got " + text : std::string();
      },
      "");
}

// After catch_stop_signals() a signal that asks the program to end only sets stop_signal, and the
// program looks at it where it can stop: it saves what it has to, then throws Stopped. These are
// SIGINT and SIGTERM, SIGHUP of a terminal that is closed, and SIGUSR1 and SIGXCPU of batch systems
// whose time is up. A second SIGINT or SIGTERM ends the program at once.
inline volatile std::sig_atomic_t stop_signal = 0;

struct Stopped : Error {
  Stopped() : Error("stopped by a signal"), code(128 + stop_signal) {}
  int exit_code() const override { return code; }
  int code;  // 130 for SIGINT, 143 for SIGTERM
};

inline void catch_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;  // started with nohup
    struct sigaction action = {};
    action.sa_handler = [](int which) { stop_signal = which; };
    // The others can come twice without anybody meaning it: SIGXCPU comes every second.
    if (signal == SIGINT || signal == SIGTERM) action.sa_flags = int(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
  // A reader of the progress that has gone, or a limit on the size of files, is an error of the
  // write alone.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

namespace program {

// The command the user named, as far as it was understood: "generate", then "listops" in it.
inline const CLI::App* named_command(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

inline std::string full_name(const CLI::App* app) {
  const CLI::App* parent = app->get_parent();
  return parent == nullptr ? app->get_name() : full_name(parent) + " " + app->get_name();
}

// Message for words of the command line that are no option and no command; "" if all are.
inline std::string unknown_word(const CLI::App* app) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const std::string& word : app->remaining()) {
      const CLI::App* command = named_command(app);
      std::vector<std::string> known;
      if (word.size() > 1 && word[0] == '-') {
        const std::string name = word.substr(0, word.find('='));
        for (const CLI::Option* option : command->get_options()) {
          for (const std::string& text : option->get_lnames()) known.push_back("--" + text);
        }
        return "unknown option '" + name + "'" + suggestion(name, known);
      }
      for (const CLI::App* sub : command->get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(sub->get_name());
      }
      return (known.empty() ? "unexpected argument '" : "unknown command '") + word + "'" +
             suggestion(word, known);
    }
  }
  return "";
}

}  // namespace program

// Parses the command line and runs the body. Returns the exit code of the program.
inline int run_program(int argc, char** argv, CLI::App& app, const std::function<int()>& body) {
  app.set_version_flag("--version", std::string("skiff ") + kVersion, "Print the version and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help: prints to stdout
    const CLI::App* command = program::named_command(&app);
    const std::string unknown = program::unknown_word(command);
    std::fprintf(stderr, "error: %s\n'%s --help' lists the options\n",
                 unknown.empty() ? error.what() : unknown.c_str(),
                 program::full_name(command).c_str());
    return UsageError("").exit_code();
  }
  try {
    const int code = body();
    check<IoError>(std::fflush(stdout) == 0 && std::ferror(stdout) == 0,
                   "cannot write to standard output");
    return code;
  } catch (const Error& error) {
    // A message may name files and quote what stands in them.
    std::fprintf(stderr, "error: %s\n", printable(error.what()).c_str());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}

}  // namespace skiff
