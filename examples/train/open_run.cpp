#include "examples/train/open_run.h"

#include <cstdlib>
#include <filesystem>

#include "core/check.h"
#include "data/tasks.h"
#include "examples/train/checkpoint.h"
#include "examples/train/config_file.h"
#include "examples/train/recipes.h"
#include "layers/model_file.h"

namespace skiff {

namespace {

namespace fs = std::filesystem;

// What a batch of new examples needs, under "format.": f(name, value).
template <class Format, class F>
void for_each_value(Format& format, const F& f) {
  f("format.pairs", format.pairs), f("format.height", format.height);
  f("format.width", format.width), f("format.pixel-mean", format.pixel_mean);
  f("format.pixel-deviation", format.pixel_deviation), f("format.pad-to", format.pad_to);
}

bool read_format(const safetensors::File& file, InputFormat& format) {
  bool whole = true;
  for_each_value(format, [&](const char* name, auto& value) {
    const auto found = file.metadata.find(name);
    whole = whole && found != file.metadata.end();
    if (!whole) return;
    try {
      set_from_text(Field{.name = name, .help = ""}, value, found->second);
    } catch (const UsageError& e) {
      fail<DataError>(file.path, ": ", e.what());
    }
  });
  return whole;
}

// The options of a run whose checkpoints do not hold them.
Options options_of_folder(const std::string& folder, const std::string& checkpoint) {
  const std::string path = folder + "/config.toml";
  check<DataError>(fs::exists(path), "'", checkpoint,
                   "' holds no options of its model, and there is no config.toml beside it");
  Options options;
  try {
    const std::vector<ConfigEntry> entries = read_config(path);
    apply_config(options, entries);
    options = recipe_named(options.train.recipe, options.data.task).options;
    apply_config(options, entries);
  } catch (const UsageError& e) {
    fail<DataError>(e.what());
  }
  return options;
}

// Of the same run; the number of token ids is that of the embedding.
ModelCard card_of_options(const Options& options, const safetensors::File& file) {
  const Task& task = task_named(options.data.task);
  const auto& [vocab, features, classes, max_length, height, width, pairs] = task.shape;
  ModelCard card{options.model,
                 {vocab, features, classes, options.data.max_length, height, width, pairs},
                 options.data.task,
                 {}};
  if (card.shape.vocab > 0) card.shape.vocab = file.at("encoder.weight").size(0);
  return card;
}

}  // namespace

InputShape input_shape(const TaskData& data, int64_t max_length) {
  return {.vocab = data.vocab,
          .features = data.vocab > 0 ? 0 : 1,
          .classes = data.classes,
          .max_length = max_length,
          .height = data.height,
          .width = data.width,
          .pairs = data.pairs};
}

Metadata run_metadata(const ModelCard& card, const InputFormat& format, const Options& options) {
  Metadata metadata;
  add_card(metadata, card);
  for_each_value(format,
                 [&](const char* name, const auto& value) { metadata[name] = value_text(value); });
  add_options(metadata, "data", options.data);
  add_options(metadata, "train", options.train);
  add_options(metadata, "pretrain", options.pretrain);
  metadata.erase("train.steps");
  leave_out_defaults(metadata, {{"train.decaying", "all"},
                                {"train.beta2", "0.999"},
                                {"train.batch-tokens", "0"},
                                {"train.label-smoothing", "0"},
                                {"pretrain.shortest", "0"},
                                {"pretrain.longest", "0"}});
  return metadata;
}

PretrainOptions pretraining_of(const safetensors::File& file) {
  PretrainOptions options;
  read_options(file.metadata, file.path, "pretrain", options);
  return options;
}

std::string named_data_folder() {
  for (const char* variable : {"SKIFF_DATA", "DATA_PATH"})
    if (const char* value = std::getenv(variable); value && *value) return value;
  return "";
}

std::string data_folder(const std::string& given) {
  if (!given.empty()) return given;
  const std::string named = named_data_folder();
  return named.empty() ? "data" : named;
}

std::map<std::string, std::string> known_config(const std::string& folder) {
  std::map<std::string, std::string> values;
  const std::string path = folder + "/config.toml";
  std::error_code error;
  const bool there = fs::exists(path, error);
  check<IoError>(!error, "cannot look for '", path, "': ", error.message());
  if (!there) return values;
  try {
    for (const ConfigEntry& e : read_config(path)) values[e.key] = e.value;
  } catch (const Error&) {
    values.clear();
  }
  return values;
}

std::string data_of_training(const std::string& folder) {
  auto own = known_config(folder);
  const std::string data = own["data"];
  if (data.empty() || data[0] == '/') return data.empty() || is_there(data) ? data : "";
  fs::path out = fs::path(own["out"]).lexically_normal(), rest = fs::path(data).lexically_normal();
  // How the folder that ../runs/a and ../data were seen from is called nobody knows, nor matters.
  const auto goes_up = [](const fs::path& path) { return !path.empty() && *path.begin() == ".."; };
  while (goes_up(out) && goes_up(rest)) {
    out = out.lexically_relative("..");
    rest = rest.lexically_relative("..");
  }
  std::error_code error;
  const std::string run = fs::canonical(folder, error).string() + (out == "." ? "/" : "");
  const std::string ending = "/" + (out == "." ? "" : out.string());
  if (!error && !goes_up(out) && run.ends_with(ending)) {
    const fs::path other = fs::path(run.substr(0, run.size() - ending.size() + 1)) / rest;
    if (is_there(other)) return fs::proximate(other, error).string();
  }
  return is_there(data) ? data : "";
}

OpenedRun open_run(const std::string& path, Device device) {
  OpenedRun run;
  const CheckpointPlace place = checkpoint_at(path);
  run.checkpoint = place.file;
  run.folder = place.folder;
  const safetensors::File file = safetensors::read(run.checkpoint);
  run.options.pretrain = pretraining_of(file);
  check<DataError>(!pretrains(run.options), "'", run.checkpoint, "' is a pretraining (",
                   value_text(run.options.pretrain.objective),
                   "), which predicts no classes; 'train_lra --init ", path,
                   "' trains a classifier from it");
  ModelCard card;
  if (has_card(file)) {
    card = card_of(file);
    read_options(file.metadata, file.path, "data", run.options.data);
    read_options(file.metadata, file.path, "train", run.options.train);
    run.options.model = card.options;
    run.has_format = read_format(file, run.format);
  } else {
    run.options = options_of_folder(run.folder, run.checkpoint);
    card = card_of_options(run.options, file);
  }
  run.opened = open_model(file, card, device);
  return run;
}

}  // namespace skiff
