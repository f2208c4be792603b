// Going on with what was begun: the folder that holds the options is the run, its options need not
// be said again, and what cannot be meant is refused.
#include <algorithm>
#include <csignal>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "core/version.h"
#include "examples/program/signals.h"
#include "examples/train/metrics.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

void copy_run(const Place& place, const std::string& from, const std::string& to) {
  fs::copy(place / from, place / to, fs::copy_options::recursive);
}

// Text of reviews, two in each split and class.
void make_reviews(const Place& place) {
  for (const std::string part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
    fs::create_directories(place / ("data/aclImdb/" + part));
    std::string review;  // long: a rare character is left out of the vocabulary
    for (int i = 0; i < 20; ++i)
      review += part.ends_with("pos") ? "a good film \xC3\xA9" : "a bad film";
    for (const std::string name : {"/0_1.txt", "/1_1.txt"})
      spill(place / ("data/aclImdb/" + part + name), review);
  }
}

}  // namespace

TEST_CASE("going on: a run that was copied or moved goes on where it is") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  copy_run(place, "run", "copy");
  const std::string before = slurp(place / "run/metrics.csv");
  for (const char* config : {"copy/config.toml", "copy"}) {  // a run folder stands for its file
    const Outcome o = train_lra_here(place, "--config " + place / config + " --resume --stop-at " +
                                                (std::string(config) == "copy" ? "30" : "15"));
    CAPTURE(o.err);
    CHECK(o.code == 0);
  }
  CHECK(fs::exists(place / "copy/ckpt-00000030.safetensors"));
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000015.safetensors"));
  CHECK(slurp(place / "run/metrics.csv") == before);
  CHECK(contains(slurp(place / "copy/config.toml"), "out=\"" + place / "copy" + "\""));
  // An --out that is given counts.
  CHECK(train_lra_here(place, "--config " + place / "copy --resume --out " + place / "none").code ==
        3);
  CHECK_FALSE(fs::exists(place / "none"));
  const Outcome no = train_lra_here(place, "--config " + place.path.string());
  CHECK(no.code == 2);
  CHECK(contains(no.err, "must be a file or a run folder; it has no config.toml"));
}

TEST_CASE("going on: --out and --resume are enough") {
  const TinyRun place;
  REQUIRE(place.train_here("whole").code == 0);
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  REQUIRE(train_lra_here(place, "--resume --out " + place / "run").code == 0);
  check_same_run(place, "whole", "run");
  const TextRun text;
  REQUIRE(text.train("whole").code == 0);
  REQUIRE(text.train("run", "--stop-at 5").code == 0);
  REQUIRE(train_lm_here(text, "--resume --out " + text / "run").code == 0);
  text.check_same("whole", "run");
}

TEST_CASE("going on: a sweep and stages, too") {
  const TinyRun place;
  place.write("grid.txt", "mixer none conv\n");
  REQUIRE(place.train("sweep", "--steps 4 --eval-every 2 --stop-at 2 --sweep " + place / "grid.txt")
              .code == 0);
  fs::remove(place / "grid.txt");  // the folder has a copy
  const Outcome sweep = place.run("train_lra --resume --quiet --out " + place / "sweep");
  CAPTURE(sweep.err);
  REQUIRE(sweep.code == 0);
  CHECK(fs::exists(place / "sweep/mixer=conv/ckpt-00000004.safetensors"));
  place.write("stages.txt", "steps lr\n4 1e-3\n4 5e-4\n");
  const Outcome stopped =
      place.train("stages", "--stop-at 6 --eval-every 2 --stages " + place / "stages.txt");
  REQUIRE(stopped.code == 0);
  CHECK(contains(stopped.err, "stopped at step 6, saved; --out " + place / "stages --resume goes"));
  place.write("stages.txt", "steps lr\n4 1e-3\n4 0.5\n");  // not those of the run
  const Outcome stages = place.run("train_lra --resume --quiet --out " + place / "stages");
  CAPTURE(stages.err);
  REQUIRE(stages.code == 0);
  CHECK(fs::exists(place / "stages/stage-2/ckpt-00000004.safetensors"));
  const Outcome named = place.run("train_lra --resume --quiet --out " + place / "stages" +
                                  " --stages " + place / "stages.txt");
  CAPTURE(named.err);
  CHECK(named.code == 2);
  CHECK(contains(named.err, "--lr is 0.5, was 5e-04"));
}

