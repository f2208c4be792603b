// Trains a language model on a text: a causal Toeplitz model, or a masked one, or attention.
// Run:     build/cpu/train_lm --data input.txt --recipe tiny --mixer fd
//          build/cpu/train_lm --data enwik8.zip --recipe small --mixer tno --extrapolate 1,2,4,8
// Expect:  losses per token and byte beside those of n-grams, and a text that the model
//          writes. Progress goes to stderr, the run folder keeps the rest.
#include <omp.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "core/processes.h"
#include "examples/language/recipes.h"
#include "examples/language/run.h"
#include "examples/train/launched.h"
#include "examples/train/open_run.h"

using namespace skiff;

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  train_lm --data input.txt --recipe demo\n"
    "  train_lm --data wikitext-2-raw-v1.zip --recipe small --mixer ski --extrapolate 1,2,4,8\n"
    "  train_lm --out runs/input-tiny-fd-1 --resume\n"
    "Exit codes: 0 done, 2 wrong option, 3 bad data or checkpoint, 4 not a number, 5 cannot "
    "write,\n"
    "128 + its number: stopped by a signal after saving (130, 143; 129 for a closed terminal).";

// "enwik8" of "data/enwik8.zip".
std::string name_of(const std::string& place) {
  std::filesystem::path path(place);
  if (!path.has_filename()) path = path.parent_path();
  std::string name = path.filename().string();
  name = name.substr(0, name.find('.', 1));
  return name.empty() ? "text" : name;
}

void choose_folder(LmOptions& o) {
  if (!o.run.out.empty()) return;
  o.run.out = "runs/" + name_of(o.data.place) + "-" + o.train.recipe + "-" + o.mixer_name() +
              (o.masked() ? "-masked-" : "-") + std::to_string(o.train.seed);
}

int train(const LmCommand& command) {
  std::optional<LmRun> run;
  together(processes(), [&] { run.emplace(command); });
  const std::optional<LmResult> result = (*run)();
  if (processes().rank() > 0) return 0;
  if (result && command.session.json)
    print_json(*result);
  else if (result)  // otherwise it stopped at --stop-at
    print_table(*result);
  check<IoError>(run->write_error().empty(),
                 "the run has ended, but not everything was written: ", run->write_error());
  return 0;
}

int run(LmCommand& command) {
  const SessionOptions& session = command.session;
  if ((session.list || session.print_config) && processes().rank() > 0) return 0;
  if (session.list) {
    print_lm_recipes();
    return 0;
  }
  choose_folder(command.options);
  use_data_of_training(command, command.options.data.place);
  if (session.print_config) {
    std::fputs(config_text(command.options).c_str(), stdout);
    return 0;
  }
  catch_stop_signals();
  std::vector<std::string> notes;
  together(processes(), [&] {
    check<DataError>(!session.resume || !command.options.data.place.empty(), "--resume: '",
                     command.options.run.out, "' holds no run");
    check_options(command.options);
    notes = options_without_effect(command);
  });
  const Launched launched(command.options.run, command.session, result_text(command.options));
  if (session.threads > 0) omp_set_num_threads(int(session.threads));
  for (const std::string& note : notes)
    if (!session.quiet) std::fprintf(stderr, "note: %s\n", note.c_str());
  return train(command);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags("Trains a language model on a text.", "train_lm");
  flags.footer(kFooter);
  return run_with_lm_options(argc, argv, flags, run);
}
