// Runs and checkpoints of train_lra, opened again for use.
#pragma once

#include <map>
#include <string>

#include "data/task.h"
#include "examples/train/options.h"
#include "layers/model_file.h"

namespace skiff {

// What the data fixes about a model. max_length: of the options; a task may have shorter examples.
InputShape input_shape(const TaskData& data, int64_t max_length);

// What a checkpoint of train_lra says besides the position of the run: the card of the model, the
// format of its input, and the options of data and training. Not the number of steps: a run can be
// made longer.
Metadata run_metadata(const ModelCard& card, const InputFormat& format, const Options& options);

// What a checkpoint says about pretraining; objective None: it is that of a classifier.
PretrainOptions pretraining_of(const safetensors::File& file);

std::string data_folder(const std::string& given);  // or $SKIFF_DATA, $DATA_PATH, "data"
bool names_data_folder();                           // whether one of these variables is set

// The values of config.toml in a run folder; empty if there is none, or none that can be read. What
// a checkpoint holds itself does not depend on it.
std::map<std::string, std::string> known_config(const std::string& folder);

struct OpenedRun {
  std::string checkpoint;  // path of the file
  std::string folder;      // that it lies in
  Options options;         // those of model and data; of training as far as they are known
  OpenedModel opened;
  bool has_format = false;  // an older program's file has neither format nor vocabulary
  InputFormat format;

  const Model& model() const { return *opened.model; }
};

// `path`: a run folder, whose best weights are taken, or a checkpoint; DataError for one of a
// pretraining, which predicts no classes. A file that an older program
// made has no options of its own; they are read from config.toml beside it.
OpenedRun open_run(const std::string& path, Device device = Device::CPU);

}  // namespace skiff
