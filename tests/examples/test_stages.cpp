// train_lra --stages and --sweep.
#include <algorithm>
#include <filesystem>

#include "core/io/safetensors.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

struct Staged : TinyRun {
  Staged() {
    make_listops(*this / "other/listops", /*seed=*/4);
    write("stages.txt", "# short ones first\ndata longest steps lr batch-size\n- 12 10 2e-3 4\n" +
                            *this / "other" + " - 15 1e-3 -   # then all\n");
  }
  Outcome staged(const std::string& out, const std::string& more = "") const {
    return train(out, "--stages " + *this / "stages.txt --quiet " + more);
  }
};

int64_t lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

TEST_CASE("stages: a stage goes on from the one before, with one metrics file and one table") {
  const Staged place;
  const Outcome o = place.staged("run");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "stage "));
  CHECK(contains(slurp(place / "run/stages.csv"), "\n2,15,0.001,"));
  const safetensors::File last = safetensors::read(place / "run/stage-2/ckpt-00000015.safetensors");
  CHECK(item(last.at("optimizer.steps")) == 25);
  const std::string metrics = slurp(place / "run/metrics.csv");
  CHECK(contains(metrics, "\n25,"));
  CHECK(lines_of(metrics) == lines_of(slurp(place / "run/stage-1/metrics.csv")) +
                                 lines_of(slurp(place / "run/stage-2/metrics.csv")) - 1);
  const std::string curves = slurp(place / "run/curves.svg");
  CHECK(curves.starts_with("<svg"));
  CHECK(contains(curves, ">stage 2</text>"));  // where it begins
  CHECK_FALSE(contains(curves, "majority class"));
  CHECK(place.staged("run").code == 2);  // not overwritten by accident
}

TEST_CASE("stages: stopped in any stage and resumed equals never stopped") {
  const Staged place;
  REQUIRE(place.staged("whole").code == 0);
  for (const int stop : {6, 10, 19}) {
    CAPTURE(stop);
    const std::string run = "stop" + std::to_string(stop);
    REQUIRE(place.staged(run, "--stop-at " + std::to_string(stop)).code == 0);
    CHECK_FALSE(fs::exists(place / (run + "/stages.csv")));
    REQUIRE(place.staged(run, "--resume").code == 0);
    const std::string first = "/stage-1/ckpt-00000010.safetensors";
    CHECK((slurp(place / ("whole" + first)) == slurp(place / (run + first))));
    // The files of the second stage name the folder of the first, which differs.
    const auto tensors = [&](const std::string& of) {
      return to_vector(safetensors::read(place / (of + "/stage-2/ckpt-00000015.safetensors"))
                           .at("optimizer.m.encoder.weight"));
    };
    CHECK((tensors("whole") == tensors(run)));
    CHECK(without_times(slurp(place / (run + "/metrics.csv"))) ==
          without_times(slurp(place / "whole/metrics.csv")));
  }
}

TEST_CASE("stages: after a first stage begun anew, no later one keeps what it learnt before") {
  const Staged place;
  REQUIRE(place.staged("whole", "--seed 2").code == 0);
  REQUIRE(place.staged("run", "--seed 1").code == 0);
  REQUIRE(place.staged("run", "--seed 2 --force --stop-at 10").code == 0);
  REQUIRE(place.staged("run", "--seed 2 --resume").code == 0);
  CHECK(without_times(slurp(place / "run/metrics.csv")) ==
        without_times(slurp(place / "whole/metrics.csv")));
}

TEST_CASE("stages: other ids move the rows of the embedding alone, and the average goes on") {
  const Staged place;
  const Outcome o = place.staged("run", "--dim 32 --average 0.5");  // matrices of 32 rows, 18 ids
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const safetensors::File last = safetensors::read(place / "run/stage-2/ckpt-00000015.safetensors");
  CHECK(item(last.at("optimizer.average_steps")) == 25);
}