TEST_CASE(
    "going on: a file that is no run's keeps its --out, and --force begins where the file lies") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  fs::create_directories(place / "cfg");
  fs::copy(place / "run/config.toml", place / "cfg/config.toml");
  REQUIRE(
      train_lra_here(place, "--config " + place / "cfg/config.toml --resume --stop-at 12").code ==
      0);
  CHECK(fs::exists(place / "run/ckpt-00000012.safetensors"));
  CHECK_FALSE(fs::exists(place / "cfg/lock"));
  copy_run(place, "run", "copy");
  const std::string before = slurp(place / "run/metrics.csv");
  REQUIRE(train_lra_here(place, "--config " + place / "copy --force --seed 3 --stop-at 2").code ==
          0);
  CHECK(slurp(place / "run/metrics.csv") == before);
  CHECK(contains(slurp(place / "copy/config.toml"), "seed=3\n"));
}

TEST_CASE("going on: best weights of steps that are taken in another way do not count") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  // As a validation leaves it that was better, with no checkpoint since.
  safetensors::File best = safetensors::read(place / "run/best.safetensors");
  best.metadata["step"] = best.metadata["best_step"] = "14";
  safetensors::write(place / "run/best.safetensors", best.tensors, best.metadata);
  copy_run(place, "run", "same");
  const std::string message = "best.safetensors' is of step 14, after this checkpoint";
  CHECK_FALSE(contains(train_lra_here(place, "--resume --out " + place / "same").err, message));
  const Outcome o = train_lra_here(place, "--resume --steps 40 --out " + place / "run");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, message));
  CHECK(safetensors::read(place / "run/best.safetensors").metadata.at("best_step") != "14");
}

TEST_CASE("evaluate: says which lengths a run was validated on") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--longest 12").code == 0);
  const std::string evaluate = "evaluate " + place / "run --data " + place / "data --split ";
  CHECK(contains(place.run(evaluate + "val").err, "validated on lengths up to 12 alone"));
  CHECK_FALSE(contains(place.run(evaluate + "test").err, "validated on lengths"));
}

TEST_CASE("going on: what a sweep refuses does not change what it goes on with") {
  const TinyRun place;
  place.write("grid.txt", "mixer none conv\n");
  REQUIRE(place.train("sweep", "--steps 4 --eval-every 2 --stop-at 2 --sweep " + place / "grid.txt")
              .code == 0);
  const Outcome other = place.run("train_lra --resume --lr 0.1 --out " + place / "sweep");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--lr is 0.1, was "));
  CHECK(place.run("train_lra --resume --quiet --out " + place / "sweep").code == 0);
  const Outcome single = place.train("sweep");  // without --sweep
  CHECK(single.code == 2);
  CHECK(contains(single.err, "holds several runs"));
  const std::string several = "train_lra --task listops, --data " + place / "data --out " +
                              place / "several --steps 4 --stop-at 2 --mixer none";
  const Outcome stopped = place.run(several);
  CHECK(contains(stopped.err, "saved; --out " + place / "several --resume goes on"));
  CHECK(stopped.code == 0);
  CHECK(place.run("train_lra --resume --out " + place / "several").code == 0);
}

TEST_CASE("going on: a run of several keeps its options, whatever else is tried") {
  const TinyRun place;
  place.write("grid.txt", "mixer none conv\n");
  const std::string sweep = "--steps 4 --eval-every 2 --quiet --sweep " + place / "grid.txt";
  REQUIRE(place.train("sweep", sweep + " --stop-at 2").code == 0);
  const std::string kept = slurp(place / "sweep/several.toml");
  const Outcome again = place.train("sweep", sweep + " --lr 0.01");  // without --resume
  CHECK(again.code == 2);
  CHECK(contains(again.err, "holds runs already; --resume goes on with them, --force starts over"));
  CHECK(slurp(place / "sweep/several.toml") == kept);
  REQUIRE(place.run("train_lra --resume --quiet --out " + place / "sweep").code == 0);
  const Outcome fewer = place.run("train_lra --resume --steps 2 --out " + place / "sweep");
  CHECK(fewer.code == 2);
  CHECK(contains(fewer.err, "were started with --steps 4, which can only be raised"));
  CHECK(slurp(place / "sweep/several.toml") == kept);
  fs::rename(place / "data", place / "moved");
  REQUIRE(place
              .run("train_lra --resume --quiet --steps 6 --out " + place / "sweep --data " +
                   place / "moved")
              .code == 0);
  CHECK(contains(slurp(place / "sweep/several.toml"), "data=\"" + place / "moved" + "\""));
  CHECK(place.run("train_lra --resume --quiet --out " + place / "sweep").code == 0);
}

