// evaluate with several runs: which of them are one setting, their differences and intervals, and
// what it refuses to compare.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "examples/charts/charts.h"
#include "examples/evaluate/settings.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE("comparison: a paired difference has the mean and the standard error of its pairs") {
  // d = 1, 0, 0, -1, 1, 0, 0, 0: mean 1/8, sum of squares 3 - 8/64, variance of the mean / 7 / 8.
  const std::vector<double> a = {0, 1, 0, 1, 0, 1, 1, 0}, b = {1, 1, 0, 0, 1, 1, 1, 0};
  const Interval d = paired_difference(a, b);
  CHECK(d.middle == doctest::Approx(0.125));
  CHECK(d.half == doctest::Approx(1.96 * std::sqrt((3 - 0.125) / 7 / 8)));
  const Interval back = paired_difference(b, a);
  CHECK(back.middle == -d.middle);
  CHECK(back.half == d.half);
  CHECK(paired_difference(a, a).half == 0);
  const std::vector<double> one = {1}, none = {0};
  CHECK(paired_difference(none, one).middle == 1);
  CHECK(std::isnan(paired_difference(none, one).half));
}

TEST_CASE("comparison: pairs give a narrower interval where both fail on the same examples") {
  std::vector<double> a(100), b(100), shuffled(100);
  for (size_t i = 0; i < 100; ++i) {
    a[i] = i < 60;
    b[i] = i < 65;  // right on all that a is right on, and five more
    shuffled[(i * 37) % 100] = b[i];
  }
  CHECK(paired_difference(a, b).middle == doctest::Approx(0.05));
  CHECK(paired_difference(a, shuffled).middle == doctest::Approx(0.05));
  CHECK(paired_difference(a, b).half < 0.4 * paired_difference(a, shuffled).half);
}

namespace {

using Texts = std::map<std::string, std::string>;

ScoredRun run_of(const std::string& place, Texts options, std::vector<double> right = {1, 0}) {
  options.try_emplace("recipe", "tiny");
  return {.place = place,
          .options = std::move(options),
          .right = std::move(right),
          .parameters = 7,
          .tokens_per_second = 10,
          .peak_tensors = 5};
}

std::vector<std::string> names_of(const std::vector<ScoredRun>& runs) {
  std::vector<std::string> names;
  for (const Setting& s : settings_of(runs)) names.push_back(s.name);
  return names;
}

}  // namespace

TEST_CASE("comparison: runs that differ in their seed alone are one setting") {
  std::vector<ScoredRun> runs = {
      run_of("a", {{"mixer", "tno"}, {"seed", "1"}, {"out", "x"}}, {1, 0}),
      run_of("b", {{"mixer", "ski"}, {"seed", "1"}}, {1, 1}),
      run_of("c",
             {{"mixer", "tno"}, {"seed", "2"}, {"out", "y"}, {"checkpoint-activations", "true"}},
             {1, 1})};
  runs[2].tokens_per_second = 20;
  runs[2].peak_tensors = 8;
  const std::vector<Setting> all = settings_of(runs);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "tno");
  CHECK(all[0].places == std::vector<std::string>{"a", "c"});
  CHECK(all[0].right == std::vector<double>{1, 0.5});
  CHECK(all[0].mean() == 0.75);
  CHECK(all[0].lowest() == 0.5);
  CHECK(all[0].highest() == 1);
  CHECK(all[0].tokens_per_second == 15);
  CHECK(all[0].peak_tensors == 8);
  CHECK(all[1].name == "ski");
  runs[2].tokens_per_second = NAN;  // of a run that has not ended
  CHECK(std::isnan(settings_of(runs)[0].tokens_per_second));
}

