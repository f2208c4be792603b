// The tasks, each in one row of one table: train_lra, lra_data, bench and predict ask it and know
// no task by name. A new task is a file in data/tasks/ and a row of tasks.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/options.h"
#include "data/pretraining.h"
#include "data/report.h"
#include "data/task.h"

namespace skiff {

// What a task fixes about a model on the published data. The data at hand may differ, in its
// vocabulary for one.
struct TaskShape {
  int64_t vocab = 0;     // tokens, or
  int64_t features = 0;  // this many real numbers per position
  int64_t classes = 0;
  int64_t max_length = 0;
  int64_t height = 0, width = 0;  // images, in pixels
  bool pairs = false;             // each example is two documents
};

struct Task {
  std::string name;
  std::string hint;    // what is to be learnt, in a line
  std::string origin;  // where its data comes from: what to do when it is missing
  TaskShape shape;
  std::vector<std::string> class_names;  // empty: the classes are called by their numbers
  std::string separator;                 // printed between two tokens of a text
  std::vector<std::string> reads;        // names of the DataOptions that load() uses, but for
                                         // task and data, which every task uses

  bool (*has_data)(const std::string& folder);
  TaskData (*load)(const DataOptions& options);
  TaskReport (*check_files)(const std::string& folder);
  // One example from what a file holds (texts: its text; images: the bytes of a PNG; pairs: call it
  // for each document), as load() would have read it. `vocabulary` is that of the training.
  // DataError for input that the task cannot have.
  Example (*encode)(std::string_view input, const std::vector<std::string>& vocabulary,
                    const DataOptions& options);
  // The accuracy of each group of examples is reported, too: the name of a group ("MIN"), and what
  // groups are called in a table ("root operator"). None: a task without groups.
  std::string (*group_name)(int64_t group) = nullptr;
  const char* groups = "";
  const char* elsewhere = "";  // a folder of the system where its data may be, too
  // Pretraining on masked inputs (pretraining.h), as published: the share of masked positions, and
  // what is said about a masked pixel.
  double mask_share = 0.5;
  PixelTarget masked_pixel = PixelTarget::Level;
};

const std::vector<Task>& tasks();
const Task& task_named(const std::string& name);  // UsageError with a suggestion

}  // namespace skiff
