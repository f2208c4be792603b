// train_lm: whole runs, their bytes, their results, and evaluate_lm.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "examples/language/open_run.h"
#include "examples/language/result.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE(
    "train_lm: a run leaves configuration, metrics, checkpoints and curves, and prints a table") {
  const TextRun place;
  const Outcome o = place.run("train_lm " + place.words("run", "--extrapolate 1,2,4 --threads 1"));
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  for (const char* part :
       {"per character, blocks of 16", "validation, weights of step", "-grams (counted)",
        "loss by position in the window: 0:", "the model ", "blocks: nats", "stream: nats",
        "tokens/s", "curves: ", "extrapolation: "})
    CHECK_MESSAGE(contains(o.out, part), part);
  for (const char* part : {"to beat: ", "step 12/12", "bits per character", "step 6, a sample:\n"})
    CHECK_MESSAGE(contains(o.err, part), part);
  CHECK_FALSE(contains(o.err, "  acc "));
  for (const char* name : {"config.toml", "metrics.csv", "curves.svg", "best.safetensors",
                           "ckpt-00000012.safetensors", "result.json", "extrapolation.svg"})
    CHECK_MESSAGE(fs::exists(place / ("run/" + std::string(name))), name);
  CHECK(contains(slurp(place / "run/curves.svg"), "n-grams"));
  CHECK_FALSE(contains(slurp(place / "run/curves.svg"), "accuracy"));
  CHECK(contains(slurp(place / "run/extrapolation.svg"), "blocks"));
  // A second thread changes no byte; nor does a second time.
  REQUIRE(place.run("train_lm " + place.words("two", "--threads 2")).code == 0);
  place.check_same("run", "two");

  const Outcome again = place.train("run", "--extrapolate 1,2,4 --resume");
  CHECK(again.code == 0);
  CHECK(contains(again.err, "holds a finished run"));
  // evaluate_lm gets the same loss from the checkpoint and the text alone.
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  fs::create_directories(place / "alone");
  fs::copy(place / "run/best.safetensors", place / "alone/x.safetensors");
  const Outcome e =
      place.run("evaluate_lm " + place / "alone/x.safetensors" + " --json --extrapolate 2");
  CAPTURE(e.err);
  REQUIRE(e.code == 0);
  const auto scores = nlohmann::json::parse(e.out).at("splits")[0];
  CHECK(scores.at("targets") == result.at("val_targets"));
  CHECK(scores.at("loss").get<double>() == doctest::Approx(result.at("val_loss").get<double>()));
  CHECK(scores.at("bits_per_byte").get<double>() ==
        doctest::Approx(scores.at("bits").get<double>()));
  CHECK(scores.at("extrapolation").at("stream")[0].get<double>() ==
        doctest::Approx(result.at("extrapolation_stream")[1].get<double>()));
  CHECK(fs::exists(place / "alone/extrapolation.svg"));
  CHECK(place.run("evaluate " + place / "run").code == 3);
  // Several runs share one picture, which names each by its folder.
  const std::string both =
      "evaluate_lm " + place / "run" + " " + place / "two" + " --extrapolate 1,2";
  const Outcome unnamed = place.run(both);
  CHECK(unnamed.code == 2);
  CHECK(contains(unnamed.err, "--svg: must name the file of the picture that 2 runs share"));
  const Outcome pair = place.run(both + " --svg " + place / "both.svg");
  CAPTURE(pair.err);
  REQUIRE(pair.code == 0);
  CHECK(contains(pair.out, "from " + place / "two"));
  for (const char* part : {">run<", ">two<", "loss by position"})
    CHECK_MESSAGE(contains(slurp(place / "both.svg"), part), part);
  CHECK(contains(pair.out, "blocks: nats"));
  // Losses on different texts do not compare.
  std::string other = slurp(place / "text.txt");
  std::reverse(other.begin(), other.end());
  place.write("other.txt", other);
  REQUIRE(place.train("other", "--data " + place / "other.txt").code == 0);
  const Outcome unlike = place.run("evaluate_lm " + place / "run" + " " + place / "other" +
                                   " --extrapolate 1,2 --svg " + place / "no.svg");
  CHECK(unlike.code == 2);
  CHECK(contains(unlike.err, "is scored on another text"));
  const Outcome wrong = place.run("evaluate_lm " + place / "run" + " --extrapolate 1,x");
  CHECK(wrong.code == 2);
  CHECK_FALSE(contains(wrong.err, "scoring"));
}

TEST_CASE("train_lm: the same command twice gives the same bytes, with every mixer") {
  const TextRun place;
  for (const std::string mixer :
       {"ski --inducing-points 8", "tno", "fd", "fd --fd-points 6", "attention"}) {
    CAPTURE(mixer);
    REQUIRE(place.train("a", "--force --mixer " + mixer).code == 0);
    REQUIRE(place.train("b", "--force --mixer " + mixer).code == 0);
    place.check_same("a", "b");
  }
}

TEST_CASE("train_lm: stopped and resumed equals never stopped, causal and masked") {
  const TextRun place;
  for (const std::string more : {"", "--objective masked", "--windows random --mixer tno"}) {
    CAPTURE(more);
    REQUIRE(place.train("whole", "--force " + more).code == 0);
    for (const int stop : {1, 6, 11}) {
      CAPTURE(stop);
      const Outcome o =
          place.train("parts", "--force --stop-at " + std::to_string(stop) + " " + more);
      REQUIRE(o.code == 0);
      CHECK(contains(o.err, "stopped at step " + std::to_string(stop)));
      REQUIRE(place.train("parts", "--resume " + more).code == 0);
      place.check_same("whole", "parts");
    }
  }
}