TEST_CASE("going on: a run of several keeps the steps that one of its runs has taken") {
  const TinyRun place;
  place.write("grid.txt", "mixer none\n");
  const std::string sweep = place / "sweep", file = sweep + "/mixer=none/ckpt-00000008.safetensors";
  REQUIRE(place.train("sweep", "--steps 4 --eval-every 2 --sweep " + place / "grid.txt").code == 0);
  // The options can be written, the checkpoint of the last step cannot.
  const Outcome full =
      place.run_with("ulimit -f 8;", "train_lra --resume --steps 8 --quiet --out " + sweep);
  CAPTURE(full.out);
  CHECK(full.code == 5);
  CHECK_FALSE(fs::exists(file));
  const Outcome o = place.run("train_lra --resume --quiet --out " + sweep);
  CAPTURE(o.out);
  CHECK(o.code == 0);
  CHECK(fs::is_regular_file(file));
}

TEST_CASE("going on: --force clears a folder of options only where a program trained in it") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  fs::create_directories(place / "kept");
  for (const char* name : {"config.toml", "metrics.csv"})
    fs::copy(place / ("run/" + std::string(name)), place / ("kept/" + std::string(name)));
  REQUIRE(train_lra_here(place, "--config " + place / "kept --force --stop-at 2").code == 0);
  CHECK(fs::exists(place / "kept/metrics.csv"));
  CHECK_FALSE(fs::exists(place / "kept/lock"));
  CHECK(fs::exists(place / "run/ckpt-00000002.safetensors"));
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000010.safetensors"));
}

TEST_CASE("going on: --profile of a finished run keeps its result") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  const std::string before = slurp(place / "run/result.json");
  const Outcome o = place.train_here("run", "--resume --profile");
  CHECK(o.code == 0);
  CHECK(contains(o.err, "this is its result, and no step is left to measure"));
  CHECK(slurp(place / "run/result.json") == before);
}

TEST_CASE("going on: a report that was asked for anew and stopped is made by the next --resume") {
  const TextRun place;
  REQUIRE(place.train("run").code == 0);
  const std::string words = place.words("run", "--resume --extrapolate 1,2");
  CHECK(train_lm_here(place, words, [] { stop_signal = SIGINT; }).code == 128 + SIGINT);
  stop_signal = 0;
  REQUIRE(train_lm_here(place, words).code == 0);
  CHECK(fs::exists(place / "run/extrapolation.svg"));
  CHECK(nlohmann::json::parse(slurp(place / "run/result.json")).contains("extrapolation_stream"));
}

TEST_CASE("going on: stages that were moved, or are named in another way, go on") {
  const TinyRun place;
  place.write("stages.txt", "steps lr\n4 1e-3\n4 5e-4\n");
  REQUIRE(
      place.train("stages", "--stop-at 6 --eval-every 2 --stages " + place / "stages.txt").code ==
      0);
  fs::rename(place / "stages", place / "moved");
  const Outcome o = place.run("train_lra --resume --quiet --stop-at 7 --out " + place / "moved//");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(fs::exists(place / "moved/stage-2/ckpt-00000003.safetensors"));
  CHECK_FALSE(fs::exists(place / "stages"));
  CHECK(place.run("train_lra --resume --quiet --config " + place / "moved/").code == 0);
  CHECK(fs::exists(place / "moved/stage-2/ckpt-00000004.safetensors"));
}

TEST_CASE("going on: a copy without the lock is the run that is named") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  fs::create_directories(place / "bak");
  for (const char* name : {"config.toml", "metrics.csv", "ckpt-00000010.safetensors"})
    fs::copy(place / ("run/" + std::string(name)), place / ("bak/" + std::string(name)));
  REQUIRE(train_lra_here(place, "--config " + place / "bak --resume --stop-at 12").code == 0);
  CHECK(fs::exists(place / "bak/ckpt-00000012.safetensors"));
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000012.safetensors"));
}

