// Models in files: a checkpoint alone gives the model back, and one that cannot is refused.
#include "layers/mixers.h"
#include "layers/model_file.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {
ModelCard small_card() {
  return {.options = {.layers = 1,
                      .dim = 8,
                      .encoder_dropout = 0.3,
                      .readout = Readout::Last,
                      .ski = {.inducing_points = 5, .filter = 7}},
          .shape = {.vocab = 6, .classes = 3, .max_length = 20},
          .task = "text",
          .vocabulary = {"<pad>", "<unk>", "<eos>", "\n", "\\", "ü\r \\n"}};
}
Tensor some_tokens() { return tensor_of(std::vector<int32_t>{3, 4, 5, 1, 5, 3, 2, 0}, {2, 4}); }
std::vector<double> logits(const Model& model) {
  return to_vector(model(some_tokens(), tensor_of(std::vector<int32_t>{4, 3}, {2})).value());
}
// A file as it is written, with other metadata.
safetensors::File file_with(const Metadata& metadata) {
  safetensors::File file;
  file.path = "x.safetensors";
  file.metadata = metadata;
  return file;
}
std::string refusal(Metadata metadata, const std::string& key, const std::string& text) {
  metadata[key] = text;
  return message_of([&] { card_of(file_with(metadata)); });
}
}  // namespace

TEST_CASE("model file: any bytes come back from metadata, and UTF-8 stays readable") {
  for (const std::string text : {"", "runs/a", "gr\xc3\xbc\xc3\x9f", "caf\xe9.txt", "hex:61",
                                 "\xff", "a\xc3", "tab\t\x01"}) {
    CAPTURE(text);
    const std::string kept = to_metadata_text(text);
    CHECK(from_metadata_text(kept) == text);
    const Folder folder;
    safetensors::write(folder.file("x.safetensors"), {}, {{"k", kept}});
  }
  CHECK(to_metadata_text("gr\xc3\xbcn") == "gr\xc3\xbcn");
  CHECK(to_metadata_text("a\xe9") == "hex:61e9");
  for (const char* text : {"hex:6", "hex:6g", "hex:+6", "hexagon"})  // of a file not written here
    CHECK(from_metadata_text(text) == text);
}

TEST_CASE("model file: a saved model is opened from its file alone, with every mixer and dtype") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  ModelCard card = small_card();
  for (const DType dtype : {DType::Float32, DType::Float64})
    for (const MixerEntry& entry : mixers()) {
      CAPTURE(std::string(entry.name));
      card.options.mixer = entry.name;
      card.options.dtype = dtype;
      Parameters store(3, dtype);
      const Model model(store.root(), card.options, card.shape);
      store.set_training(false);
      save_model(path, store, card, {{"note", "kept"}});
      const OpenedModel opened = open_model(path);
      CHECK(opened.metadata.at("note") == "kept");
      CHECK(opened.card.task == "text");
      CHECK(opened.card.vocabulary == card.vocabulary);
      CHECK(to_texts(opened.card.options) == to_texts(card.options));
      CHECK(to_texts(opened.card.shape) == to_texts(card.shape));
      CHECK(opened.parameters->dtype() == dtype);
      CHECK(logits(*opened.model) == logits(model));
      CHECK(logits(*opened.model) == logits(*opened.model));  // no dropout
    }
}

TEST_CASE("model file: pairs, images and a file with the state of an optimizer") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  ModelCard card = small_card();
  card.shape.pairs = true;
  Parameters store(3);
  const Model pairs(store.root(), card.options, card.shape);
  store.set_training(false);
  save_model(path, store, card);
  CHECK(logits(*open_model(path).model) == logits(pairs));

  Metadata metadata;
  add_card(metadata, card);
  std::vector<safetensors::Entry> entries = store.values();
  entries.push_back({"optimizer.m.x", zeros({3}, DType::Float32)});
  safetensors::write(path, entries, metadata);
  CHECK(logits(*open_model(path).model) == logits(pairs));

  const ModelCard image{.options = card.options,
                        .shape = {.features = 1, .classes = 2, .height = 3, .width = 4}};
  Parameters image_store(3);
  const Model model(image_store.root(), image.options, image.shape);
  save_model(path, image_store, image);
  const Tensor x = random_normal({2, 12, 1}, DType::Float32, 1),
               all = tensor_of(std::vector<int32_t>{12, 12}, {2});
  const OpenedModel opened = open_model(path);
  image_store.set_training(false);
  CHECK(opened.card.vocabulary.empty());
  CHECK(to_vector((*opened.model)(x, all).value()) == to_vector(model(x, all).value()));
}

TEST_CASE("model file: an option that the file lacks has its default, under its old name too") {
  Metadata metadata;
  add_card(metadata, small_card());
  metadata.erase("model.dropout");
  metadata.erase("model.inducing-points");
  metadata["model.rank"] = "9";
  const ModelCard card = card_of(file_with(metadata));
  CHECK(card.options.dropout == ModelOptions().dropout);
  CHECK(card.options.ski.inducing_points == 9);
  CHECK(card.options.ski.filter == 7);
}

TEST_CASE(
    "model file: a file without a card, of a newer version or with wrong options is refused") {
  Metadata good;
  add_card(good, small_card());
  CHECK(contains(message_of([] { card_of(file_with({})); }),
                 "x.safetensors: the checkpoint does not hold the options of its model"));
  CHECK_FALSE(has_card(file_with({})));
  CHECK(has_card(file_with(good)));
  CHECK(contains(refusal(good, "options_version", "2"), "must be from 1 to 1, got '2'"));
  CHECK(contains(refusal(good, "options_version", "x"), "got 'x'"));
  CHECK(contains(refusal(good, "model.norm", "bath"), "did you mean 'batch'?"));
  CHECK(contains(refusal(good, "model.mixer", "rnn"), "must be one of ski, tno"));
  CHECK(contains(refusal(good, "model.dim", "0"), "must be a number from 1 to 65536, got '0'"));
  CHECK(contains(refusal(good, "model.depth", "2"), "the option 'model.depth' does not exist"));
  CHECK_THROWS_AS(card_of(file_with({{"options_version", "0"}})), DataError);
}

TEST_CASE("model file: parameters that do not fit the card are named") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  ModelCard card = small_card();
  Parameters store(3);
  const Model model(store.root(), card.options, card.shape);
  card.options.dim = 16;
  save_model(path, store, card);
  CHECK(contains(message_of([&] { open_model(path); }),
                 "'encoder.weight' is float32 (6, 8), expected float32 (6, 16)"));
  card.shape.features = 1;
  save_model(path, store, card);
  CHECK_THROWS_WITH_AS(open_model(path), doctest::Contains("either a vocabulary or a number"),
                       DataError);
}