TEST_CASE("stages: one whose start has changed begins anew, also if its data is missing at first") {
  const Staged place;
  place.write("stages.txt", "data steps\n- -\n" + place / "other" + " 15\n");
  REQUIRE(place.staged("run", "--steps 10").code == 0);
  fs::rename(place / "other", place / "away");
  CHECK(place.staged("run", "--resume --steps 20").code == 3);
  fs::rename(place / "away", place / "other");
  REQUIRE(place.staged("run", "--resume --steps 20").code == 0);
  CHECK(contains(slurp(place / "run/stage-2/config.toml"), "ckpt-00000020"));
}

TEST_CASE("stages: a finished stage is not shown as the result of other data") {
  const Staged place;
  REQUIRE(place.staged("run").code == 0);
  place.write("stages.txt", "data longest steps lr batch-size\n" + place / "other" +
                                " 12 10 2e-3 4\n" + place / "other" + " - 15 1e-3 -\n");
  const Outcome o =
      place.run("train_lra --resume --out " + place / "run --stages " + place / "stages.txt");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "was started on other data"));
}

TEST_CASE("sweep: --force ends the runs of before, also those that are not taken again") {
  const TinyRun place;
  place.write("grid.txt", "seed 1 2\n");
  const std::string options = "--steps 4 --eval-every 2 --quiet --sweep " + place / "grid.txt";
  REQUIRE(place.train("all", options).code == 0);
  place.write("grid.txt", "seed 1 3\n");
  REQUIRE(place.train("all", options + " --force --stop-at 2").code == 0);
  CHECK_FALSE(fs::exists(place / "all/seed=2"));
  CHECK_FALSE(fs::exists(place / "all/seed=1/ckpt-00000004.safetensors"));
  spill(place / "all/seed=1/notes.txt", "mine");  // a folder with a file of the user's stays
  place.write("grid.txt", "seed 4\n");
  REQUIRE(place.train("all", options + " --force").code == 0);
  CHECK(slurp(place / "all/seed=1/notes.txt") == "mine");
  CHECK_FALSE(fs::exists(place / "all/seed=3"));
}

TEST_CASE("sweep, stages: tables are CSV whatever stands in them, with all digits") {
  const TinyRun place;
  make_listops(place / "other,data/listops");
  place.write("grid.txt", "data " + place / "other,data " + place / "data\n");
  REQUIRE(place.train("all", "--steps 2 --quiet --sweep " + place / "grid.txt").code == 0);
  CHECK(contains(slurp(place / "all/sweep.csv"), "\n\"" + place / "other,data\","));
  place.write("stages.txt", "steps lr\n2 0.00123456789\n");
  const Outcome o = place.train("a,b", "--quiet --stages " + place / "stages.txt");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::string table = slurp(place / "a,b/stages.csv");
  CHECK(contains(table, "\n1,2,0.00123456789,"));
  CHECK(table.ends_with(",\"" + place / "a,b/stage-1\"\n"));
}

TEST_CASE("sweep: with every run stopped, stdout has no table") {
  const TinyRun place;
  place.write("grid.txt", "seed 1 2\n");
  const Outcome o = place.train("all", "--stop-at 2 --quiet --sweep " + place / "grid.txt");
  CHECK(o.code == 0);
  CHECK(o.out.empty());
}

TEST_CASE("stages: --profile measures each of them, and validates all alike") {
  const Staged place;
  const Outcome o = place.staged("run", "--profile --json");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK_FALSE(contains(o.out, "null"));
  for (const char* stage : {"run/stage-1", "run/stage-2"}) {
    CHECK(contains(slurp(place / (std::string(stage) + "/result.json")), "best_test_accuracy"));
    CHECK(fs::exists(place / (std::string(stage) + "/profile.csv")));
  }
}

