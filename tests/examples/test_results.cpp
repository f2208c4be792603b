// results: what it keeps of a run, and the table of what is kept.
#include <algorithm>

#include "examples/train/metrics.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE(
    "results: a run is kept with few rows, every validation among them, and seeds are one row") {
  const TinyRun place;
  REQUIRE(place.train_here("run1", "--seed 1").code == 0);  // the second keeps more files
  REQUIRE(place.train_here("run2", "--seed 2 --keep 2 --checkpoint-activations").code == 0);
  std::string rows = kMetricsHeader;
  for (int64_t step = 1; step <= 1000; ++step)
    rows += text_of({.step = step, .train_loss = 1, .val_loss = step % 100 == 0 ? 2.0 : NAN});
  spill(place / "run1/metrics.csv", rows);
  const std::string kept = " --kept " + place / "kept";
  const Outcome o = place.run("results keep " + place / "run1 " + place / "run2" + kept);
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::string run = place / "kept/run1/";
  for (const char* file : {"config.toml", "result.json"}) {  // equal but for the paths
    CAPTURE(file);
    const std::string text = slurp(run + file), before = slurp(place / "run1/" + file);
    CHECK(std::count(text.begin(), text.end(), '\n') ==
          std::count(before.begin(), before.end(), '\n'));
    CHECK(contains(before, place / ""));
    CHECK_FALSE(contains(text, place / ""));
    CHECK(contains(text, "\"runs/run1\""));
  }
  CHECK(contains(slurp(run + "config.toml"), "\ndata=\"data\"\n"));
  const std::string thin = slurp(run + "metrics.csv");
  CHECK(std::count(thin.begin(), thin.end(), '\n') == 201);
  for (int step = 100; step <= 1000; step += 100)
    CHECK(contains(thin, "\n" + std::to_string(step) + ","));

  const Outcome table = place.run("results table" + kept);
  CHECK(table.code == 0);
  CHECK(std::count(table.out.begin(), table.out.end(), '\n') == 3);
  CHECK(contains(table.out, "| run1 | listops | tiny | ski | "));
  CHECK(contains(table.out, " | 30 | 2 | "));
  CHECK(contains(table.out, " to "));

  REQUIRE(place.train_here("other", "--lr 0.01").code == 0);  // no seed of the same run
  REQUIRE(place.run("results keep " + place / "other" + kept).code == 0);
  CHECK(contains(place.run("results table" + kept).out, "| other | listops | tiny | ski | "));
  spill(place / "other/config.toml", "lr=0.02\n");
  CHECK(contains(place.run("results keep " + place / "other" + kept).err, "holds another run"));
}

TEST_CASE("results: a run gets the name of --as, and its --init is named without a path") {
  const TinyRun place;
  REQUIRE(place.train_here("first").code == 0);
  REQUIRE(place.train_here("second", "--init " + place / "first").code == 0);
  REQUIRE(place.train_here("third", "--init " + place / "first/best.safetensors").code == 0);
  const std::string kept = " --kept " + place / "kept";
  REQUIRE(place.run("results keep " + place / "second/ --as two" + kept).code == 0);
  REQUIRE(place.run("results keep " + place / "third/ --as three" + kept).code == 0);
  CHECK(contains(slurp(place / "kept/two/config.toml"), "\ninit=\"first\"\n"));
  CHECK(contains(slurp(place / "kept/two/config.toml"), "\nout=\"runs/two\"\n"));
  CHECK(contains(slurp(place / "kept/three/config.toml"), "\ninit=\"first/best.safetensors\"\n"));
  CHECK(place.run("results keep " + place / "second --as two" + kept).code == 0);  // the same again
  const Outcome other = place.run("results keep " + place / "first --as two" + kept);
  CHECK(other.code == 2);
  CHECK(contains(other.err, "kept/two' holds another run of this name; --as"));
  const Outcome both =
      place.run("results keep " + place / "first " + place / "second --as x" + kept);
  CHECK(both.code == 2);
  CHECK(contains(both.err, "--as must name one run, got 2"));
}

