// train_lra --pretrain: runs on inputs alone, and --init from them.
#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "core/memory.h"
#include "examples/train/evaluation.h"
#include "examples/train/init.h"
#include "examples/train/pretrain.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

// One masked pretraining on tokens, made once.
struct Pretrained : TinyRun {
  Pretrained() {
    const Outcome o = train_here("tokens", "--pretrain masked --norm batch");
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
  }
};
const Pretrained& pretrained() {
  static const Pretrained made;
  return made;
}

// Small images in an IDX file of Fashion-MNIST's form.
void write_images(const Folder& folder, const std::string& name, int count) {
  std::string images =
      std::string("\0\0\x08\x03\0\0\0", 7) + char(count) + std::string("\0\0\0\x1c\0\0\0\x1c", 8);
  std::string labels = std::string("\0\0\x08\x01\0\0\0", 7) + char(count);
  for (int i = 0; i < count; ++i) {
    for (int k = 0; k < 784; ++k) images += char(i * 31 + k % 28);
    labels += char(i % 10);
  }
  folder.write("data/fashion/" + name + "-images-idx3-ubyte", images);
  folder.write("data/fashion/" + name + "-labels-idx1-ubyte", labels);
}

void write_documents(const Folder& folder) {
  for (const char* split : {"train", "eval", "test"}) {
    std::string rows;
    for (int i = 0; i < 8; ++i)
      rows += std::to_string(i % 2) + ".0\tA\tB\tb'some words about " + std::to_string(i) +
              "'\tb'other words'\n";
    folder.write("data/tsv_data/new_aan_pairs." + std::string(split) + ".tsv", rows);
  }
}

nlohmann::json result_of(const Place& place, const std::string& run) {
  return nlohmann::json::parse(slurp(place / (run + "/result.json")));
}

std::vector<double> first_rows(const Tensor& x, int64_t rows) {
  std::vector<double> values = to_vector(x);
  values.resize(size_t(rows * x.size(1)));
  return values;
}

// The parameters of a new classifier of this card after --init.
struct Started {
  Parameters parameters{/*seed=*/9};
  std::optional<Model> model;
  std::string text;
  Started(const std::string& from, const ModelCard& card) {
    model.emplace(parameters.root(), card.options, card.shape);
    text = start_from(from, card, parameters);
  }
  std::vector<double> values(const std::string& name) const {
    return to_vector(parameters.find(name)->variable.value());
  }
};

ModelCard classifier_card(ModelCard pretrained, int64_t classes) {
  --(pretrained.shape.vocab > 0 ? pretrained.shape.vocab : pretrained.shape.features);
  pretrained.shape.classes = classes;
  return pretrained;
}

// Everything but the encoder and the decoders is that of the file, buffers included.
void check_taken(const Started& started, const safetensors::File& file) {
  int64_t compared = 0, buffers = 0;
  for (const Parameter& p : started.parameters.all()) {
    if (p.name.starts_with("decoder") || p.name == "encoder.weight") continue;
    CAPTURE(p.name);
    CHECK((started.values(p.name) == to_vector(file.at(p.name))));
    ++compared;
    buffers += !p.trained;
  }
  CHECK(compared > 5);
  CHECK(buffers > 0);  // of batch norm
}

void fill_with_zeros(const Parameters& parameters, const std::string& name) {
  Tensor own = parameters.find(name)->variable.value();
  const Tensor zero = zeros_like(own);
  memory::copy(own.device(), own.raw(), zero.device(), zero.raw(), size_t(own.bytes()));
}

}  // namespace

TEST_CASE("pretrain: a run learns masked tokens in a folder like any other") {
  const TinyRun place;
  const Outcome o = place.train("run", "--pretrain masked --steps 60 --warmup 5 --lr 0.02");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "listops, ski, pretraining masked, recipe tiny"));
  CHECK(contains(o.out, "one answer for all positions"));
  CHECK(contains(o.out, "--init " + place / "run" + " trains on labels from here"));
  const auto json = result_of(place, "run");
  CHECK(json.at("pretrain") == "masked");
  CHECK(json.at("mask_share") == 0.1);  // the default of the task
  CHECK(json.at("test_examples") == 0);
  CHECK(json.at("best_val_loss").get<double>() < std::log(18.0));
  CHECK(json.at("best_val_accuracy").get<double>() > 1. / 18);
  CHECK(json.at("constant_val_loss").get<double>() < std::log(18.0));
  for (const char* name : {"config.toml", "metrics.csv", "curves.svg", "best.safetensors"})
    CHECK(fs::exists(place / ("run/" + std::string(name))));
  const Outcome again = place.train("run",
                                    "--pretrain masked --steps 60 --warmup 5 --lr 0.02 "
                                    "--resume");
  CHECK(again.code == 0);
  CHECK(again.out == o.out);  // from result.json
}

