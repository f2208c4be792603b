// LanguageDataOptions: which text a language model learns from, each setting once.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/options.h"

namespace skiff {

// What one token is. Auto: what the data set is usually read as (data/README.md).
enum class Units { Auto, Bytes, Characters, Words };

inline std::span<const Word<Units>> words_of(Units) {
  static constexpr Word<Units> kWords[] = {{Units::Auto, "auto"},
                                           {Units::Bytes, "bytes"},
                                           {Units::Characters, "characters"},
                                           {Units::Words, "words"}};
  return kWords;
}

struct LanguageDataOptions {
  std::string place;  // a file, a folder or an archive
  Units units = Units::Auto;
  std::string split;
  int64_t vocab = 0;
  // No options. whole: one text without splits, which is then `train`. own_vocabulary: ids for the
  // tokens of training alone; false: for all.
  bool whole = false, own_vocabulary = true;

  static constexpr const char* kTitle = "Data";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "data",
           .help = "Text to learn from: a file, a folder or an archive",
           .changes_result = false},
          o.place);
    field({.name = "units", .help = "What one token is; auto: as usual for the data"}, o.units);
    field({.name = "split",
           .help = "Shares of training, validation and test in the order of the text, such as "
                   "0.9,0.05,0.05; empty: as usual for the data"},
          o.split);
    field({.name = "vocab",
           .help = "Token files (.bin): number of ids; 0: the largest id in the files plus one",
           .low = 0,
           .high = 2147483647},
          o.vocab);
  }
};

}  // namespace skiff
