// DataOptions: which examples a model learns from, each setting once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"

namespace skiff {

// Splits and tokens: of later work (state-spaces/s4), or of the original code (google-research/
// long-range-arena).
enum class Protocol { S4, Original };

inline std::span<const Word<Protocol>> words_of(Protocol) {
  static constexpr Word<Protocol> kWords[] = {{Protocol::S4, "s4"}, {Protocol::Original, "gr"}};
  return kWords;
}

struct DataOptions {
  std::string task = "listops";  // a name of data/tasks.h
  std::string folder;
  int64_t max_length = 2048;
  Protocol protocol = Protocol::S4;
  bool bytes = false;
  bool aan_decode = false;
  double val_split = 0;
  // No option: tokens get the ids of this vocabulary, and those that it lacks <unk>. Empty: the
  // vocabulary is that of the training split.
  std::vector<std::string> vocabulary = {};
  // No option: takes what a reader would like to know meanwhile, such as which file is skipped.
  std::function<void(const std::string& message)> say = {};

  static constexpr const char* kTitle = "Data";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "task", .help = "What to learn; all, or several with commas, with every mixer"},
          o.task);
    field({.name = "data",
           .help = "Folder of the data (or $SKIFF_DATA, $DATA_PATH; else 'data')",
           .changes_result = false},
          o.folder);
    field({.name = "max-length",
           .help = "Longest sequence in positions, end mark included; longer ones are cut",
           .low = 2,
           .high = 1e7},
          o.max_length);
    field({.name = "protocol", .help = "Splits and tokens of later work (s4), or the original's"},
          o.protocol);
    field({.name = "bytes", .help = "text: bytes, not characters"}, o.bytes);
    field({.name = "aan-decode",
           .help = "retrieval: the texts as their authors wrote them, not the printed form of byte "
                   "strings, b'..', that published results are on"},
          o.aan_decode);
    field({.name = "val-split",
           .help = "text: share of training held out for validation; 0: validate on the test "
                   "split, as published",
           .low = 0,
           .high = 0.9},
          o.val_split);
  }
};

}  // namespace skiff