TEST_CASE("pretrain: the accuracy of an average is that of the average") {
  const TinyRun place;
  const Outcome o = place.train(
      "run", "--pretrain masked --steps 40 --warmup 0 --lr 0.2 --average 0.8 --eval-every 10");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const auto json = result_of(place, "run");
  REQUIRE(json.value("best_averaged", false));  // at this rate the weights wander
  const std::string note = "step " + std::to_string(json.at("best_step").get<int>()) +
                           ", average of the weights: validation loss ";
  REQUIRE(contains(o.err, note));
  const std::string line = o.err.substr(o.err.find(note));
  char text[40];
  std::snprintf(text, sizeof text, "accuracy %.1f %%",
                100 * json.at("best_val_accuracy").get<double>());
  CHECK(contains(line.substr(0, line.find('\n')), text));
  const Outcome again = place.train("run",
                                    "--pretrain masked --steps 40 --warmup 0 --lr 0.2 --average "
                                    "0.8 --eval-every 10 --resume");
  CHECK(again.out == o.out);
}

TEST_CASE("pretrain: stopped and resumed, or with other threads, it ends with the same bytes") {
  const TinyRun place;
  const std::string options = "--pretrain masked --dropout 0.1 ";
  REQUIRE(place.train_here("whole", options).code == 0);
  for (const int stop : {6, 10}) {
    const std::string name = "stop" + std::to_string(stop);
    REQUIRE(place.train_here(name, options + "--stop-at " + std::to_string(stop)).code == 0);
    REQUIRE(place.train_here(name, options + "--resume").code == 0);
    check_same_run(place, "whole", name);
  }
  REQUIRE(place.train("threads", options + "--threads 3").code == 0);
  check_same_run(place, "whole", "threads");
  const Outcome other = place.train_here("whole",
                                         "--pretrain masked --dropout 0.1 --resume "
                                         "--mask-share 0.2");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--mask-share is 0.2, was 0.1"));
  CHECK(contains(place.train_here("whole", "--dropout 0.1 --resume --pretrain none").err,
                 "--pretrain is none, was masked"));
}

TEST_CASE("pretrain: a decoder of zeros has the loss of guessing") {
  const auto scores = [](const TaskData& data, const PretrainRule& rule, InputShape shape) {
    shape.classes = target_classes(data, rule);
    Parameters parameters(/*seed=*/1);
    const PositionModel model(parameters.root(), {.layers = 1, .dim = 8}, shape);
    fill_with_zeros(parameters, "position_decoder.weight");
    fill_with_zeros(parameters, "position_decoder.bias");
    parameters.set_training(false);
    return *evaluate(model, data, rule, data.val, 2, Device::CPU, [](int64_t) { return true; });
  };
  TaskData tokens;
  tokens.vocab = 12;
  tokens.val = {{{3, 4, 5, 6, 7, 8, 9}, {}, 0}, {{3, 3, 3}, {}, 0}, {{0, 0, 4, 4, 2}, {}, 0}};
  const Scores guessed = scores(tokens, {.share = 0.5}, {.vocab = 13, .max_length = 40});
  CHECK(guessed.loss == doctest::Approx(std::log(12.0)));
  CHECK(guessed.accuracy >= 0);
  const Scores next =
      scores(tokens, {.objective = Pretrain::Causal}, {.vocab = 12, .max_length = 40});
  CHECK(next.loss == doctest::Approx(std::log(12.0)));
  CHECK(next.accuracy == doctest::Approx(1. / 12));  // class 0 is said, and right once of 12 times

  TaskData pixels;
  pixels.height = pixels.width = 8;
  pixels.val = {{Elements(std::vector<uint8_t>(64, 51)), {}, 0}};  // values of 0.2
  const InputShape shape{.features = 2, .max_length = 64, .height = 8, .width = 8};
  const PretrainRule rule{.share = 0.5, .masked_pixel = PixelTarget::Value};
  const Scores values = scores(pixels, rule, shape);
  CHECK(values.loss == doctest::Approx(0.2));
  CHECK(std::isnan(values.accuracy));
}