TEST_CASE("train_lm: the best weights are those of the lowest validation loss") {
  const TextRun place;
  REQUIRE(
      place.train("run", "--lr 0.3 --clip 0 --warmup 0 --schedule constant --eval-every 2").code ==
      0);
  double lowest = INFINITY;
  std::istringstream csv(slurp(place / "run/metrics.csv"));
  std::string line, best;
  while (std::getline(csv, line)) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
    if (cells[0] == "step" || cells[6].empty()) continue;
    CHECK(cells[7].empty());  // there is no accuracy
    if (const double loss = std::stod(cells[6]); loss < lowest) lowest = loss, best = cells[0];
  }
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  CHECK(std::to_string(result.at("best_step").get<int64_t>()) == best);
  CHECK(result.at("val_loss").get<double>() == doctest::Approx(lowest));
}

TEST_CASE("train_lm: a masked model scores masked tokens, and writes nothing") {
  const TextRun place;
  const Outcome o = place.train("run", "--objective masked --ngram 3");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, "masked tokens"));
  CHECK(contains(o.err, "note: --ngram has no effect with --objective masked"));
  CHECK_FALSE(contains(o.err, "a sample"));
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  const double targets = result.at("val_targets").get<double>(), all = 360;
  CHECK(targets > 0.1 * all);
  CHECK(targets < 0.2 * all);
  CHECK(result.at("sample") == "");
  CHECK(result.at("ngram_order") == 0);
  const OpenedLmRun run = open_lm_run(place / "run");
  CHECK(run.model().head.size(0) == run.vocabulary.size() + 1);  // and the mask
}

TEST_CASE("train_lm: a masked model with hardly any masks has something to predict at every step") {
  const TextRun place;
  const Outcome o = place.train("run", "--objective masked --mask-share 0.001 --eval-limit 3");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK_FALSE(contains(o.err, "note: 12 steps"));
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  CHECK(result.at("last_val_loss").get<double>() > 0);
  CHECK(result.at("train_loss").get<double>() > 0);
  const Outcome cold = place.train("cold", "--warmup 100");
  CHECK(contains(cold.err, "note: 12 steps are less than the 100 of --warmup"));
}

TEST_CASE("train_lm: a checkpoint holds the vocabulary and the options of its run") {
  const TextRun place;
  REQUIRE(place.train("run", "--windows random --seed 7").code == 0);
  const OpenedLmRun run = open_lm_run(place / "run/ckpt-00000012.safetensors");
  CHECK(run.folder == place / "run");
  CHECK(run.vocabulary == corpus_of(run, "").vocabulary);
  CHECK(run.options.windows.length == 16);
  CHECK(run.options.windows.order == WindowOrder::Random);
  CHECK(run.options.train.seed == 7);
  CHECK(run.options.model.kernel.causal);
  CHECK(run.options.model.dim == 8);
  const Corpus corpus = corpus_of(run, "");
  const auto e = evaluate(&run.model(), scored(corpus.val, corpus.vocabulary, 0), 16, {}, 64,
                          Device::CPU, [](int64_t) { return true; });
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  CHECK(e->score.loss() == doctest::Approx(result.at("last_val_loss").get<double>()));
  spill(place / "other.txt", "another text with ? and !\n");
  CHECK(contains(message_of([&] { corpus_of(run, place / "other.txt"); }), "never seen"));
  CHECK(contains(message_of([&] { open_lm_run(place / "none"); }), "no such run folder"));
}

TEST_CASE("train_lm: --init starts from another run's parameters, of the same vocabulary") {
  const TextRun place;
  REQUIRE(place.train("a").code == 0);
  const std::string from = " --init " + place / "a/ckpt-00000012.safetensors";
  REQUIRE(place.train("b", "--lr 0 --weight-decay 0 --steps 1" + from).code == 0);
  const auto first = safetensors::read(place / "a/ckpt-00000012.safetensors");
  const auto second = safetensors::read(place / "b/ckpt-00000001.safetensors");
  for (const auto& e : first.tensors)
    if (!e.name.starts_with("optimizer."))
      CHECK_MESSAGE((to_vector(e.tensor) == to_vector(second.at(e.name))), e.name);
  spill(place / "text.txt", place.text() + "!?");
  const Outcome o = place.train("c", from);
  CHECK(o.code == 3);
  CHECK(contains(o.err, "has another vocabulary than the text"));
}

TEST_CASE("train_lm: --print-config and --config describe the same run") {
  const TextRun place;
  const Outcome o =
      place.run("train_lm --print-config --mixer ski --objective masked " + place.words("run"));
  REQUIRE(o.code == 0);
  for (const char* line :
       {"objective=\"masked\"\n", "mixer=\"ski\"\n", "lr-end=0.1\n", "decaying=\"matrices\"\n",
        "eval-rule=\"blocks\"\n", "windows=\"blocks\"\n", "tied=true\n"})
    CHECK_MESSAGE(contains(o.out, line), line);
  for (const char* absent : {"causal=", "readout=", "layout=", "bucket="})
    CHECK_MESSAGE(!contains(o.out, absent), absent);
  spill(place / "c.toml", o.out);
  CHECK(place.run("train_lm --print-config --config " + place / "c.toml").out == o.out);
  REQUIRE(train_lm_here(place, "--config " + place / "c.toml --stop-at 2").code == 0);
  CHECK(train_lm_here(place, "--config " + place / "run/config.toml --resume").code == 0);
  CHECK(contains(place.run("train_lm --list").out, "paper"));
}
