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
  for (const char* seed : {"1", "2"})
    REQUIRE(place.train_here("run" + std::string(seed), "--seed " + std::string(seed)).code == 0);
  std::string rows = kMetricsHeader;
  for (int64_t step = 1; step <= 1000; ++step)
    rows += text_of({.step = step, .train_loss = 1, .val_loss = step % 100 == 0 ? 2.0 : NAN});
  spill(place / "run1/metrics.csv", rows);
  const std::string kept = " --kept " + place / "kept";
  const Outcome o = place.run("results keep " + place / "run1 " + place / "run2" + kept);
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::string run = place / "kept/run1/";
  CHECK(slurp(run + "config.toml") == slurp(place / "run1/config.toml"));
  CHECK(slurp(run + "result.json") == slurp(place / "run1/result.json"));
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
  spill(place / "other/config.toml", "changed");
  CHECK(contains(place.run("results keep " + place / "other" + kept).err, "holds another run"));
}

TEST_CASE("results: a run that has not ended is refused") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 3").code == 0);
  const Outcome o = place.run("results keep " + place / "run --kept " + place / "kept");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "result.json' is not that of a run of train_lra that has ended"));
}