TEST_CASE("going on: a recipe beside a file that sets everything would only change its own name") {
  const TinyRun place;
  const Outcome config = place.run("train_lra --task listops --recipe tiny --print-config");
  spill(place / "all.toml", config.out);
  const Outcome o = train_lra_here(place, "--recipe small --config " + place / "all.toml");
  CHECK(o.code == 2);
  CHECK(contains(o.err, "sets all that the recipe tiny decides; with --recipe small"));
  spill(place / "few.toml", "recipe=\"tiny\"\nlr=0.125\n");  // here the recipe decides the rest
  const Outcome text =
      place.run("train_lra --task text --print-config --config " + place / "all.toml");
  CHECK(text.code == 0);  // not only a name
  CHECK(contains(text.out, "task=\"text\"\n"));
  const Outcome few =
      place.run("train_lra --recipe small --print-config --config " + place / "few.toml");
  CHECK(few.code == 0);
  CHECK(contains(few.out, "recipe=\"small\"\n"));
  CHECK(contains(few.out, "lr=0.125\n"));
}

TEST_CASE("going on: --epochs takes the place of the steps of a recipe") {
  const TinyRun place;
  const std::string data = "--task listops --max-length 32 --dim 8 --layers 1 --quiet --data " +
                           place / "data --batch-size 8 --stop-at 1 --out ";
  REQUIRE(train_lra_here(place, data + place / "epochs --epochs 2").code == 0);
  CHECK(contains(slurp(place / "epochs/config.toml"), "\nsteps=0\n"));
  spill(place / "e.toml", "epochs=2\n");
  REQUIRE(train_lra_here(place, data + place / "file --config " + place / "e.toml").code == 0);
  CHECK(contains(slurp(place / "file/config.toml"), "\nsteps=0\n"));
  REQUIRE(train_lra_here(place, data + place / "both --epochs 2 --steps 5").code == 0);
  CHECK(contains(slurp(place / "both/config.toml"), "\nsteps=5\n"));
}

TEST_CASE("going on: a finished run is not shown as the result of other data") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  make_listops(place / "other/listops", /*seed=*/77);
  const Outcome o =
      train_lra_here(place, "--resume --out " + place / "run --data " + place / "other");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "was started on other data"));
}

TEST_CASE("going on: a start that fails leaves no folder, and one that was there stays") {
  const TinyRun place;
  CHECK(place.train_here("new", "--init " + place / "nowhere").code == 3);
  CHECK_FALSE(fs::exists(place / "new"));
  CHECK(train_lra_here(place, "--resume --out " + place / "typo").code == 3);
  CHECK_FALSE(fs::exists(place / "typo"));
  fs::create_directories(place / "mine");
  CHECK(place.train_here("mine", "--init " + place / "nowhere").code == 3);
  CHECK(fs::exists(place / "mine"));
}

TEST_CASE("going on: a checkpoint of another build is gone on with, and a note says so") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const std::string path = place / "run/ckpt-00000010.safetensors";
  safetensors::File file = safetensors::read(path);
  CHECK(file.metadata.at("build") == bits_description());
  const Outcome same = place.train_here("run", "--resume --stop-at 12");
  CHECK_FALSE(contains(same.err, "another build"));
  file = safetensors::read(place / "run/ckpt-00000012.safetensors");
  file.metadata["build"] = "g++ 3.3";
  safetensors::write(place / "run/ckpt-00000012.safetensors", file.tensors, file.metadata);
  const Outcome other = place.train_here("run", "--resume --stop-at 13");
  CHECK(other.code == 0);
  CHECK(
      contains(other.err, "of another build or processor (g++ 3.3; this is " + bits_description()));
}

TEST_CASE("going on: after metrics.csv was lost, a resumed run still knows its result") {
  const TinyRun place;
  REQUIRE(place.train_here("whole").code == 0);
  REQUIRE(place.train_here("run", "--stop-at 29").code == 0);
  fs::remove(place / "run/metrics.csv");
  REQUIRE(place.train_here("run", "--resume").code == 0);
  const auto whole = nlohmann::json::parse(slurp(place / "whole/result.json"));
  const auto run = nlohmann::json::parse(slurp(place / "run/result.json"));
  for (const char* name : {"best_val_accuracy", "best_val_loss", "best_test_accuracy",
                           "best_test_loss", "last_val_loss"})
    CHECK_MESSAGE(run.at(name) == whole.at(name), name);
}

