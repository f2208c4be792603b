// Runs and checkpoints of train_lra, opened again for use; where any run has its data.
#pragma once

#include <map>
#include <string>

#include "data/files/binary_file.h"
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

// Where a run of train_lra or train_lm found its data, if it is still there: config.toml has both
// places relative to one folder, which the place of the run tells. ../runs/a was runs/a, so data
// was ../data. Else the place itself, if something is there; else "".
std::string data_of_training(const std::string& folder);

// With --resume and without --data: puts that place into `data` if it names nothing from here, as
// from another folder than the one that the run was begun from.
template <class Options>
void use_data_of_training(const Command<Options>& c, std::string& data) {
  if (!c.session.resume || contains(c.given, "data") || is_there(data)) return;
  if (const std::string own = data_of_training(c.options.run.out); !own.empty()) data = own;
}

std::string named_data_folder();                    // $SKIFF_DATA, else $DATA_PATH, else ""
std::string data_folder(const std::string& given);  // or the named one, or "data"

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