TEST_CASE("comparison: the name of a setting has the options in which settings differ") {
  using Names = std::vector<std::string>;
  // All of them show the option, the first one as well; one that a mixer does not read is absent.
  CHECK(names_of({run_of("a", {{"mixer", "tno"}, {"lr", "1"}, {"gamma", "0.9"}}),
                  run_of("b", {{"mixer", "ski"}, {"lr", "1"}, {"filter", "9"}}),
                  run_of("c", {{"mixer", "ski"}, {"lr", "2"}, {"filter", "9"}})}) ==
        Names{"tno, lr=1", "ski, lr=1", "ski, lr=2"});
  // What a recipe sets is said by its name.
  CHECK(
      names_of({run_of("a", {{"mixer", "tno"}, {"recipe", "demo"}, {"dim", "8"}, {"lr", "1"}}),
                run_of("b", {{"mixer", "tno"}, {"recipe", "tiny"}, {"dim", "9"}, {"lr", "1"}}),
                run_of("c", {{"mixer", "tno"}, {"recipe", "tiny"}, {"dim", "9"}, {"lr", "2"}})}) ==
      Names{"tno, recipe=demo", "tno, recipe=tiny, lr=1", "tno, recipe=tiny, lr=2"});
  CHECK(names_of({run_of("a", {{"mixer", "tno"}, {"train_data", "9 examples"}}),
                  run_of("b", {{"mixer", "tno"}, {"train_data", "8 examples"}})}) ==
        Names{"tno, trained on 9 examples", "tno, trained on 8 examples"});
}

TEST_CASE("comparison: one kind of pretraining is one setting, whatever its seed") {
  const auto run = [](const std::string& place, const std::string& seed, const std::string& kind,
                      const std::string& init) {
    ScoredRun r = run_of(place, {{"mixer", "tno"}, {"seed", seed}, {"init", kind}});
    r.init = init;
    return r;
  };
  const std::vector<Setting> all =
      settings_of({run("a", "1", "long", "p1"), run("b", "2", "long", "p2"), run("c", "1", "", ""),
                   run("d", "3", "short", "q3"), run("e", "1", "long", "p3")});
  REQUIRE(all.size() == 4);
  CHECK(all[0].name == "tno, init=p1");
  CHECK(all[0].places.size() == 2);
  CHECK(all[1].name == "tno");
  CHECK(all[2].name == "tno, init=q3");
  CHECK(all[3].name == "tno, init=p3 (e)");  // seed 1 once more
  ScoredRun part = run("f", "2", "", ""), more = run("g", "3", "", "");
  part.stopped_at = 120;
  more.stopped_at = 240;
  CHECK(names_of({run("c", "1", "", ""), part, more}) ==
        std::vector<std::string>{"tno", "tno, stopped at step 120", "tno, stopped at step 240"});
}

TEST_CASE("evaluate: the scores of a run are those that it ended with") {
  const TinyRun place;  // in batches of 8, whose padding this mixer reads
  REQUIRE(place.train_here("run", "--mixer attention --lr 2e-2 --sinusoids").code == 0);
  const auto result = nlohmann::json::parse(slurp(place / "run/result.json"));
  const auto test = [&](const std::string& more) {
    const Outcome o = place.run("evaluate --split test --quiet --json " + place / "run" + more);
    REQUIRE(o.code == 0);
    return nlohmann::json::parse(o.out)["splits"]["test"];
  };
  CHECK(test("")["accuracy"] == result["best_test_accuracy"]);
  CHECK(test("")["loss"] == result["best_test_loss"]);
  CHECK(test(" --batch-size 32")["loss"] != result["best_test_loss"]);
}

