// Models in files: a checkpoint that holds its options is enough to build the model again.
//
// The metadata of the safetensors file has "options_version", one key per option that changes
// the result ("model.dim"), one per number of the shape ("input.vocab"), "task" and "vocabulary";
// that of a language model has one more per option of its own ("language.tied").
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layers/language_model.h"
#include "layers/model.h"

namespace skiff {

using Metadata = std::map<std::string, std::string>;

// Metadata is UTF-8, which a path need not be. Bytes that are no UTF-8 are kept as "hex:" and two
// digits for each; so is a text that begins with "hex:".
std::string to_metadata_text(const std::string& bytes);
std::string from_metadata_text(const std::string& text);

// The options of a group that change the result, under "GROUP.NAME".
template <class Group>
void add_options(Metadata& metadata, const std::string& group, const Group& options) {
  for_each_field(options, [&](const Field& field, const auto& value) {
    if (field.changes_result)
      metadata[group + "." + field.name] = to_metadata_text(value_text(value));
  });
}

// Reads them; one that the metadata lacks stays as it is. Returns the names in the metadata that
// are no option. DataError, which names the file, for a value that its option does not allow.
template <class Group>
std::vector<std::string> read_options(const Metadata& metadata, const std::string& file,
                                      const std::string& group, Group& options) {
  Metadata texts;
  for (const auto& [key, value] : metadata)
    if (key.starts_with(group + "."))
      texts[key.substr(group.size() + 1)] = from_metadata_text(value);
  try {
    return from_texts(options, texts);
  } catch (const UsageError& e) {
    fail<DataError>(file, ": ", e.what());
  }
}

// What a model is, apart from the values of its parameters.
struct ModelCard {
  ModelOptions options;
  InputShape shape;
  std::string task = {};                         // name of the data it was trained on
  std::vector<std::string> vocabulary = {};      // of the texts of a task, by token id
  std::optional<LanguageOptions> language = {};  // of a language model
};

// For programs that write more into a checkpoint than a model, such as a trainer.
void add_card(Metadata& metadata, const ModelCard& card);
bool has_card(const safetensors::File& file);
// An option that the file does not have keeps its default. Throws DataError for a file without a
// card, for one of a newer version, and for a value that its option does not allow.
ModelCard card_of(const safetensors::File& file);

void save_model(const std::string& path, const Parameters& parameters, const ModelCard& card,
                Metadata more = {});

template <class M>
struct Opened {
  ModelCard card;
  Metadata metadata;  // of the file
  std::unique_ptr<Parameters> parameters;
  std::unique_ptr<M> model;  // points into the parameters
};
using OpenedModel = Opened<Model>;
using OpenedLanguageModel = Opened<LanguageModel>;

// The model of a checkpoint, not in training mode. Throws DataError where the parameters do not fit
// the card, and for a model of the other kind; the state of an optimizer is left out.
OpenedModel open_model(const std::string& path, Device device = Device::CPU);
OpenedLanguageModel open_language_model(const std::string& path, Device device = Device::CPU);
OpenedModel open_model(const safetensors::File& file, const ModelCard& card,
                       Device device = Device::CPU);  // of a file without a card

}  // namespace skiff