TEST_CASE("pretrain: --init takes the trunk bit by bit, drops the rest, and says so") {
  const Pretrained& place = pretrained();
  const std::string path = place / "tokens/best.safetensors";
  const safetensors::File file = safetensors::read(path);
  const ModelCard card = classifier_card(card_of(file), 10);
  CHECK(card.shape.vocab == int64_t(card.vocabulary.size()));
  const Started started(place / "tokens", card);
  check_taken(started, file);
  CHECK(file.at("encoder.weight").size(0) == card.shape.vocab + 1);
  CHECK((started.values("encoder.weight") ==
         first_rows(file.at("encoder.weight"), card.shape.vocab)));
  Parameters fresh(/*seed=*/9);
  const Model untrained(fresh.root(), card.options, card.shape);
  CHECK((started.values("decoder.weight") ==
         to_vector(fresh.find("decoder.weight")->variable.value())));
  CHECK(contains(started.text, "started from '" + path + "', pretraining masked on listops"));
  CHECK(contains(started.text, "took encoder, layers, norm ("));
  CHECK(contains(started.text,
                 "dropped position_decoder, the last row of encoder.weight (the mask)"));

  const Outcome o = place.train_here("tuned", "--norm batch --steps 4 --init " + place / "tokens");
  CHECK(o.code == 0);
  CHECK(contains(o.err, started.text));
  const Outcome again = place.train_here(
      "more", "--norm batch --pretrain masked --steps 4 --init " + place / "tokens");
  CHECK(again.code == 0);  // pretraining goes on with everything
}

TEST_CASE("pretrain: what does not fit is refused by --init with the first thing that differs") {
  const Pretrained& place = pretrained();
  const std::string init = "--init " + place / "tokens ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--norm batch --dim 16", "was pretrained with --dim 8, this run has 16"},
      {"--norm batch --mixer fd", "was pretrained with --mixer ski, this run has fd"},
      {"--norm layer", "was pretrained with --norm batch, this run has layer"},
      {"--norm batch --no-sinusoids", "was pretrained with --sinusoids true, this run has false"},
      {"--norm batch --max-length 40", "was pretrained with --max-length 32, this run has 40"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome o = place.train_here("refused", "--force --steps 1 " + init + c.first);
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, c.second));
  }
  // Options that change no parameter may differ.
  CHECK(place
            .train_here("free", init + "--norm batch --steps 1 --dropout 0.2 --readout last "
                                       "--mask-padding --heads 3")
            .code == 0);
  const safetensors::File file = safetensors::read(place / "tokens/best.safetensors");
  ModelCard card = classifier_card(card_of(file), 10);
  std::swap(card.vocabulary[3], card.vocabulary[4]);
  CHECK(contains(message_of([&] { Started(file.path, card); }), "with other ids"));
  ++card.shape.vocab;
  CHECK(
      contains(message_of([&] { Started(file.path, card); }), "was pretrained on a vocabulary of"));
  card = classifier_card(card_of(file), 10);
  std::vector<safetensors::Entry> fewer;
  for (const safetensors::Entry& e : file.tensors)
    if (e.name != "norm.weight") fewer.push_back(e);
  safetensors::write(place / "fewer.safetensors", fewer, file.metadata);
  CHECK(contains(message_of([&] { Started(place / "fewer.safetensors", card); }),
                 "missing 'norm.weight'"));
}

TEST_CASE("pretrain: evaluate and predict say what a pretraining is") {
  const Pretrained& place = pretrained();
  spill(place / "expression", "[MAX 2 9 ]");
  for (const std::string& command :
       {"evaluate " + place / "tokens --data " + place / "data",
        "predict " + place / "tokens/best.safetensors " + place / "expression"}) {
    const Outcome o = place.run(command);
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(
        contains(o.err, "is a pretraining (masked), which predicts no classes; 'train_lra --init"));
  }
}

