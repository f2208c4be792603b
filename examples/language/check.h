// The commands of lm_data; they return the exit code of the program.
#pragma once

#include <cstdint>

#include "data/language/options.h"

namespace skiff {

// Reads a text as train_lm would, and prints what it is, its splits and its first tokens.
// ngram: the highest order of the n-gram baseline that is computed; 0: none.
int check_text(const LanguageDataOptions& options, int64_t ngram);

}  // namespace skiff