TEST_CASE("sweep: a finished run whose checkpoints were removed is not trained again") {
  const TinyRun place;
  place.write("grid.txt", "seed 1 2\n");
  const std::string options = "--steps 4 --eval-every 2 --quiet --sweep " + place / "grid.txt";
  REQUIRE(place.train("all", options).code == 0);
  const std::string metrics = slurp(place / "all/seed=1/metrics.csv");
  for (const char* step : {"2", "4"})
    fs::remove(place / ("all/seed=1/ckpt-0000000" + std::string(step) + ".safetensors"));
  REQUIRE(place.train("all", options + " --resume").code == 0);
  CHECK(slurp(place / "all/seed=1/metrics.csv") == metrics);               // with its times
  REQUIRE(place.train("all", options + " --resume --steps 6").code == 0);  // anew: no way to go on
  CHECK(fs::exists(place / "all/seed=1/ckpt-00000006.safetensors"));
}

TEST_CASE(
    "sweep: --force touches no runs but those of a run of several, and none if it is refused") {
  const TinyRun place;
  REQUIRE(place.train("runs/mine", "--steps 2").code == 0);
  place.write("grid.txt", "seed 1\n");
  const std::string sweep = "--steps 2 --quiet --sweep " + place / "grid.txt";
  CHECK(place.train("runs", sweep).code == 2);
  CHECK(place.train("runs", sweep + " --force").code == 0);
  CHECK(fs::exists(place / "runs/mine/best.safetensors"));
  place.write("grid.txt", "seed 1\nminutes 0.002\n");
  const std::string timed = " --quiet --sweep " + place / "grid.txt";
  REQUIRE(place.train("timed", "--eval-every 1000 --save-every 1000" + timed).code == 0);
  const std::string metrics = slurp(place / "timed/seed=1/metrics.csv");
  place.write("grid.txt", "seed 1 2\n");
  CHECK(place.train("timed", "--force --data " + place / "nowhere" + timed).code == 3);
  CHECK(slurp(place / "timed/seed=1/metrics.csv") == metrics);
  CHECK(slurp(place / "timed/minutes") == "0.002");
}

TEST_CASE("stages: a finished one whose checkpoints were removed is made again if it is needed") {
  const Staged place;
  REQUIRE(place.staged("run").code == 0);
  const std::string before = slurp(place / "run/stage-1/metrics.csv");
  const auto remove_checkpoints = [&] {
    for (const auto& entry : fs::directory_iterator(place / "run/stage-1"))
      if (contains(entry.path().filename().string(), "ckpt-")) fs::remove(entry.path());
  };
  remove_checkpoints();
  REQUIRE(place.staged("run", "--resume").code == 0);  // both have ended
  CHECK(slurp(place / "run/stage-1/metrics.csv") == before);
  fs::remove_all(place / "run/stage-2");
  REQUIRE(place.staged("run", "--resume").code == 0);
  CHECK(fs::exists(place / "run/stage-1/ckpt-00000010.safetensors"));
  CHECK(fs::exists(place / "run/stage-2/ckpt-00000015.safetensors"));
  fs::rename(place / "other", place / "away");
  CHECK(place.staged("run", "--force").code == 3);  // before anything is lost
  CHECK(fs::exists(place / "run/stage-2/best.safetensors"));
}

TEST_CASE("stages, sweep: the folder of an ordinary run is refused") {
  const Staged place;
  REQUIRE(place.train("run", "--steps 2").code == 0);
  place.write("grid.txt", "seed 1 2\n");
  const std::string before = slurp(place / "run/metrics.csv");
  for (const Outcome& o : {place.staged("run", "--force"),
                           place.train("run", "--force --sweep " + place / "grid.txt")}) {
    CHECK(o.code == 2);
    CHECK(contains(o.err, "holds an ordinary run"));
  }
  CHECK(slurp(place / "run/metrics.csv") == before);
}

TEST_CASE("stages: a wrong file is refused with its line") {
  const Staged place;
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "holds no rows"},
           {"steps lr\n", ":1: no stage follows the names of options"},
           {"steps dim\n1 2\n", ":1: 'dim' cannot differ between stages"},
           {"step\n1\n", "did you mean 'steps'?"},
           {"steps steps\n1 2\n", ":1: an option is named twice"},
           {"steps lr\n5\n", ":2: 2 values are needed, as many as names in the first row, got 1"},
           {"steps lr\n5 fast\n", ":2: --lr: must be a number"}}) {
    const std::string file = text, part = message;
    place.write("wrong.txt", file);
    const Outcome o = place.train("wrong", "--stages " + place / "wrong.txt");
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  }
}

