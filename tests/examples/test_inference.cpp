// evaluate and predict: what they say of a run, from its checkpoint, and what they refuse.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/io/safetensors.h"
#include "data/files/png.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

// One run of each kind of task, made once.
struct Runs : TinyRun {
  Runs() {
    result = train("run", "--json --threads 1");
    REQUIRE(result.code == 0);
  }
  Outcome result;
};
const Runs& runs() {
  static const Runs made;
  return made;
}

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// A checkpoint with other metadata; `change` edits it.
template <class Change>
std::string changed_checkpoint(const Place& place, const std::string& name, const Change& change) {
  safetensors::File file = safetensors::read(place / "run/best.safetensors");
  change(file.metadata);
  fs::create_directories(place / name);
  safetensors::write(place / name + "/best.safetensors", file.tensors, file.metadata);
  fs::copy_file(place / "run/config.toml", place / name + "/config.toml",
                fs::copy_options::overwrite_existing);
  return place / name;
}

void make_as_of_before(std::map<std::string, std::string>& metadata) {
  std::erase_if(metadata, [](const auto& entry) {
    const std::string& key = entry.first;
    for (const char* start : {"model.", "input.", "data.", "train.", "format."})
      if (key.starts_with(start)) return true;
    return key == "options_version" || key == "vocabulary" || key == "task";
  });
}

}  // namespace

TEST_CASE("evaluate: scores every split as train_lra does, with tables and confusion matrices") {
  const Runs& place = runs();
  const auto trained = nlohmann::json::parse(place.result.out);
  const Outcome o = place.run("evaluate " + place / "run" + " --data " + place / "data");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  for (const char* text : {"precision", "recall", "train ", "val ", "test ", "majority"})
    CHECK(contains(o.out, text));
  for (const std::string split : {"train", "val", "test"})
    CHECK(slurp(place / "run/confusion-" + split + ".svg").starts_with("<svg"));
  const Outcome again =
      place.run("evaluate " + place / "run" + " --json --quiet --data " + place / "data");
  CHECK(again.err.empty());
  const auto json = nlohmann::json::parse(again.out);
  const auto& test = json.at("splits").at("test");
  CHECK(test.at("examples") == 40);
  CHECK(test.at("accuracy").get<double>() ==
        doctest::Approx(trained.at("best_test_accuracy").get<double>()).epsilon(1e-5));
  CHECK(test.at("loss").get<double>() ==
        doctest::Approx(trained.at("best_test_loss").get<double>()).epsilon(1e-5));
  CHECK(json.at("splits").at("val").at("accuracy").get<double>() ==
        doctest::Approx(trained.at("best_val_accuracy").get<double>()).epsilon(1e-5));
  int64_t examples = 0, right = 0;
  for (size_t c = 0; c < 10; ++c) {
    const auto& row = test.at("classes")[c];
    examples += row.at("examples").get<int64_t>();
    right += test.at("confusion")[c][c].get<int64_t>();
    int64_t predicted = 0;
    for (size_t label = 0; label < 10; ++label)
      predicted += test.at("confusion")[label][c].get<int64_t>();
    CHECK(row.at("precision").is_null() == (predicted == 0));
    if (predicted > 0)
      CHECK(row.at("precision").get<double>() * double(predicted) ==
            doctest::Approx(test.at("confusion")[c][c].get<double>()));
  }
  CHECK(examples == 40);
  CHECK(double(right) / 40 == test.at("accuracy").get<double>());
}

TEST_CASE("evaluate: one split, a part of it, a checkpoint and a file of one's own") {
  const Runs& place = runs();
  const Outcome o =
      place.run("evaluate " + place / "run/ckpt-00000030.safetensors" + " --split val --limit 7 " +
                "--json --data " + place / "data" + " --svg " + place / "own.svg");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const auto splits = nlohmann::json::parse(o.out).at("splits");
  CHECK(splits.size() == 1);
  CHECK(splits.at("val").at("examples") == 7);
  CHECK(slurp(place / "own.svg").starts_with("<svg"));
}