TEST_CASE("pretrain: options that cannot be meant or change nothing") {
  const TinyRun place;
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"--pretrain causal", "--pretrain causal: needs --causal"},
      {"--pretrain causal --causal --norm batch", "a causal model cannot have the norm 'batch'"},
      {"--pretrain masked --mask-share 0", "--mask-share: must be a number from 0.001 to 0.999"},
      {"--pretrain masked --mask-share 1", "--mask-share: must be a number from 0.001 to 0.999"},
      {"--pretrain mask", "did you mean 'masked'"},
      {"--train-examples -1", "--train-examples"},
      {"--train-examples 7", "--batch-size: 8 is more than the 7 training examples"}};
  for (const auto& c : wrong) {
    CAPTURE(c.first);
    const Outcome o = place.train_here("wrong", "--force --steps 1 " + c.first);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, c.second));
  }
  const Outcome labels = place.train_here("few", "--steps 2 --train-examples 20 --mask-share 0.3");
  CHECK(labels.code == 0);
  CHECK(contains(labels.err, "note: trained on 20 of 200 examples"));
  CHECK(contains(labels.err, "20 training examples, 2 steps"));
  CHECK(contains(labels.err, "note: --mask-share has no effect with --pretrain none"));
  const Outcome inputs = place.train_here("inputs",
                                          "--steps 2 --train-examples 20 --readout last "
                                          "--pretrain causal --causal --mask-share 0.3");
  CHECK(inputs.code == 0);
  CHECK(contains(inputs.err, "200 training examples, 2 steps"));
  for (const char* note : {"--train-examples has no effect with --pretrain causal: no label",
                           "--readout has no effect with --pretrain causal: no label",
                           "--mask-share has no effect with --pretrain causal\n"})
    CHECK(contains(inputs.err, note));
  CHECK(place.train_here("tuned", "--steps 2 --causal --init " + place / "inputs").code == 0);
  const Outcome other = place.train_here("other", "--steps 2 --init " + place / "inputs");
  CHECK(other.code == 3);
  CHECK(contains(other.err, "was pretrained with --causal true, this run has false"));
}

TEST_CASE("pretrain: pairs of documents, and pixels by level and by value") {
  const Place place;
  write_documents(place);
  write_images(place, "train", 36);
  write_images(place, "t10k", 4);
  const std::string level = place / "data/pathfinder32/curv_contour_length_4";
  REQUIRE(place
              .run("lra_data generate pathfinder --out " + place / "data" +
                   " --contour 4 --distractors 0 --count 40")
              .code == 0);
  const auto train = [&](const std::string& task, const std::string& out, const std::string& more) {
    const std::string data = task == "pathfinder32" ? level : place / "data";
    const Outcome o =
        train_lra_here(place, "--task " + task + " --layers 1 --dim 8 --batch-size 4 " +
                                  "--steps 2 --eval-limit 0 --data " + data + " --out " +
                                  place / out + " " + more);
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    return o;
  };
  for (const std::string task : {"retrieval", "pathfinder32", "fashion"}) {
    CAPTURE(task);
    train(task, task, "--pretrain masked");
    const auto json = result_of(place, task);
    CHECK(json.at("mask_share") == (task == "retrieval" ? 0.15 : 0.5));
    CHECK(json.at("best_val_loss").get<double>() > 0);
    CHECK(json.at("best_val_accuracy").is_null() == (task == "fashion"));  // values have none
    CHECK(contains(train(task, task + "-tuned", "--init " + place / task).err,
                   task == "retrieval" ? "the last row of encoder.weight (the mask)"
                                       : "the last column of encoder.weight (the mask)"));
  }
  const safetensors::File file = safetensors::read(place / "pathfinder32/best.safetensors");
  const Started started(file.path, classifier_card(card_of(file), 2));
  check_taken(started, file);
  const std::vector<double> both = to_vector(file.at("encoder.weight"));  // (8, 2)
  std::vector<double> first;
  for (size_t i = 0; i < both.size(); i += 2) first.push_back(both[i]);
  CHECK((started.values("encoder.weight") == first));

  train("fashion", "next", "--pretrain causal --causal --norm layer");  // gray levels
  CHECK(result_of(place, "next").at("best_val_accuracy").get<double>() >= 0);
  CHECK(
      contains(train("fashion", "next-tuned", "--causal --norm layer --init " + place / "next").err,
               "dropped position_decoder\n"));
}