TEST_CASE("stages: no stage is left out by --resume, and --steps says what it is compared with") {
  const Staged place;
  REQUIRE(place.staged("run").code == 0);
  const std::string before = slurp(place / "run/stages.csv");
  place.write("fewer.txt", "steps longest\n10 12\n");
  const Outcome fewer = place.train("run", "--resume --quiet --stages " + place / "fewer.txt");
  CHECK(fewer.code == 2);
  CHECK(contains(fewer.err, "has 1 stages, but '"));
  CHECK(slurp(place / "run/stages.csv") == before);
  const Outcome steps = place.staged("run", "--resume --steps 7");
  CHECK(steps.code == 2);
  CHECK(contains(steps.err, "were started with --steps 30, which can only be raised"));
}

TEST_CASE("stages: data that is not there is reported before the first stage") {
  const TinyRun place;
  place.write("stages.txt", "steps data\n2 -\n2 " + place / "nowhere" + "\n");
  const Outcome o = place.train("run", "--stages " + place / "stages.txt");
  CHECK(o.code == 3);
  CHECK(contains(o.err, ":3: --data: there is no data of listops in '"));
  CHECK_FALSE(fs::exists(place / "run/stage-1"));
}

TEST_CASE("sweep: a run for every combination, a sorted table, and nothing twice after a stop") {
  const TinyRun place;
  place.write("grid.txt", "mixer none conv\nlr 4e-3 1e-3  # two rates\nseed 1\n");
  const std::string options = "--steps 4 --eval-every 2 --quiet --sweep " + place / "grid.txt";
  const Outcome o = place.train("all", options);
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "mixer=conv,lr=4e-3,seed=1"));
  const std::string table = slurp(place / "all/sweep.csv");
  CHECK(table.starts_with("mixer,lr,seed,best_val_accuracy"));
  CHECK(lines_of(table) == 5);
  const std::string svg = slurp(place / "all/sweep.svg");
  for (const char* text :
       {"validation by lr", ">conv</text>", ">none</text>", ">4e-3</text>", ">1e-3</text>"})
    CHECK(contains(svg, text));
  const std::string kept = slurp(place / "all/mixer=none,lr=1e-3,seed=1/metrics.csv");
  fs::remove_all(place / "all/mixer=conv,lr=1e-3,seed=1");
  REQUIRE(place.train("all", options + " --resume").code == 0);
  CHECK((kept == slurp(place / "all/mixer=none,lr=1e-3,seed=1/metrics.csv")));
  CHECK(lines_of(slurp(place / "all/sweep.csv")) == 5);
}

TEST_CASE("sweep, stages: options are looked at as the runs have them") {
  const TinyRun place;
  place.write("grid.txt", "mixer tno none\n");
  const std::string sweep =
      "--steps 2 --mixer ski --max-lag 3 --clip 1 --sweep " + place / "grid.txt";
  const Outcome some = place.train("some", sweep);  // --max-lag counts in one of the runs
  CAPTURE(some.err);
  CHECK(some.code == 0);
  CHECK_FALSE(contains(some.err, "has no effect"));
  CHECK(contains(place.train("all", sweep + " --inducing-points 9").err, "inducing-points has no"));
  place.write("grid.txt", "horizon 3 300\n");
  const Outcome wrong = place.train("wrong", "--steps 2 --schedule cosine_unclamped --warmup 9 " +
                                                 ("--sweep " + place / "grid.txt"));
  CHECK(wrong.code == 2);
  CHECK(contains(wrong.err, "must be above the 9 steps of --warmup, got 3"));
  CHECK_FALSE(fs::exists(place / "wrong"));
  place.write("grid.txt", "shards 1 2\nnorm layer batch\n");
  CHECK_FALSE(
      contains(place.train("norms", "--steps 2 --sync-norm --sweep " + place / "grid.txt").err,
               "no effect"));
  place.write("grid.txt", "norm layer batch\n");
  CHECK(contains(place.train("one", "--steps 2 --sync-norm --sweep " + place / "grid.txt").err,
                 "--sync-norm has no effect in any of the runs"));
  place.write("stages.txt", "steps horizon\n2 3\n2 300\n");
  CHECK(place
            .train("staged",
                   "--schedule cosine_unclamped --warmup 9 --stages " + place / "stages.txt")
            .code == 2);
}