TEST_CASE("metrics: the numbers of a row are read back as they were") {
  for (const double value : {1.0 / 3, 2.40902233123779297, 1e-300, 123456789.125, 0.1}) {
    const MetricsRow row{.step = 3, .train_loss = value, .val_loss = 2 * value, .seconds = value};
    const auto back = parse_row(text_of(row).substr(0, text_of(row).size() - 1));
    REQUIRE(back);
    CHECK(back->train_loss == value);
    CHECK(back->val_loss == 2 * value);
    CHECK(back->seconds == value);
    CHECK(std::isnan(back->val_accuracy));
  }
}

TEST_CASE("going on: models of bytes are saved, evaluated and asked, by both protocols") {
  const Place place;
  make_reviews(place);
  spill(place / "review.txt", "a good film \xC3\xA9\n");
  for (const std::string options : {"--bytes", "--protocol gr", ""}) {
    CAPTURE(options);
    fs::remove_all(place / "run");
    const Outcome o =
        train_lra_here(place, "--task text --dim 8 --layers 1 --batch-size 2 --steps 2 --data " +
                                  place / "data --out " + place / "run " + options);
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    CHECK(place.run("evaluate " + place / "run --quiet").code == 0);
    const Outcome p = place.run("predict " + place / "run " + place / "review.txt");
    CHECK(p.code == 0);
    CHECK_FALSE(contains(p.err, "unknown"));  // not even the line end of the file
  }
  for (const char* split : {"train", "eval", "test"})
    spill(place / "data/new_aan_pairs." + std::string(split) + ".tsv",
          "1.0\t1\t2\tb'one\\xc3\\xa9'\tb'another'\n0.0\t3\t4\tb'a paper'\tb'no paper'\n");
  for (const std::string options : {"--protocol gr", "--aan-decode"}) {
    CAPTURE(options);
    fs::remove_all(place / "run");
    REQUIRE(train_lra_here(place,
                           "--task retrieval --dim 8 --layers 1 --batch-size 2 --steps 2 "
                           "--max-length 32 --data " +
                               place / "data --out " + place / "run " + options)
                .code == 0);
    CHECK(place.run("evaluate " + place / "run --quiet").code == 0);
  }
}

TEST_CASE("going on: the original protocol of listops has no end mark and fixed lengths") {
  const TinyRun place;
  REQUIRE(place.train_here("gr", "--protocol gr").code == 0);
  REQUIRE(place.train_here("s4").code == 0);
  const auto format = [&](const std::string& run) {
    return safetensors::read(place / (run + "/best.safetensors")).metadata.at("format.pad-to");
  };
  CHECK(format("gr") == "32");
  CHECK(format("s4") == "0");
  const auto positions = [&](const std::string& run) {
    spill(place / "x.txt", "[MAX 2 9 ]\n");
    const Outcome o = place.run("predict " + place / run + " " + place / "x.txt --json");
    REQUIRE(o.code == 0);
    return nlohmann::json::parse(o.out).at("positions").get<int>();
  };
  CHECK(positions("s4") == positions("gr") + 1);
}

TEST_CASE(
    "evaluate: a folder of runs stands for its runs, and predictions are written one by one") {
  const TinyRun place;
  place.write("grid.txt", "seed 1 2\nmixer none conv\n");
  REQUIRE(
      place.train("sweep", "--steps 4 --eval-every 2 --quiet --sweep " + place / "grid.txt").code ==
      0);
  const Outcome o = place.run("evaluate --quiet --split test " + place / "sweep");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "4 runs"));
  const std::string run = place / "sweep/seed=1,mixer=none";
  REQUIRE(place.run("evaluate --quiet --split test --predictions " + place / "p.csv " + run).code ==
          0);
  const std::string rows = slurp(place / "p.csv");
  CHECK(rows.starts_with("example,label,predicted\n0,"));
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 41);
  CHECK(place.run("evaluate --predictions x.csv " + run).code == 2);
  CHECK(place.run("evaluate --split test --predictions x.csv " + place / "sweep").code == 2);
  place.write("bad.txt", "pretrain none masked\n");
  const Outcome bad = place.train("bad", "--steps 4 --sweep " + place / "bad.txt");
  CHECK(bad.code == 2);
  CHECK(contains(bad.err, "'pretrain' cannot differ between the runs of a sweep"));
}