TEST_CASE("evaluate: what cannot be evaluated is refused with the reason") {
  const Runs& place = runs();
  const std::string data = " --data " + place / "data";
  const Outcome nowhere = place.run("evaluate " + place / "none" + data);
  CHECK(nowhere.code == 3);
  CHECK(contains(nowhere.err, "there is no such run folder or checkpoint"));
  const Outcome no_run = place.run("evaluate " + place / "data" + data);
  CHECK(no_run.code == 3);
  CHECK(contains(no_run.err, "holds no best.safetensors"));
  CHECK(place.run("evaluate " + place / "run" + data + " --split tset").code == 2);
  const Outcome svg = place.run("evaluate " + place / "run" + data + " --svg " + place / "x.svg");
  CHECK(svg.code == 2);
  CHECK(contains(svg.err, "one file needs one --split"));
  CHECK(place.run("evaluate " + place / "run --data " + place / "nowhere").code == 3);
}

TEST_CASE("evaluate: data that gives other ids to its tokens is read with those of the training") {
  const Runs& place = runs();
  make_listops(place / "other/listops", /*seed=*/9);
  const auto accuracy = [&](const std::string& data) {
    const Outcome o = place.run("evaluate " + place / "run --split test --json --data " + data);
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    return nlohmann::json::parse(o.out)["splits"]["test"];
  };
  const auto before = accuracy(place / "data"), strange = accuracy(place / "other");
  CHECK(strange["loss"] != before["loss"]);
  // The order of the ids is that of the training file; the test expressions are now the same.
  fs::copy_file(place / "data/listops/basic_test.tsv", place / "other/listops/basic_test.tsv",
                fs::copy_options::overwrite_existing);
  auto same = accuracy(place / "other");
  same["svg"] = before["svg"];
  CHECK(same == before);
  // Nor does it matter that the other training file lacks a token.
  std::string rows;
  std::istringstream lines(slurp(place / "data/listops/basic_train.tsv"));
  for (std::string line; std::getline(lines, line);)
    if (!contains(line, "[SM")) rows += line + "\n";
  spill(place / "other/listops/basic_train.tsv", rows);
  same = accuracy(place / "other");
  same["svg"] = before["svg"];
  CHECK(same == before);
}

TEST_CASE(
    "evaluate: data by option, variable or training, and a note if it is not the training's") {
  const Runs& place = runs();
  make_listops(place / "seed-9/listops", 9);
  const std::string other = place / "seed-9", run = "evaluate " + place / "run --split test";
  const std::string note = "' are not those of '" + place / "run'";
  const auto noted = [&](const std::string& before, const std::string& more) {
    const Outcome o = place.run_with(before, run + more);
    CHECK(o.code == 0);
    return contains(o.err, note);
  };
  CHECK_FALSE(noted("", ""));
  CHECK_FALSE(noted("SKIFF_DATA= DATA_PATH=", ""));  // empty is not set
  CHECK(noted("", " --data " + other));
  CHECK(noted("SKIFF_DATA=" + other, ""));
  CHECK(noted("SKIFF_DATA= DATA_PATH=" + other, ""));
  CHECK_FALSE(noted("SKIFF_DATA=" + place / "data" + " DATA_PATH=" + other, ""));
  CHECK_FALSE(noted("SKIFF_DATA=" + other, " --data " + place / "data"));
  const Outcome json = place.run(run + " --json --data " + other);
  CHECK(nlohmann::json::parse(json.out).at("data") == other);
}

TEST_CASE("evaluate: longer examples than those of training are cut, or read whole if asked") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--max-length 8").code == 0);
  const std::string command = "evaluate " + place / "run" + " --split test";
  const Outcome cut = place.run(command), whole = place.run(command + " --max-length 200");
  REQUIRE(cut.code == 0);
  REQUIRE(whole.code == 0);
  CHECK(contains(cut.err, "test examples are longer than --max-length 8 and are cut"));
  CHECK_FALSE(contains(whole.err, "are cut"));
  CHECK(whole.out != cut.out);
}

