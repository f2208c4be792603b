// What evaluate and predict share.
#pragma once

#include <string>
#include <vector>

#include "examples/program/device.h"
#include "examples/train/open_run.h"

namespace skiff {

struct InferenceOptions {
  std::string device = "cpu";
  int64_t threads = 0;
  bool json = false;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "device", .help = kDeviceHelp, .words = device_words}, o.device);
    field({.name = "threads",
           .help = "Threads; 0: OMP_NUM_THREADS or all cores",
           .low = 0,
           .high = 4096},
          o.threads);
    field({.name = "json", .help = "Print JSON instead of a table, an object per line"}, o.json);
  }
};

// Sets the number of threads; returns the device.
Device prepare(const InferenceOptions& options);

// Sets the options of a run's data: the folder or, if it is empty, that of $SKIFF_DATA or
// $DATA_PATH, of the training, or 'data'; the ids of the training; the longest example in
// positions, end mark included (0: as in training).
void choose_data(OpenedRun& run, const std::string& folder, int64_t max_length = 0);
// That data. Tokens that the training did not have are <unk>. DataError for other classes.
TaskData labelled_data(const OpenedRun& run);

// Whether the training examples of `data` are others than those of the run; false where the
// checkpoint or the options do not tell.
bool is_other_data(const OpenedRun& run, const TaskData& data);
// "the training examples in 'data' are not those of 'runs/a'", and so many other runs.
std::string note_of_other_data(const OpenedRun& run, size_t others = 0);

// Words for the classes of a run: those of the task, or numbers.
std::vector<std::string> class_names(const OpenedRun& run);

struct Prediction {
  std::vector<double> probabilities;  // per class
  std::vector<int64_t> ranking;       // classes, the most probable first
  double seconds = 0;
};
// NumericalError where the logits are not finite.
Prediction predict(const OpenedRun& run, const Example& example, Device device);

// The whole of a file; "-": of standard input.
std::string read_input(const std::string& path);

// One example per file; of tasks with pairs, one of two files; of tasks whose tokens are words, one
// per line. DataError names the file, and the line, of what the model cannot read.
struct NamedExample {
  std::string name;
  Example example;
  int64_t tokens = 0, unknown = 0;  // unknown: symbols that the model reads as <unk>
};
std::vector<NamedExample> read_examples(const OpenedRun& run,
                                        const std::vector<std::string>& files);

}  // namespace skiff