TEST_CASE("sweep: a budget of minutes fixes the steps of a run once") {
  const TinyRun place;
  place.write("grid.txt", "seed 1\nminutes 0.002\n");
  const std::string options =
      "--eval-every 1000 --save-every 1000 --quiet --sweep " + place / "grid.txt";
  REQUIRE(place.train("all", options).code == 0);
  CHECK_FALSE(fs::exists(place / "all/timing"));
  const std::string config = slurp(place / "all/seed=1/config.toml");
  REQUIRE(place.train("all", options + " --resume").code == 0);
  CHECK(slurp(place / "all/seed=1/config.toml") == config);
  // evaluate compares by this budget, so it must not outlive its sweep.
  CHECK(slurp(place / "all/minutes") == "0.002");
  place.write("grid.txt", "seed 1\n");
  REQUIRE(place.train("all", options + " --force").code == 0);
  CHECK_FALSE(fs::exists(place / "all/minutes"));
}

TEST_CASE("sweep: a budget of minutes and a number of steps exclude each other") {
  const TinyRun place;
  place.write("both.txt", "minutes 0.002\nsteps 10 20\n");
  const Outcome both = place.train("both", "--sweep " + place / "both.txt");
  CHECK(both.code == 2);
  CHECK(contains(both.err, "the steps of a run follow from 'minutes', so 'steps' cannot have"));
  place.write("grid.txt", "minutes 0.002\nlr 1e-3 1e25\n");  // the second one diverges at once
  const std::string sweep = "--eval-every 1000 --sweep " + place / "grid.txt";
  const Outcome first = place.train("all", sweep);
  CHECK(first.code == 4);
  CHECK(contains(first.err, "note: --steps has no effect beside the row 'minutes'"));
  CHECK_FALSE(fs::exists(place / "all/timing"));
  place.write("epochs.txt", "epochs 1 2\n");
  CHECK(contains(place.train("epochs", "--stop-at 1 --sweep " + place / "epochs.txt").err,
                 "note: --steps has no effect beside the row 'epochs'"));
  place.write("grid.txt", "minutes 0.004\nlr 1e-3 1e25\n");
  const Outcome other = place.train("all", sweep + " --resume");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "have 0.002 minutes each, got 0.004"));
}

TEST_CASE("sweep: a wrong file is refused with its line") {
  const TinyRun place;
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"lr\n", ":1: 'lr' needs at least one value"},
           {"lr 1 2\nlr 3\n", ":2: 'lr' has a row already"},
           {"lr 1 1\n", ":1: '1' occurs twice"},
           {"lr 1e-3 0.001\n", ":1: '0.001' occurs twice"},
           {"out a b\n", ":1: 'out' cannot differ between the runs of a sweep"},
           {"minutes 0\nlr 1\n", ":1: 'minutes' must be a number from 0.001 to 1000000, got '0'"},
           {"minutes x\nlr 1\n", ":1: 'minutes' must be a number"},
           {"minutes 1\n", "a sweep has 1 to 10000 runs"},
           {"lr 1 2\ninit a/b a_b\n",
            "runs 1 and 2 would both have the folder 'lr=1,init=a_b', as '/' becomes '_'"},
           {"mixer sky\n", ":1: --mixer: must be one of"}}) {
    const std::string file = text, part = message;
    place.write("wrong.txt", file);
    const Outcome o = place.train("wrong", "--sweep " + place / "wrong.txt");
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  }
}