TEST_CASE("evaluate: tokens that the vocabulary of the training lacks are unknown, as is said") {
  const Place place;
  const auto write = [&](const std::string& folder, const std::string& word) {
    for (const std::string part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
      fs::create_directories(place / (folder + "/aclImdb/" + part));
      for (const char* name : {"0_1", "1_2"}) {
        std::string text;
        for (int i = 0; i < 8; ++i) text += word;  // rarer than 15 times, it would be left out
        spill(place / (folder + "/aclImdb/" + part + "/" + name + ".txt"),
              (part.ends_with("pos") ? "good " : "bad ") + text);
      }
    }
  };
  write("data", "film good bad ");
  write("other", "film good bad z");
  REQUIRE(train_lra_here(place, "--task text --dim 8 --layers 1 --batch-size 2 --steps 2 --data " +
                                    place / "data" + " --out " + place / "run")
              .code == 0);
  const Outcome o =
      place.run("evaluate " + place / "run" + " --split test --data " + place / "other");
  CHECK(o.code == 0);
  // 4 reviews with 8 z each; "bad ", "good " and the end mark beside 8 words of 15 characters.
  CHECK(contains(o.err, "32 of 502 tokens are not in the vocabulary of the training"));
  const Outcome own = place.run("evaluate " + place / "run");  // where the training found it
  CHECK(own.code == 0);
  CHECK_FALSE(contains(own.err, "not in the vocabulary"));
}

TEST_CASE("evaluate: words in brackets are no lists, and a folder of runs is not a run") {
  const Runs& place = runs();
  CHECK(contains(place.run("evaluate '[a,b]'").err, "'[a,b]': there is no such run folder"));
  CHECK(contains(place.run("evaluate --data '[x]' " + place / "run").err, "'[x]'"));
  CHECK(contains(place.run("train_lra '[x]'").err, "unexpected argument '[x]'"));
  CHECK(contains(place.run("predict " + place / "run" + " '[MAX 2 9 [MIN 4 7 ] ]'").err,
                 "'[MAX 2 9 [MIN 4 7 ] ]'"));
  const Outcome o = place.run("predict " + place.path.string() + " x");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "is a folder of runs: name one of them, such as"));
}

TEST_CASE("predict: gives the class that evaluate counts, from the checkpoint alone") {
  const Runs& place = runs();
  std::istringstream rows(slurp(place / "data/listops/basic_test.tsv"));
  std::string expressions;
  std::string row;
  std::getline(rows, row);
  while (std::getline(rows, row)) expressions += row.substr(0, row.find('\t')) + "\n\n";
  fs::create_directories(place / "alone");
  fs::copy_file(place / "run/best.safetensors", place / "alone/model.safetensors",
                fs::copy_options::overwrite_existing);
  spill(place / "expressions", expressions);
  const Outcome o = place.run("predict " + place / "alone/model.safetensors " +
                              place / "expressions --json --top 10");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::vector<nlohmann::json> predictions = json_lines(o.out);
  REQUIRE(predictions.size() == 40);
  std::vector<int64_t> predicted(10), counted(10);
  for (const nlohmann::json& p : predictions) {
    ++predicted[p.at("class").get<size_t>()];
    double sum = 0;
    for (const auto& entry : p.at("top")) sum += entry.at("probability").get<double>();
    CHECK(p.at("top").size() == 10);
    CHECK(sum == doctest::Approx(1));
    CHECK(p.at("top")[0].at("class") == p.at("class"));
  }
  // One by one, because the padding of a batch takes part in what the model computes.
  const Outcome evaluated = place.run(
      "evaluate " + place / "run --split test --batch-size 1 --json --data " + place / "data");
  const auto splits = nlohmann::json::parse(evaluated.out).at("splits");
  for (const auto& label : splits.at("test").at("confusion"))
    for (size_t c = 0; c < 10; ++c) counted[c] += label[c].get<int64_t>();
  CHECK(predicted == counted);
}

