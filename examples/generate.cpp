// Writes text with a model of train_lm, a token at a time, as fast as its kernels allow.
// Run:     build/cpu/generate runs/input-tiny-fd-1 --prompt "ROMEO:" --tokens 300
//          build/cpu/generate runs/input-tiny-fd-1 --context 4096 --tokens 2000 --compare
// Expect:  the prompt and what follows it on stdout; tokens per second on stderr
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "examples/language/open_run.h"
#include "examples/language/sample.h"
#include "examples/language/writing.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/train/display.h"
#include "examples/train/inference.h"

using namespace skiff;

namespace {

struct GenerateOptions {
  std::string run, prompt, prompt_file;
  WritingOptions writing;
  GeneratorOptions generator;
  bool echo = true, compare = false, quiet = false;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "prompt", .help = "Text to continue; FILE:name reads a file"}, o.prompt);
    field({.name = "prompt-file", .help = "File to continue; - reads stdin"}, o.prompt_file);
    field({.name = "tokens", .help = "Tokens to write; -1: without end", .low = -1, .high = 1e12},
          o.writing.tokens);
    field({.name = "samples",
           .help = "Texts to write, each with random numbers of its own",
           .low = 1,
           .high = 1000},
          o.writing.samples);
    field({.name = "seed", .help = "Seed of the random numbers", .low = 0}, o.writing.seed);
    field({.name = "ignore-eos", .help = "Words: go on after the end of a line"},
          o.writing.ignore_eos);
    field({.name = "raw",
           .help = "Write bytes as they come, whole characters or not; of other units it changes "
                   "nothing"},
          o.writing.raw);
    field({.name = "echo", .help = "Print the prompt first"}, o.echo);
    field({.name = "compare", .help = "Afterwards compute the same text in every way: a table"},
          o.compare);
    field({.name = "quiet", .help = "Print no speed and no notes"}, o.quiet);
    field({.name = "choice", .help = ""}, o.writing.choice);
    field({.name = "generator", .help = ""}, o.generator);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

void put(const std::string& text, bool raw) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  const std::string shown = terminal && !raw ? harmless(text) : text;
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  check<IoError>(std::fflush(stdout) == 0, "stdout cannot be written");
}

void note_unused(const GenerateOptions& o, const Flags& flags) {
  const bool unused = !o.quiet && !o.compare && o.generator.method != Method::States;
  for (const char* name : {"states", "exact-lags"})
    if (unused && flags.given(name))
      std::fprintf(stderr, "note: --%s has no effect without --method states or --compare\n", name);
}

int generate(GenerateOptions o) {
  const Device device = prepare(o.inference);
  OpenedLmRun run = open_lm_run(o.run, device);
  const std::string beginning = prompt_text(o.prompt, o.prompt_file);
  std::vector<int32_t> prompt;
  if (!beginning.empty()) prompt = run.vocabulary.encode(beginning);
  const bool given = !prompt.empty();
  if (!given) prompt = {first_token(run.vocabulary)};
  check_finite(run);
  Generator generator(&run.model(), o.generator);
  catch_stop_signals();
  std::signal(SIGPIPE, SIG_DFL);  // ends like any filter when nobody reads on; nothing is lost
  const bool json = o.inference.json, raw = o.writing.raw;
  if (const std::string note = note_of_unknown(run.vocabulary, prompt); !note.empty() && !o.quiet)
    std::fprintf(stderr, "note: %s\n", note.c_str());
  if (given && o.echo && !json) put(beginning, raw);
  o.writing.after_prompt = o.echo && !json && given && !is_blank(beginning.back());
  o.writing.keep_first = json || o.compare;
  const Written w = write(
      generator, run.vocabulary, prompt, o.writing,
      [&](const std::string& piece) { json ? void() : put(piece, raw); },
      [] { return stop_signal == 0; });
  const std::vector<int32_t>& tokens = w.samples[0].tokens;
  const auto compare = [&] {
    Display display(progressing("auto"), o.quiet);
    return compare_methods(&run.model(), o.generator, prompt, tokens, o.writing,
                           [&](const std::string& method) { display.begin(method, ""); });
  };
  if (json) {
    nlohmann::ordered_json result = {
        {"prompt", beginning},         {"method", word_for(generator.method())},
        {"context", generator.lags()}, {"tokens", w.timing.tokens},
        {"seconds", w.timing.seconds}, {"longest_step", w.timing.longest}};
    for (const WrittenSample& s : w.samples) result["samples"].push_back(s.text);
    if (o.compare && !w.interrupted)
      for (const Compared& row : compare()) result["compared"].push_back(json_of(row));
    put(result.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n", true);
  } else {
    if (!raw) put("\n", raw);
    for (size_t s = 1; s < w.samples.size(); ++s) {
      put("---------------\n", raw);
      if (given && o.echo) put(beginning, raw);
      put(w.samples[s].text + "\n", raw);
    }
  }
  if (!o.quiet) print_speed(w, generator);
  if (w.interrupted) throw Stopped();
  if (o.compare && !json)
    std::fputs(
        table_of(compare(), int64_t(tokens.size()), seconds_to_read(generator.weight_bytes()))
            .c_str(),
        stderr);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  GenerateOptions options;
  Flags flags("Writes text with a model of train_lm.", "generate");
  flags.positional("run", options.run, "Run folder of train_lm, or a checkpoint");
  flags.also("prompt", {"p"});
  flags.also("prompt-file", {"f"});
  flags.also("tokens", {"n"});
  flags.also("temperature", {"temp"});
  flags.add(options);
  flags.list("stop", options.writing.stops, "Stop before this text; may be given several times");
  flags.footer(
      "Examples:\n"
      "  generate runs/input-tiny-fd-1 --prompt \"ROMEO:\" --top-k 40 --samples 3\n"
      "  generate runs/input-tiny-fd-1 --prompt-file - --tokens -1 < beginning.txt");
  return run_program(argc, argv, flags, [&] {
    note_unused(options, flags);
    return generate(options);
  });
}