TEST_CASE("results: no name leads out of the folder, and a copy of a run is no other seed") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  const std::string kept = " --kept " + place / "kept", keep = "results keep " + place / "run";
  for (const char* name : {"../evil", "..", "a/b"}) {
    const Outcome o = place.run(keep + " --as " + name + kept);
    CHECK(o.code == 2);
    CHECK(contains(o.err, "--as: must be the name of a folder in"));
  }
  std::filesystem::create_directories(place / "kept");
  CHECK(contains(place.run("results table" + kept).err, "holds no kept results"));
  REQUIRE(place.run(keep + kept).code == 0);
  REQUIRE(place.run(keep + " --as copy" + kept).code == 0);
  const Outcome twice = place.run("results table" + kept);
  CHECK(twice.code == 3);
  CHECK(contains(twice.err, "kept/run' is the run of 'copy' once more"));
  place.write("grid.txt", "seed 1 2\n");
  REQUIRE(place.train("all", "--steps 2 --sweep " + place / "grid.txt").code == 0);
  CHECK(contains(place.run("results keep " + place / "all" + kept).err,
                 "is a folder of runs: name one of them"));
}

TEST_CASE("results: runs of equally named data are two runs, and a name keeps its cell") {
  const TinyRun place;
  make_listops(place / "other/data/listops", /*seed=*/4);
  REQUIRE(place.train_here("a/run").code == 0);
  REQUIRE(place.train_here("b/run", "--data " + place / "other/data").code == 0);
  const std::string kept = " --kept " + place / "kept";
  const Outcome both = place.run("results keep " + place / "a/run " + place / "b/run" + kept);
  CHECK(both.code == 2);
  CHECK(contains(both.err, "kept/run' holds another run of this name; --as"));
  REQUIRE(place.run("results keep " + place / "b/run --as 'c|d'" + kept).code == 0);
  const Outcome table = place.run("results table" + kept);
  CAPTURE(table.err);
  CHECK(table.code == 0);
  CHECK(contains(table.out, "| run | listops | tiny | ski | "));
  CHECK(contains(table.out, "| c\\|d | listops | tiny | ski | "));
  // Another seed of the second run is no seed of the first, whatever its name.
  REQUIRE(place.train_here("a-run", "--seed 2 --data " + place / "other/data").code == 0);
  REQUIRE(place.run("results keep " + place / "a-run" + kept).code == 0);
  const std::string seeds = place.run("results table" + kept).out;
  CHECK(std::count(seeds.begin(), seeds.end(), '\n') == 4);
  CHECK(contains(seeds.substr(seeds.find("| run | listops")), " | 30 | 1 | "));
  REQUIRE(place.train_here("a/run", "--force").code == 0);  // the same in another time
  CHECK(place.run("results keep " + place / "a/run" + kept).code == 0);
}

TEST_CASE("results: language models have a table of their own") {
  const TinyRun place;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "a rose is a rose is a rose " + std::to_string(i) + "\n";
  spill(place / "rose.txt", text);
  for (const char* seed : {"1", "2"})
    REQUIRE(train_lm_here(place, "--data " + place / "rose.txt" +
                                     " --recipe demo --mixer tno --dim 8 --layers 1 --steps 4 "
                                     "--length 16 --batch-size 2 --threads 1 --seed " +
                                     seed + " --out " + place / "rose" + seed)
                .code == 0);
  const std::string kept = " --kept " + place / "kept";
  const Outcome keep = place.run("results keep " + place / "rose1 " + place / "rose2" + kept);
  CAPTURE(keep.err);
  REQUIRE(keep.code == 0);
  CHECK(contains(slurp(place / "kept/rose1/config.toml"), "data=\"rose.txt\"\n"));
  const Outcome table = place.run("results table" + kept);
  CHECK(table.code == 0);
  CHECK(contains(table.out, "| run | text | recipe | mixer |"));
  CHECK(contains(table.out, "\n| rose1 | text | demo | tno | "));
  CHECK(contains(table.out, " | 2 | blocks of 16 | "));
}

TEST_CASE("results: a run that has not ended is refused") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 3").code == 0);
  const Outcome o = place.run("results keep " + place / "run --kept " + place / "kept");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "run 'run' must have ended: its result.json has no result"));
}