TEST_CASE("predict: a table for people, standard input, and what the grammar refuses") {
  const Runs& place = runs();
  const auto predict = [&](const std::string& text, const std::string& more = "") {
    spill(place / "in", text);
    return place.run("predict " + place / "run - " + more + " <" + place / "in");
  };
  const Outcome o = predict("( ( ( [MAX 4 ) 3 ) ] )\r\n\n7\n", "--top 2");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "standard input:1: "));
  CHECK(contains(o.out, "standard input:3: "));
  CHECK(std::count(o.out.begin(), o.out.end(), '%') == 4);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "there must be an example per line"},
      {"4\n[MAX 4 3\n", "standard input:2: "},
      {"[SUM 4 3 ]\n", "[SUM"},
      {"\x89PNG\r\n", "a PNG image; the model of"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome refused = predict(c.first);
    CAPTURE(refused.err);
    CHECK(refused.code == 3);
    CHECK(contains(refused.err, c.second));
  }
  const std::string numbers = "[MAX 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 ]";
  const Outcome cut = predict(numbers + "\n");
  CHECK(cut.code == 0);
  CHECK_FALSE(contains(cut.err, "its end is cut off"));
  const Outcome longer = predict("[MIN " + numbers + " 4 ]\n");
  CHECK(longer.code == 0);
  CHECK(contains(longer.err, "longer than the 32 positions of the model; its end is cut off"));
  CHECK(place.run("predict " + place / "run " + place / "missing").code == 3);
  CHECK(place.run("predict " + place / "run").code == 2);
}

TEST_CASE("predict: a review, with words for the classes; unknown characters are counted") {
  const Place place;
  for (const std::string part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
    fs::create_directories(place / ("data/aclImdb/" + part));
    std::string review;  // long: a rare character is left out of the vocabulary
    for (int i = 0; i < 20; ++i) review += part.ends_with("pos") ? "good film " : "bad film ";
    spill(place / ("data/aclImdb/" + part + "/0_1.txt"), review);
  }
  REQUIRE(train_lra_here(place, "--task text --dim 8 --layers 1 --batch-size 2 --steps 1 --data " +
                                    place / "data --out " + place / "run")
              .code == 0);
  spill(place / "review.txt", "good #ilm#");
  const Outcome o = place.run("predict " + place / "run " + place / "review.txt");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "negative "));
  CHECK(contains(o.out, "positive "));
  CHECK(contains(o.err, "review.txt: 2 of 11 positions hold symbols that are unknown"));
  CHECK(place.run("evaluate " + place / "run --quiet --data " + place / "data").code == 0);
}

TEST_CASE("predict: an image of the model's size, and no other") {
  const Place place;
  REQUIRE(place
              .run("lra_data generate pathfinder --out " + place / "data" +
                   " --contour 4 --distractors 0 --count 40")
              .code == 0);
  const std::string level = place / "data/pathfinder32/curv_contour_length_4";
  REQUIRE(train_lra_here(place,
                         "--task pathfinder32 --layers 1 --dim 8 --batch-size 4 --steps 1 "
                         "--quiet --data " +
                             level + " --out " + place / "run")
              .code == 0);
  const std::string image = level + "/imgs/0/sample_0.png";
  const Outcome o = place.run("predict " + place / "run " + image + " " + image + " --json");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::vector<nlohmann::json> lines = json_lines(o.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("probability") == lines[1].at("probability"));
  CHECK(lines[0].at("positions") == 1024);
  write_png(place / "small.png", {16, 16, std::vector<uint8_t>(256)});
  spill(place / "text", "no image");
  for (const char* name : {"small.png", "text"}) {
    const Outcome refused = place.run("predict " + place / "run " + place / name);
    CAPTURE(refused.err);
    CHECK(refused.code == 3);
    CHECK(contains(refused.err, name));
  }
  CHECK(place.run("evaluate " + place / "run --quiet --data " + level).code == 0);
}

