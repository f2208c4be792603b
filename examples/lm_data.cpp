// lm_data: checks texts for language models.
//
//   lm_data check data/enwik8.zip                   what it is, its splits, its first tokens
//   lm_data check data/tinyshakespeare --ngram 7    and the n-gram baseline
#include <CLI/CLI.hpp>
#include <functional>

#include "data/language/ngram.h"
#include "examples/language/check.h"
#include "examples/program/program.h"

using namespace skiff;

int main(int argc, char** argv) {
  CLI::App app("Checks texts for language models.", "lm_data");
  app.require_subcommand(1);
  app.footer("Example:\n  lm_data check data/enwik8.zip --ngram 5");

  CLI::App* check = app.add_subcommand("check", "Read a text and report what is there");
  LanguageDataOptions options;
  int64_t ngram = 0;
  check
      ->add_option("place", options.place,
                   "A file, a folder or an archive: any text, enwik8, text8, tinyshakespeare, "
                   "WikiText, aclImdb, or token files")
      ->required();
  for_each_field(options, [&](const Field& field, auto& value) {
    if (std::string_view(field.name) == "data") return;  // the place
    check->add_option_function<std::string>(
        std::string("--") + field.name,
        [field, &value](const std::string& text) { set_from_text(field, value, text); },
        field.help);
  });
  check->add_option("--ngram", ngram, "Highest order of the n-gram baseline; 0: no baseline")
      ->transform(not_negative())
      ->check(CLI::Range(int64_t(0), kHighestOrder))
      ->capture_default_str();
  check->footer(
      "Exit code 3 when the text cannot be used.\nExample:\n"
      "  lm_data check data/input.txt --units bytes --split 0.9,0.05,0.05");
  return run_program(argc, argv, app, [&] { return check_text(options, ngram); });
}
