// The options of bench.
#pragma once

#include <string>
#include <vector>

#include "core/options.h"
#include "examples/bench/cases.h"
#include "examples/bench/epoch.h"

namespace skiff {
class Flags;
}

namespace skiff::bench {

struct BenchOptions {
  Sizes sizes;
  std::string n = "512,1024,2048,4096", filter, out = "build/bench", json;
  std::string threads = "0";
  int64_t repeats = 9;
  double seconds = 0;
  bool quick = false, list = false, generation = false;
  EpochSizes epoch;
  std::string save_batches;
  std::vector<int> thread_counts;  // of --threads

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "n", .help = "Sequence lengths of operators and layers, with commas"}, o.n);
    field({.name = "batch",
           .help = "Sequences per call, except for language models",
           .low = 1,
           .high = 1e6},
          o.sizes.batch);
    field({.name = "dim", .help = "Channels of operators and layers", .low = 1, .high = 65536},
          o.sizes.dim);
    field({.name = "length",
           .help = "Tokens of a step of ListOps or Text; 0: the recipe's",
           .low = 0,
           .high = 1 << 20},
          o.sizes.length);
    field({.name = "recipe",
           .help = "Models of the steps, except for language models",
           .words =
               [] {
                 return std::vector<std::string>{"paper", "tiny"};
               }},
          o.sizes.recipe);
    field({.name = "filter", .help = "Only cases with one of these, with commas, in their name"},
          o.filter);
    field(
        {.name = "threads",
         .help = "Threads; several numbers, with commas: every case with each, and how it scales; "
                 "0: OMP_NUM_THREADS or all cores"},
        o.threads);
    field({.name = "repeats", .help = "Rounds", .low = 1, .high = 1e6}, o.repeats);
    field({.name = "seconds",
           .help = "No further round after this time; 0: all rounds",
           .low = 0,
           .high = 1e6},
          o.seconds);
    field({.name = "out", .help = "Folder of bench.jsonl and bench.svg"}, o.out);
    field({.name = "json",
           .help = "The JSON lines in this file; -: on standard output, and nothing else"},
          o.json);
    field({.name = "quick", .help = "Tiny sizes: does everything run?"}, o.quick);
    field({.name = "generation",
           .help = "Instead of the cases: what a token costs while a text is written; then only "
                   "--threads, --out, --quick and --json - count"},
          o.generation);
    field(
        {.name = "epoch",
         .help = "Instead of the cases: an epoch of training on the data of this task, listops or "
                 "text; heeds --recipe, --length, --batch, --repeats, --threads, --out, --json and "
                 "the next five"},
        o.epoch.task);
    field({.name = "data", .help = "Folder of the data (or $SKIFF_DATA, $DATA_PATH; else 'data')"},
          o.epoch.folder);
    field({.name = "mixers", .help = "Mixers that train, with commas"}, o.epoch.mixers);
    field({.name = "examples",
           .help = "Only so many training examples; 0: all",
           .low = 0,
           .high = 1e9},
          o.epoch.examples);
    field({.name = "batches",
           .help = "Batches measured per epoch, of every length; 0: all",
           .low = 0,
           .high = 1e9},
          o.epoch.batches);
    field({.name = "save-batches",
           .help = "Also writes the measured batches to this safetensors file, for other programs"},
          o.save_batches);
    field({.name = "list", .help = "Print the names of the cases and stop"}, o.list);
  }
};

// The words of a list with commas; UsageError, naming the option, for an empty word or a blank.
std::vector<std::string> words_of(const std::string& list, const char* option);
// The values that --quick and the options mean together. Throws UsageError.
void take_sizes(BenchOptions& o, const Flags& flags);

}  // namespace skiff::bench