TEST_CASE("predict: two documents that are compared, and no other number of them") {
  const Place place;
  fs::create_directories(place / "data");
  for (const char* split : {"train", "eval", "test"})
    spill(place / "data/new_aan_pairs." + std::string(split) + ".tsv",
          "1.0\t1\t2\tb'one paper'\tb'another paper'\n0.0\t3\t4\tb'a paper'\tb'no paper'\n");
  REQUIRE(train_lra_here(place,
                         "--task retrieval --layers 1 --dim 8 --batch-size 2 --steps 1 "
                         "--quiet --data " +
                             place / "data --out " + place / "run")
              .code == 0);
  spill(place / "left", "one paper");
  spill(place / "right", "another paper");
  const Outcome o =
      place.run("predict " + place / "run " + place / "left " + place / "right --json");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(json_lines(o.out).size() == 1);
  const Outcome one = place.run("predict " + place / "run " + place / "left");
  CHECK(one.code == 2);
  CHECK(contains(one.err, "give two files, got 1"));
  CHECK(place.run("evaluate " + place / "run --quiet --data " + place / "data").code == 0);
}

TEST_CASE("checkpoints: an option that an older file lacks has its default") {
  const Runs& place = runs();
  const std::string run = changed_checkpoint(place, "lacking", [](auto& metadata) {
    CHECK(metadata.erase("model.heads") == 1);
    CHECK(metadata.erase("data.protocol") == 1);
  });
  spill(place / "in", "7\n");
  const Outcome whole = place.run("predict " + place / "run --json " + place / "in");
  const Outcome lacking = place.run("predict " + run + " --json " + place / "in");
  CHECK(lacking.code == 0);
  CHECK(json_lines(lacking.out)[0].at("probability") == json_lines(whole.out)[0].at("probability"));
  const std::string wrong =
      changed_checkpoint(place, "wrong", [](auto& metadata) { metadata["model.norm"] = "batc"; });
  const Outcome refused = place.run("predict " + wrong + " " + place / "in");
  CHECK(refused.code == 3);
  CHECK(contains(refused.err, "did you mean 'batch'?"));
}

TEST_CASE("checkpoints: one without options is evaluated by config.toml and trained further") {
  const Runs& place = runs();
  const std::string before = changed_checkpoint(place, "before", make_as_of_before);
  const std::string data = " --data " + place / "data";
  const std::string evaluate = " --split test --quiet --json" + data;
  const Outcome then = place.run("evaluate " + before + evaluate);
  CAPTURE(then.err);
  REQUIRE(then.code == 0);
  const Outcome now = place.run("evaluate " + place / "run" + evaluate);
  CHECK(nlohmann::json::parse(then.out).at("splits").at("test").at("loss") ==
        nlohmann::json::parse(now.out).at("splits").at("test").at("loss"));
  spill(place / "in", "7\n");
  const Outcome refused = place.run("predict " + before + " " + place / "in");
  CHECK(refused.code == 3);
  CHECK(contains(refused.err, "was made by an older program"));
  fs::remove(before + "/config.toml");
  CHECK(contains(place.run("evaluate " + before + evaluate).err, "there is no config.toml"));

  REQUIRE(place.train_here("longer", "--stop-at 20").code == 0);
  const std::string checkpoint = place / "longer/ckpt-00000020.safetensors";
  safetensors::File file = safetensors::read(checkpoint);
  make_as_of_before(file.metadata);
  safetensors::write(checkpoint, file.tensors, file.metadata);
  CHECK(place.train("longer", "--resume").code == 0);
  CHECK((slurp(place / "longer/ckpt-00000030.safetensors") ==
         slurp(place / "run/ckpt-00000030.safetensors")));
  CHECK(place.run("predict " + place / "longer/ckpt-00000030.safetensors " + place / "in").code ==
        0);
}