TEST_CASE("evaluate: what cannot be written costs no evaluation") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  const std::string evaluate = "evaluate --split test --quiet " + place / "run";
  const Outcome nowhere = place.run(evaluate + " --predictions " + place / "none/p.csv");
  CHECK(nowhere.code == 5);
  CHECK(nowhere.out.empty());  // it shows at once
  const std::string file = place / "same", other = place / "./same";
  const Outcome same = place.run(evaluate + " --predictions " + file + " --svg " + other);
  CHECK(same.code == 2);
  CHECK(contains(same.err, "--svg, --predictions: must be two files, got '" + other + "'"));
  fs::create_directories(place / "run/confusion-test.svg");
  const Outcome last = place.run(evaluate);
  CHECK(last.code == 5);
  CHECK(contains(last.out, "accuracy"));
}

TEST_CASE("evaluate: two runs that began with each other's folder are compared") {
  const TinyRun place;
  REQUIRE(place.train_here("a").code == 0);
  REQUIRE(place.train_here("b", "--init " + place / "a").code == 0);
  REQUIRE(place.train_here("a", "--force --init " + place / "b").code == 0);
  const Outcome o = place.run("evaluate --split test --quiet " + place / "a " + place / "b");
  CAPTURE(o.err);
  CHECK(o.code == 0);
}

TEST_CASE("evaluate: the data of the training is found from another folder") {
  const TinyRun place;
  const Outcome trained = place.run_with(
      "cd " + place.path.string() + " && ",
      "train_lra --task listops --data data --out runs/a" + std::string(kTiny) + " --quiet");
  CAPTURE(trained.err);
  REQUIRE(trained.code == 0);
  fs::create_directories(place / "sub");
  const std::string there = "cd " + place / "sub" + " && ";
  CHECK(place.run_with(there, "evaluate ../runs/a --quiet").code == 0);
  CHECK(place.run_with(there, "evaluate ../runs/a/ --quiet").code == 0);
  CHECK(place.run_with("cd " + place / "runs/a" + " && ", "evaluate . --quiet").code == 0);
  // A run goes on from there, and is found from both folders afterwards.
  const Outcome longer = place.run_with(there, "train_lra --resume --out ../runs/a --steps 34");
  CAPTURE(longer.err);
  CHECK(longer.code == 0);
  CHECK(contains(slurp(place / "runs/a/config.toml"), "data=\"../data\"\n"));
  CHECK(place.run_with(there, "evaluate ../runs/a --quiet").code == 0);
  const std::string here = "cd " + place.path.string() + " && ";
  CHECK(place.run_with(here, "evaluate runs/a --quiet").code == 0);
  CHECK(place.run_with("cd " + place / "runs/a" + " && ", "train_lra --resume --out . --steps 36")
            .code == 0);
  CHECK(contains(slurp(place / "runs/a/config.toml"), "out=\".\"\n"));
  CHECK(place.run_with(here, "evaluate runs/a --quiet").code == 0);
  fs::rename(place / "data", place / "moved");
  const Outcome gone = place.run_with(there, "evaluate ../runs/a --quiet");
  CHECK(gone.code == 3);
  CHECK(contains(gone.err, "cannot find basic_train.tsv in 'data'"));
}

TEST_CASE("evaluate_lm, train_lm --resume: the text is found from another folder") {
  const TextRun place;
  const std::string here = "cd " + place.path.string() + " && ";
  const Outcome trained = place.run_with(
      here,
      "train_lm --data text.txt --out runs/a --recipe demo --mixer none --dim 8 --layers 1 "
      "--length "
      "16 --batch-size 4 --steps 6 --ngram 0 --sample-tokens 0 --units characters --quiet");
  CAPTURE(trained.err);
  REQUIRE(trained.code == 0);
  fs::create_directories(place / "sub");
  const std::string there = "cd " + place / "sub" + " && ";
  CHECK(place.run_with(there, "evaluate_lm ../runs/a --quiet").code == 0);
  const Outcome longer = place.run_with(there, "train_lm --resume --out ../runs/a --steps 8");
  CAPTURE(longer.err);
  CHECK(longer.code == 0);
  CHECK(place.run_with(here, "evaluate_lm runs/a --quiet").code == 0);
  CHECK(place.run_with(there, "evaluate_lm ../runs/a --quiet").code == 0);
  fs::rename(place / "text.txt", place / "moved.txt");
  CHECK(place.run_with(here, "evaluate_lm runs/a --quiet").code == 3);
}

