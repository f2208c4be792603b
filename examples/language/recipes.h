// The recipes of train_lm: sets of defaults for all options. demo, tiny and small are our own, for
// two cores; paper is what the published scripts set for WikiText-103 (OpenNLPLab/Tnn train_alm.sh
// and train_blm.sh with the models of fairseq-evo; jonathanmei/ski-tnn for ski and fd).
#pragma once

#include "examples/language/options.h"

namespace skiff {

// The defaults of all options, from --recipe, --mixer and --objective of `chosen`.
LmOptions recipe_of(const LmOptions& chosen);

void print_lm_recipes();  // a table: what each trains

}  // namespace skiff