TEST_CASE("evaluate: several runs are compared example by example") {
  const TinyRun place;
  for (const char* mixer : {"tno", "ski"})
    for (const char* seed : {"1", "2"})
      REQUIRE(place
                  .train_here(std::string(mixer) + seed,
                              std::string("--mixer ") + mixer + " --seed " + seed)
                  .code == 0);
  const std::string data = " --data " + place / "data" + " --split test --quiet";
  const auto alone = [&](const std::string& run) {
    const Outcome o = place.run("evaluate " + place / run + data + " --json");
    REQUIRE(o.code == 0);
    return nlohmann::json::parse(o.out)["splits"]["test"]["accuracy"].get<double>();
  };
  const std::string runs =
      place / "tno1" + " " + place / "ski1" + " " + place / "tno2" + " " + place / "ski2";
  const Outcome o = place.run("evaluate " + runs + data + " --json --svg " + place / "c.svg");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(o.err.empty());
  const auto json = nlohmann::json::parse(o.out);
  CHECK(json["examples"] == 40);
  REQUIRE(json["settings"].size() == 2);
  const auto &tno = json["settings"][0], &ski = json["settings"][1];
  CHECK(tno["name"] == "tno");
  CHECK(ski["name"] == "ski");
  for (size_t seed = 0; seed < 2; ++seed) {
    const std::string number = std::to_string(seed + 1);
    CHECK(tno["accuracies"][seed].get<double>() == doctest::Approx(alone("tno" + number)));
    CHECK(ski["accuracies"][seed].get<double>() == doctest::Approx(alone("ski" + number)));
  }
  CHECK(ski["difference"].get<double>() ==
        doctest::Approx(ski["accuracy"].get<double>() - tno["accuracy"].get<double>()));
  CHECK(ski["low"].get<double>() <= ski["difference"].get<double>());
  CHECK(tno["low"] == 0.0);
  CHECK(tno["high"] == 0.0);
  CHECK(ski["parameters"].get<int64_t>() != tno["parameters"].get<int64_t>());
  CHECK(ski["tokens_per_second"].get<double>() > 0);
  const std::string svg = slurp(place / "c.svg");
  CHECK(svg.starts_with("<svg"));
  CHECK(contains(svg, ">ski<"));

  const Outcome table = place.run("evaluate " + runs + data);
  REQUIRE(table.code == 0);
  for (const char* text : {"40 examples, 4 runs", "95 % interval", "\ntno ", "\nski "})
    CHECK(contains(table.out, text));
}

TEST_CASE("evaluate: checkpoints of one run and runs of other lengths are not one setting") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  REQUIRE(place.train_here("longer", "--steps 40").code == 0);
  const Outcome o =
      place.run("evaluate " + place / "run" + " " + place / "run/ckpt-00000030.safetensors" + " " +
                place / "longer" + " --split val --quiet --json --data " + place / "data");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const auto settings = nlohmann::json::parse(o.out)["settings"];
  REQUIRE(settings.size() == 3);
  CHECK(contains(settings[1]["name"].get<std::string>(), "checkpoint=ckpt-00000030.safetensors"));
  CHECK(contains(settings[2]["name"].get<std::string>(), "steps=40"));
}

TEST_CASE("evaluate: runs that were stopped, and those of a sweep with a budget") {
  const TinyRun place;
  for (const std::string seed : {"1", "2"})
    REQUIRE(place.train_here("stopped" + seed, "--stop-at 17 --seed " + seed).code == 0);
  place.write("grid.txt", "seed 1 2\nminutes 0.002\n");
  REQUIRE(place.train("sweep", "--sweep " + place / "grid.txt").code == 0);
  const Outcome o = place.run("evaluate " + place / "stopped1" + " " + place / "stopped2" + " " +
                              place / "sweep/seed=1" + " " + place / "sweep/seed=2" +
                              " --split test --json --quiet --limit 4");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const auto settings = nlohmann::json::parse(o.out)["settings"];
  REQUIRE(settings.size() == 2);
  CHECK(contains(settings[0]["name"].get<std::string>(), "stopped at step 17"));
  CHECK(settings[0]["runs"].size() == 2);
  CHECK(settings[1]["runs"].size() == 2);
  // A damaged checkpoint that was set aside is no step of the run.
  spill(place / "stopped2/ckpt-00000030.safetensors.damaged", "x");
  CHECK(nlohmann::json::parse(place
                                  .run("evaluate " + place / "stopped1" + " " + place / "stopped2" +
                                       " --split test --json --quiet --limit 4")
                                  .out)["settings"]
            .size() == 1);
  // Seeds draw their own labelled examples; other training data is another setting.
  for (const std::string seed : {"1", "2"})
    REQUIRE(place.train_here("few" + seed, "--train-examples 50 --seed " + seed).code == 0);
  make_listops(place / "other/listops", /*seed=*/9);
  REQUIRE(place.train_here("else", "--seed 3 --data " + place / "other").code == 0);
  REQUIRE(place.train_here("same", "--seed 4").code == 0);
  const Outcome drawn =
      place.run("evaluate " + place / "few1" + " " + place / "few2" + " " + place / "same" + " " +
                place / "else" + " --split test --json --quiet --limit 4");
  CAPTURE(drawn.err);
  REQUIRE(drawn.code == 0);
  const auto data = nlohmann::json::parse(drawn.out)["settings"];
  REQUIRE(data.size() == 3);
  CHECK(data[0]["runs"].size() == 2);
  CHECK(contains(data[2]["name"].get<std::string>(), "trained on 200 examples, CRC-32"));
  // A configuration that cannot be read says nothing, and harms nothing.
  spill(place / "stopped1/config.toml", "no configuration\n");
  CHECK(place.run("evaluate " + place / "stopped1" + " --limit 4 --data " + place / "data").code ==
        0);
}

