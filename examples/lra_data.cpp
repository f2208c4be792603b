// lra_data: makes and checks the data of the tasks.
//
//   lra_data generate listops --out data/listops     about 100,000 expressions
//   lra_data check data                              every row of every task found there
//   lra_data show text data                          a few examples as the model sees them
#include <CLI/CLI.hpp>
#include <functional>

#include "data/tasks.h"
#include "examples/data/commands.h"
#include "examples/program/program.h"

using namespace skiff;

namespace {

const CLI::Validator kNotNegative = not_negative();

// Parsing the subcommand sets `chosen`, what the program is to do.
void add_generate_listops(CLI::App& generate, GenerateListops& settings,
                          std::function<int()>& chosen) {
  CLI::App* app = generate.add_subcommand("listops", "Nested MIN, MAX, median and sum modulo 10");
  app->add_option("--out", settings.out, "Folder for basic_{train,val,test}.tsv")->required();
  app->add_option("--seed", settings.seed, "Random seed")->transform(kNotNegative);
  app->add_option("--train", settings.counts.train, "Training examples")->transform(kNotNegative);
  app->add_option("--val", settings.counts.val, "Validation examples")->transform(kNotNegative);
  app->add_option("--test", settings.counts.test, "Test examples")->transform(kNotNegative);
  app->add_option("--min-length", settings.limits.min_length,
                  "Expressions have more tokens than this")
      ->transform(kNotNegative);
  app->add_option("--max-length", settings.limits.max_length,
                  "Expressions have fewer tokens than this")
      ->transform(kNotNegative);
  app->add_option("--max-depth", settings.limits.max_depth, "Levels of a tree")
      ->transform(kNotNegative);
  app->add_option("--max-args", settings.limits.max_args, "Arguments of an operator, from 2")
      ->transform(kNotNegative);
  app->add_flag("--force", settings.force, "Replace existing files");
  app->footer(
      "Example, short expressions for a quick test:\n"
      "  lra_data generate listops --out data/listops-small --train 2000 --val 200 "
      "--test 200 --min-length 10 --max-length 60");
  app->callback([&] { chosen = [&] { return generate_listops(settings); }; });
}

void add_generate_pathfinder(CLI::App& generate, GeneratePathfinder& settings,
                             std::function<int()>& chosen) {
  CLI::App* app = generate.add_subcommand("pathfinder", "Are two discs joined by a dashed curve?");
  app->add_option("--out", settings.out, "Folder for pathfinder<size>")->required();
  app->add_option("--size", settings.size, "Pixels per side: 32, 64, 128 (Path-X) or 256")
      ->transform(kNotNegative);
  app->add_option("--contour", settings.contours,
                  "Dashes of a curve: 14; the authors' easier levels have 6 and 9. Several with "
                  "commas take turns")
      ->delimiter(',')
      ->transform(kNotNegative);
  app->add_option(
         "--distractors", settings.distractors,
         "Shorter curves beside the two, as many as find a place; -1: as in the benchmark. "
         "Several with commas take turns")
      ->delimiter(',')
      ->check(CLI::Range(-1, 1000));
  app->add_option("--count", settings.count, "Images")->transform(kNotNegative);
  app->add_option("--per-batch", settings.per_batch, "Images of one folder")
      ->transform(kNotNegative);
  app->add_option("--seed", settings.seed, "Random seed")->transform(kNotNegative);
  app->add_flag("--fair-places", settings.fair_places,
                "Curves begin in any direction that has room. The authors' program allows few "
                "directions in images of 32 or 64 pixels, and many distractors find no place. This "
                "task is harder than the benchmark: 4.65 distractors per image instead of 1.16 at "
                "32 pixels");
  app->add_flag("--single-dashes", settings.single_dashes,
                "Fill up with dashes that belong to no curve, as the authors' program can");
  app->add_flag("--numpy", settings.numpy, "Metadata as NumPy arrays, not as text");
  app->add_flag("--force", settings.force, "Replace existing files");
  app->footer("Example:\n  lra_data generate pathfinder --out data --count 20000");
  app->callback([&] { chosen = [&] { return generate_pathfinder(settings); }; });
}

void add_show(CLI::App& app, Show& show, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand("show", "Print a few examples as the model sees them");
  std::string names;
  for (const Task& task : tasks()) names += (names.empty() ? "" : ", ") + task.name;
  command->add_option("task", show.task, names)->required();
  command->add_option("dir", show.folder, "Folder of the task or of all tasks")->required();
  command->add_option("--split", show.split, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}));
  command->add_option("--count", show.count, "Examples")->transform(kNotNegative);
  command->add_option("--png", show.png, "Images: the file to write");
  command->add_option("--length", show.length, "Tokens of each; 0: all of them")
      ->transform(kNotNegative);
  command->footer("Example:\n  lra_data show text data --split test --count 5");
  command->callback([&] { chosen = [&] { return show_examples(show); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes and checks the data of the tasks.", "lra_data");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  app.footer(
      "Example:\n  lra_data generate listops --out data/listops\n  lra_data check data\n"
      "  lra_data show listops data");

  CLI::App* generate = app.add_subcommand("generate", "Write the data of a task");
  generate->require_subcommand(1);
  generate->footer("Example:\n  lra_data generate listops --out data/listops");
  GenerateListops listops_settings;
  std::function<int()> chosen;
  add_generate_listops(*generate, listops_settings, chosen);
  GeneratePathfinder pathfinder_settings;
  add_generate_pathfinder(*generate, pathfinder_settings, chosen);

  CLI::App* check = app.add_subcommand("check", "Read every row and report what is there");
  std::string folder;
  check->add_option("dir", folder, "Folder of one task or of all tasks, or an archive")->required();
  check->footer(
      "Exit code 3 when a task that is there cannot be used.\nExample:\n"
      "  lra_data check data");
  check->callback([&] { chosen = [&] { return check_folder(folder); }; });
  Show show;
  add_show(app, show, chosen);
  return run_program(argc, argv, app, [&] { return chosen(); });
}
