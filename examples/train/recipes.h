// The recipes: sets of defaults for all options, per task. `paper` is what script_lra.py of
// jonathanmei/ski-tnn sets on the data of the S4 protocol, for all three mixers alike; `tiny`
// trains in minutes on two cores, `small` in about an hour; `demo` is what `make demo` trains,
// there in stages.
#pragma once

#include <string>
#include <vector>

#include "examples/train/options.h"

namespace skiff {

// Test accuracy that a recipe reached, with seed 1 and no other option.
struct Measured {
  const char* mixer;
  double accuracy;
};

struct Recipe {
  Options options;
  std::vector<Measured> measured;  // a mixer that is missing was not measured yet
  const std::string& task() const { return options.data.task; }
  const std::string& name() const { return options.train.recipe; }
};

const std::vector<Recipe>& recipes();
const Recipe& recipe_named(const std::string& name, const std::string& task);  // or UsageError

void print_recipes();  // a table: what each trains, and what it reached

}  // namespace skiff