TEST_CASE("evaluate: what cannot be compared is refused with the reason") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  for (const std::string part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
    fs::create_directories(place / ("data/aclImdb/" + part));
    for (const char* name : {"0_1", "1_2"})
      spill(place / ("data/aclImdb/" + part + "/" + name + ".txt"),
            part.ends_with("pos") ? "good film" : "bad film");
  }
  for (const std::string split : {"0", "0.5"})
    REQUIRE(
        train_lra_here(place, "--task text --dim 8 --layers 1 --batch-size 2 --steps 2 --data " +
                                  place / "data" + " --val-split " + split + " --out " +
                                  place / ("text" + split))
            .code == 0);
  const std::string data = " --quiet --data " + place / "data", run = place / "run";
  const Outcome all = place.run("evaluate " + run + " " + run + data);
  CHECK(all.code == 2);
  CHECK(contains(all.err, "--split: several runs are compared on one split"));
  // Every name of a checkpoint counts once.
  const Outcome twice = place.run("evaluate " + run + " " + run + "/ " + run +
                                  "/best.safetensors --json" + data + " --split test");
  REQUIRE(twice.code == 0);
  const auto once = nlohmann::json::parse(twice.out)["settings"];
  REQUIRE(once.size() == 1);
  CHECK(once[0]["runs"].size() == 1);
  const Outcome svg =
      place.run("evaluate " + run + " " + run + "/ckpt-00000030.safetensors --svg " +
                place / "none/x.svg --split test --data " + place / "data");
  CHECK(svg.code == 5);
  CHECK_FALSE(contains(svg.err, "run 1"));  // nothing has been computed
  const Outcome other =
      place.run("evaluate " + run + " " + place / "text0" + data + " --split val");
  CHECK(other.code == 3);
  CHECK(contains(other.err, "text0' is a run of text, the first one of listops"));
  const Outcome unlike =
      place.run("evaluate " + place / "text0" + " " + place / "text0.5" + data + " --split val");
  CHECK(unlike.code == 3);
  CHECK(contains(unlike.err,
                 "reads 2 examples as its val split of '" + place / "data" + "', the first run 4"));
  CHECK(place.run("evaluate " + place / "text0" + " " + place / "text0.5" + data + " --split test")
            .code == 0);
  const Outcome none = place.run("evaluate " + run + " " + place / "none" + data + " --split val");
  CHECK(none.code == 3);
  CHECK(contains(none.err, "there is no such run folder or checkpoint"));
}

TEST_CASE("charts: intervals are drawn to scale, with a line at zero") {
  const std::string svg = charts::intervals_svg(
      "t <1>", "x",
      {{"a", "60 %", 0, 0, 0}, {"b", "61 %", 0.01, -0.01, 0.03}, {"c", "-", NAN, NAN, NAN}});
  CHECK(svg.starts_with("<svg"));
  CHECK(contains(svg, "t &lt;1&gt;"));
  // The circle of b is half way along its interval.
  const auto number_after = [&](size_t from, const std::string& word) {
    return std::stod(svg.substr(svg.find(word, from) + word.size()));
  };
  const size_t b = svg.find(">b<");
  const double low = number_after(b, "d=\"M"), circle = number_after(b, "cx=\"");
  const size_t bar = svg.find("d=\"M", b);
  const double high = std::stod(svg.substr(svg.find('L', bar) + 1));
  CHECK(circle == doctest::Approx((low + high) / 2).epsilon(1e-3));
  CHECK(svg.find("<circle", svg.find(">c<")) == std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
}
