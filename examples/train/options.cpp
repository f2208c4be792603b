#include "examples/train/options.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include "core/check.h"
#include "data/tasks.h"
#include "examples/train/config_file.h"
#include "examples/train/flags.h"
#include "examples/train/program.h"
#include "examples/train/recipes.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool CommandLine::is_given(const std::string& name) const {
  return contains(given, name) || contains(in_file, name);
}

bool is_several(const std::string& task) {
  return task == "all" || task.find(',') != std::string::npos;
}

std::vector<std::string> several_tasks(const std::string& text) {
  if (text == "all") return names_of(tasks());
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string name; std::getline(parts, name, ',');) names.push_back(task_named(name).name);
  return names;
}

namespace {

// The options before the command line is read: those of the recipe, then of the file of --config.
// Task and recipe are looked up first, because they decide the defaults of all others.
CommandLine options_before_flags(int argc, char** argv) {
  CommandLine first, c;
  Flags look("", "train_lra");
  look.add(first.options);
  look.add(first.session);
  look.parse_what_is_right(argc, argv);
  std::string &task = first.options.data.task, &recipe = first.options.train.recipe;
  std::vector<ConfigEntry> entries;
  if (!first.session.config.empty()) entries = read_config(first.session.config);
  for (const ConfigEntry& e : entries) {
    if (e.key == "task" && !look.given("task")) task = e.value;
    if (e.key == "recipe" && !look.given("recipe")) recipe = e.value;
    c.in_file.push_back(e.key);
  }
  // Each of several tasks takes its own recipe later; the first one's numbers only fill --help.
  c.options = recipe_named(recipe, is_several(task) ? several_tasks(task).front() : task).options;
  c.options.data.task = task;
  apply_config(c.options, entries, /*elsewhere=*/field_names(c.session));
  return c;
}

}  // namespace

int run_with_options(int argc, char** argv, Flags& flags,
                     const std::function<int(CommandLine&)>& body) {
  CommandLine command;
  try {
    command = options_before_flags(argc, argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  }
  flags.add(command.options);
  flags.add(command.session);
  return run_program(argc, argv, flags, [&] {
    command.given = flags.given();
    return body(command);
  });
}

std::vector<std::string> options_without_effect(const CommandLine& c) {
  std::vector<std::string> notes;
  const auto needs = [&](bool holds, const std::string& reason,
                         const std::vector<const char*>& names) {
    if (holds) return;
    for (const std::string name : names)
      if (contains(c.given, name)) notes.push_back("--" + name + " has no effect " + reason);
  };
  const auto& [model, data, train, run] = c.options;
  if (is_several(data.task)) {
    needs(false, "with several tasks: each is trained with every mixer", {"mixer"});
    return notes;
  }
  const Task& chosen = task_named(data.task);
  const TaskShape& shape = chosen.shape;
  const bool images = shape.height > 0;
  const std::string task = "with --task " + data.task, mixer = "with --mixer " + model.mixer;
  const std::string one_size = task + ": its images have one size";
  for (const std::string& name : field_names(data))
    if (name != "task" && name != "data" && !contains(chosen.reads, name))
      needs(false, name == "max-length" ? one_size : task, {name.c_str()});
  needs(!images, one_size, {"mask-padding", "bucket"});
  needs(images, task + ": it has no images", {"layout"});
  needs(!images || mixer_named(model.mixer).reads_images(),
        mixer + ": it reads an image as one sequence", {"layout"});
  const bool lra = model.mixer == "tno" && model.tno.network == TnoNetwork::Lra;
  const bool warp = model.mixer == "ski" && model.ski.warp == Warp::Auto;
  for (const std::string& name : unread_options(model)) {
    const std::string reason = lra && name == "rpe-layers" ? "with --tno-rpe lra"
                               : warp && name == "gamma"   ? "with --warp auto"
                                                           : mixer;
    needs(false, reason, {name.c_str()});
  }
  needs(train.steps == 0, "beside --steps", {contains(c.given, "steps") ? "epochs" : ""});
  needs(train.schedule != ScheduleKind::Constant && train.schedule != ScheduleKind::InverseSqrt,
        "with --schedule " + value_text(train.schedule), {"horizon"});
  if (model.mixer == "ski" && contains(c.given, "inducing-points")) {
    const int64_t positions = !images ? data.max_length
                              : model.layout == Layout::Sequence
                                  ? shape.height * shape.width
                                  : std::max(shape.height, shape.width);
    check<UsageError>(model.ski.inducing_points <= positions, "--inducing-points: at most ",
                      positions, " inducing points fit the ", positions,
                      " positions of a sequence, got ", model.ski.inducing_points);
  }
  return notes;
}

bool has_other_steps(const CommandLine& c, const std::string& config, const std::string& file) {
  Options then = recipe_named(c.options.train.recipe, c.options.data.task).options;
  for (const ConfigEntry& e : parse_config(config, file))
    check<UsageError>(from_texts(then, {{e.key, e.value}}).empty(), "--resume: '", file, "' sets '",
                      e.key, "', which this program does not know; a newer one started this run");
  std::map<std::string, std::string> before = to_texts(then);
  bool other_steps = false;
  std::string differences;
  for_each_field(c.options, [&](const Field& field, const auto& value) {
    const std::string name = field.name, now = value_text(value);
    if (!field.changes_result || before[name] == now) return;
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

}  // namespace skiff