TEST_CASE("evaluate_lm: another text is read with the vocabulary of the run, or as one") {
  const TextRun place;
  REQUIRE(place.train("run").code == 0);
  spill(place / "part.txt", TextRun::text().substr(0, 900));  // fewer characters than the whole
  const Outcome part = place.run(
      "evaluate_lm " + place / "run --quiet --json --split whole --data " + place / "part.txt");
  CAPTURE(part.err);
  REQUIRE(part.code == 0);
  const auto split = nlohmann::json::parse(part.out).at("splits")[0];
  CHECK(split.at("split") == "whole");
  CHECK(split.at("targets") == 899);
  spill(place / "short.txt", "the cat sees");
  CHECK(
      place.run("evaluate_lm " + place / "run --quiet --split whole --data " + place / "short.txt")
          .code == 0);
  spill(place / "strange.txt", "the cat \xE2\x98\x83 sees? and runs and runs");
  const Outcome strange =
      place.run("evaluate_lm " + place / "run --quiet --data " + place / "strange.txt");
  CHECK(strange.code == 3);
  CHECK(contains(strange.err, "has 2 characters that the model has never seen: '?', "));
  CHECK(
      contains(place.train("bad", "--eval-limit 1").err, "--eval-limit: must be 0 or at least 2"));
  const Outcome half = place.run("evaluate_lm " + place / "run --quiet --extrapolate 0.5,1");
  CHECK(half.code == 0);
  CHECK(contains(half.out, "     8 "));
}

TEST_CASE("evaluate_lm: a word that only the validation has is <unk> in the whole text, too") {
  const Place place;
  std::string text;
  for (int i = 0; i < 200; ++i) text += i % 7 == 0 ? "he <unk> there\n" : "he was there\n";
  spill(place / "words.txt", text + "he was elsewhere\n");
  REQUIRE(train_lm_here(place,
                        "--recipe demo --mixer tno --dim 8 --layers 1 --steps 2 --length 16 "
                        "--batch-size 2 --units words --ngram 0 --data " +
                            place / "words.txt --out " + place / "run")
              .code == 0);
  const Outcome o = place.run("evaluate_lm " + place / "run --quiet --json --split whole");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(nlohmann::json::parse(o.out).at("splits")[0].at("targets") == 4 * 201);
}

TEST_CASE("generate: words keep their distance to the prompt, and unknown ones are counted") {
  const Place place;
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += i % 3 == 0 ? "he was here\n" : i % 7 == 0 ? "he <unk> there\n" : "he was there\n";
  spill(place / "words.txt", text);
  REQUIRE(train_lm_here(place,
                        "--recipe demo --mixer tno --dim 8 --layers 1 --steps 4 --length 16 "
                        "--batch-size 2 --units words --ngram 0 --data " +
                            place / "words.txt --out " + place / "run")
              .code == 0);
  const Outcome o =
      place.run("generate " + place / "run -p 'he was' -n 2 --temperature 0 --seed 1");
  CAPTURE(o.out);
  REQUIRE(o.code == 0);
  CHECK((o.out.starts_with("he was ") || o.out.starts_with("he was\n")));
  const Outcome blank =
      place.run("generate " + place / "run -p 'he was ' -n 2 --temperature 0 --seed 1");
  CHECK(blank.out == (o.out.starts_with("he was ") ? o.out : "he was " + o.out.substr(6)));
  const Outcome unknown = place.run("generate " + place / "run -p 'he xyzzy' -n 2 --seed 1");
  CHECK(contains(unknown.err, "1 of 2 words of the prompt are unknown"));
  CHECK(place.run("generate " + place / "run --seed -1").code == 2);
}

TEST_CASE(
    "going on: a launcher that this build does not know is one line, whatever else is wrong") {
  const Place place;
  const Outcome o =
      place.run_with("OMPI_COMM_WORLD_SIZE=2 ", "train_lra --config /nonexistent.toml");
  CHECK((o.code == 2 || o.code == 1));
  CHECK(o.err.starts_with("error: "));
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
}
