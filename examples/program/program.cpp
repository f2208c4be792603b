#include "examples/program/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/options.h"
#include "core/processes.h"
#include "core/version.h"
#include "data/files/text_file.h"
#include "examples/program/flags.h"
#include "examples/program/start.h"

namespace skiff {

namespace {

// The command that the user named, as far as it was understood: "generate", then "listops" in it.
const CLI::App* named_command(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string full_name(const CLI::App* app) {
  const CLI::App* parent = app->get_parent();
  return parent == nullptr ? app->get_name() : full_name(parent) + " " + app->get_name();
}

// A message for words of the command line that are no option and no command; "" if all are.
std::string unknown_word(const CLI::App* app) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const std::string& word : app->remaining()) {
      const CLI::App* command = named_command(app);
      std::vector<std::string> known;
      if (word.size() > 1 && word[0] == '-') {
        const std::string name = word.substr(0, word.find('='));
        for (const CLI::Option* option : command->get_options())
          for (const std::string& text : option->get_lnames()) known.push_back("--" + text);
        return "unknown option '" + name + "'" + suggestion(name, known);
      }
      for (const CLI::App* sub : command->get_subcommands([](const CLI::App*) { return true; }))
        known.push_back(sub->get_name());
      return (known.empty() ? "unexpected argument '" : "unknown command '") + word + "'" +
             suggestion(word, known);
    }
  }
  return "";
}

// All processes hear what any has found wrong with its start ("": nothing). Then process 0 prints
// it, and all return its exit code; else 0. Each process calls this once.
int agree_on_start(std::string wrong, int code, const std::string& hint) {
  std::erase(wrong, kShield);
  try {
    together(processes(), [&] {
      if (!wrong.empty()) throw AgreedError(wrong, code);
    });
    return 0;
  } catch (const Error& error) {
    if (processes().rank() == 0)
      std::fprintf(stderr, "error: %s\n%s", printable(error.what()).c_str(), hint.c_str());
    return error.exit_code();
  }
}

// Prints the error and returns its exit code. One that this process alone has met ends the others.
int end_with(const std::string& message, int code) {
  if (processes().size() > 1) end_all(processes(), message, code);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return code;
}

// Programs that know what to do when there are several processes of them.
bool takes_processes(const std::string& program) {
  return program == "train_lra" || program == "train_lm" || program == "scaling";
}

// The exit code of the body, or of the error that it throws.
int run_body(const std::function<int()>& body) {
  try {
    const int code = body();
    check<IoError>(std::fflush(stdout) == 0 && std::ferror(stdout) == 0,
                   "cannot write to standard output");
    return code;
  } catch (const Error& error) {
    // A message may name files and quote their contents.
    const std::string message = printable(error.what());
    const bool stopped = dynamic_cast<const Stopped*>(&error) != nullptr;
    const bool agreed = stopped || dynamic_cast<const AgreedError*>(&error) != nullptr;
    if (!agreed) return end_with(message, error.exit_code());
    if (processes().rank() == 0)
      std::fprintf(stderr, "%s%s\n", stopped ? "" : "error: ", message.c_str());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    return end_with("out of memory", 1);
  } catch (const std::exception& error) {
    return end_with(error.what(), 1);
  }
}

int run_started(CLI::App& app, const std::function<void()>& parse,
                const std::function<int()>& body) {
  app.set_version_flag(
      "--version", [] { return std::string("skiff ") + kVersion + "\n" + bits_description(); },
      "Print the version and what this was built with, and exit");
  std::string wrong;
  try {
    parse();
    if (processes().size() > 1 && !takes_processes(app.get_name()))
      wrong = "it runs as one process, started as " + std::to_string(processes().size());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0)  // --help: prints to stdout
      return run_body([&] { return processes().rank() > 0 ? 0 : app.exit(error); });
    wrong = unknown_word(named_command(&app));
    if (wrong.empty()) wrong = error.what();
  } catch (const UsageError& error) {
    wrong = error.what();
  }
  const std::string hint = "'" + full_name(named_command(&app)) + " --help' lists the options\n";
  const int code = agree_on_start(wrong, UsageError("").exit_code(), hint);
  return code != 0 ? code : run_body(body);
}

int run(CLI::App& app, const std::function<void()>& parse, const std::function<int()>& body) {
  start::link_start();
  try {
    processes();
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
  const int code = run_started(app, parse, body);
  end_processes();
  return code;
}

}  // namespace

CLI::Validator not_negative() {
  return CLI::Validator(
      [](std::string& text) {
        if (text.starts_with('-')) return "must be at least 0, got " + text;
        try {  // CLI11 would cut what is too large, and take 010 for 8
          text = std::to_string(
              int64_t(parse_number({.name = "", .help = "", .low = 0}, text, /*integer=*/true)));
        } catch (const UsageError&) {
          return "must be a whole number from 0 to 9007199254740991, got " + text;
        }
        return std::string();
      },
      "");
}

std::string argument_for(const std::string& path) {
  const auto plain = [](unsigned char c) {
    return c >= 0x80 || std::isalnum(c) || std::strchr("%+,-./:=@_", c);
  };
  if (!path.empty() && std::ranges::all_of(path, plain)) return path;
  std::string quoted = "'";
  for (const char c : path) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

int refuse_start(const Error& error) {
  try {
    const int code = agree_on_start(error.what(), error.exit_code(), "");
    end_processes();
    return code;
  } catch (const Error& launch) {  // the processes cannot be had; run() says the same
    std::fprintf(stderr, "error: %s\n", launch.what());
    return launch.exit_code();
  }
}

int run_program(int argc, char** argv, Flags& flags, const std::function<int()>& body) {
  return run(
      flags.app(), [&] { flags.parse(argc, argv); }, body);
}

int run_program(int argc, char** argv, CLI::App& app, const std::function<int()>& body) {
  return run(
      app,
      [&] {
        std::vector<std::string> arguments = arguments_for(app, argc, argv);
        for (size_t i = 0; i < arguments.size(); ++i)  // the last one first
          if (arguments[i] == std::string(1, kShield))
            fail<UsageError>(arguments.at(i + 1), ": a value must follow '='");
        for (std::string& argument : arguments) std::erase(argument, kShield);
        app.parse(std::move(arguments));
      },
      body);
}

}  // namespace skiff
