// Trains a Toeplitz model on a task of the Long Range Arena (Tay et al. 2021) and tests it; or
// pretrains one on the inputs of the task alone (--pretrain).
// Run:     build/cpu/lra_data generate listops --min-length 10 --max-length 150 --out data/listops
//          build/cpu/train_lra --task listops --mixer ski --recipe tiny --data data
// Expect:  a table with the accuracy on validation and test, the majority rate beside them; the
//          README has measured ones. Progress goes to stderr, the run folder keeps the rest.
#include <omp.h>

#include <cstdio>
#include <memory>

#include "core/processes.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/train/config_file.h"
#include "examples/train/launched.h"
#include "examples/train/open_run.h"
#include "examples/train/recipes.h"
#include "examples/train/several.h"
#include "examples/train/stages.h"
#include "examples/train/sweep.h"
#include "examples/train/task_run.h"

using namespace skiff;

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  train_lra --task listops --mixer fd --data data\n"
    "  train_lra --task all --recipe tiny --data data\n"
    "  train_lra --task pathfinder32 --pretrain masked --out runs/pretrained --data data\n"
    "  train_lra --task pathfinder32 --init runs/pretrained --data data\n"
    "  train_lra --out runs/listops-tiny-ski-1 --resume\n"
    "Exit codes: 0 done, 2 wrong option, 3 bad data or checkpoint, 4 not a number, 5 cannot "
    "write,\n"
    "128 + its number: stopped by a signal after saving (130, 143; 129 for a closed terminal).";

void choose_places(CommandLine& command) {
  Options& o = command.options;
  use_data_of_training(command, o.data.folder);
  o.data.folder = data_folder(o.data.folder);
  if (o.run.out.empty() && !is_several(o.data.task))
    o.run.out = "runs/" + o.data.task + "-" + o.train.recipe + "-" + o.model.mixer + "-" +
                std::to_string(o.train.seed) + (o.run.stages.empty() ? "" : "-stages") +
                (o.run.sweep.empty() ? "" : "-sweep") +
                (pretrains(o) ? "-" + value_text(o.pretrain.objective) : "");
}

int train(const CommandLine& command) {
  std::unique_ptr<TaskRun> run;
  together(processes(), [&] { run = make_task_run(command); });
  const std::optional<Result> result = (*run)();
  if (processes().rank() > 0) return 0;
  if (result && command.session.json)
    print_json(*result);
  else if (result)  // otherwise it stopped at --stop-at
    print_table(*result);
  check<IoError>(run->write_error().empty(),
                 "the run has ended, but not everything was written: ", run->write_error());
  return 0;
}

int run(CommandLine& command) {
  const SessionOptions& session = command.session;
  if ((session.list || session.print_config) && processes().rank() > 0) return 0;
  if (session.list) {
    print_recipes();
    return 0;
  }
  choose_places(command);
  if (session.print_config) {
    std::fputs(config_text(command.options).c_str(), stdout);
    return 0;
  }
  catch_stop_signals();
  std::vector<std::string> notes;
  together(processes(), [&] {
    const RunOptions& run = command.options.run;
    const bool alone = processes().size() == 1;
    check<UsageError>(alone || !is_several(command.options.data.task), "--task ",
                      command.options.data.task, ": several tasks run as one process");
    check<UsageError>(run.stages.empty() || run.sweep.empty(),
                      "--stages and --sweep: one of them at a time");
    check<UsageError>(alone || (run.stages.empty() && run.sweep.empty()),
                      "--stages and --sweep run as one process");
    // Those of a sweep and of stages are looked at run by run.
    if (run.stages.empty() && run.sweep.empty()) notes = options_without_effect(command);
  });
  const Launched launched(command.options.run, command.session, result_text(command.options));
  if (session.threads > 0) omp_set_num_threads(int(session.threads));
  for (const std::string& note : notes)
    if (!session.quiet) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (is_several(command.options.data.task)) return run_several(command);
  if (!command.options.run.stages.empty()) return run_stages(command);
  if (!command.options.run.sweep.empty()) return run_sweep(command);
  return train(command);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags("Trains a Toeplitz model on a task of the Long Range Arena.", "train_lra");
  flags.footer(kFooter);
  return run_with_options(argc, argv, flags, run);
}
