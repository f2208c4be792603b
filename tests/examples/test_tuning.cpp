// train_lra: options beside the published ones: each changes the run it should, goes on with the
// same bits after a stop, and refuses wrong values with one line.
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

// A run with these options is not the run without them, and stopped and resumed it is the same.
// The average alone leaves the weights of training as they are.
void check_option(const TinyRun& place, const std::string& options, const std::string& plain) {
  CAPTURE(options);
  const Outcome whole = place.train_here("whole", "--force " + options);
  CAPTURE(whole.err);
  REQUIRE(whole.code == 0);
  if (!options.starts_with("--batch-tokens")) CHECK_FALSE(contains(whole.err, "no effect"));
  const auto embedding = [&](const std::string& run) {
    return to_vector(
        safetensors::read(place / (run + "/ckpt-00000030.safetensors")).at("encoder.weight"));
  };
  CHECK((embedding("whole") == embedding(plain)) == options.starts_with("--average"));
  REQUIRE(place.train_here("stopped", "--force --stop-at 17 " + options).code == 0);
  REQUIRE(place.train_here("stopped", "--resume " + options).code == 0);
  check_same_run(place, "whole", "stopped");
}

nlohmann::json result_of(const TinyRun& place, const std::string& run) {
  return nlohmann::json::parse(slurp(place / (run + "/result.json")));
}

}  // namespace

TEST_CASE("tuning: an option changes the run, and a stopped run ends with the same bytes") {
  const TinyRun place;
  REQUIRE(place.train_here("plain").code == 0);
  for (const char* options :
       {"--mixer conv", "--mixer none", "--kernel-lr 0.3", "--decaying matrices --weight-decay 0.5",
        "--decaying trunk --weight-decay 0.5", "--beta2 0.9", "--label-smoothing 0.1",
        "--average 0.9", "--batch-tokens 80", "--batch-tokens 80 --shards 3",
        "--batch-tokens 600 --shards 12", "--no-sinusoids", "--longest 12"})
    check_option(place, options, "plain");
}

TEST_CASE("tuning: options of kernels change their mixers, and a stopped run has the same bytes") {
  const TinyRun place;
  for (const std::string mixer : {"tno", "fd"}) {
    const std::string plain = "plain-" + mixer;
    REQUIRE(place.train_here(plain, "--mixer " + mixer).code == 0);
    check_option(place, "--mixer " + mixer + " --kernel-input log", plain);
    if (mixer == "tno") check_option(place, "--mixer tno --tno-decay spectrum", plain);
  }
}

TEST_CASE("tuning: the better of weights and their average on validation is tested") {
  const TinyRun place;
  int kept = 0;
  for (const char* seed : {"1", "2", "3", "4"}) {
    const std::string run = "seed" + std::string(seed);
    // So large a rate makes the weights jump about.
    const Outcome o =
        place.train(run, "--average 0.8 --lr 0.2 --warmup 0 --seed " + std::string(seed));
    REQUIRE(o.code == 0);
    CHECK(contains(o.err, "step 10, average of the weights: validation loss"));
    const nlohmann::json result = result_of(place, run);
    const safetensors::File best = safetensors::read(place / (run + "/best.safetensors"));
    const bool averaged = result.value("best_averaged", false);
    kept += averaged;
    CHECK(contains(o.out, averaged ? "best average (step" : "best weights (step"));
    CHECK((best.metadata.count("best_average_loss") > 0) == averaged);
    // What evaluate reads from the file scores what the run has said, in the batches of the run,
    // since padding is mixed in.
    const Outcome e = place.run("evaluate " + place / run + " --data " + place / "data" +
                                " --split val --json --quiet --batch-size 8");
    REQUIRE(e.code == 0);
    const auto scores = nlohmann::json::parse(e.out);
    CHECK(scores["splits"]["val"]["accuracy"].get<double>() ==
          doctest::Approx(result["best_val_accuracy"].get<double>()));
  }
  CHECK(kept > 0);
  CHECK(kept < 4);
}

TEST_CASE("tuning: the accuracy of each root operator adds up to that of the test") {
  const TinyRun place;
  const Outcome o = place.train("run");
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "root operator, test"));
  const nlohmann::json result = result_of(place, "run");
  double right = 0, all = 0;
  for (const auto& [name, group] : result["groups"]["root operator"].items()) {
    const std::string root = name;
    CHECK(contains("digit MIN MAX MED SM", root));
    right += group["accuracy"].get<double>() * group["examples"].get<double>();
    all += group["examples"].get<double>();
  }
  CHECK(all == 40);
  CHECK(right / all == doctest::Approx(result["best_test_accuracy"].get<double>()));
  const Outcome again = place.run("train_lra --config " + place / "run/config.toml --resume");
  CHECK(contains(again.out, o.out.substr(o.out.find("root operator"),
                                         o.out.find("trained ") - o.out.find("root operator"))));
}

TEST_CASE("tuning: wrong values are refused with one line") {
  const TinyRun place;
  for (const auto& [options, message] : std::vector<std::pair<std::string, std::string>>{
           {"--average 1", "--average: must be a number from 0 to 0.99999, got '1'"},
           {"--kernel-lr -1", "--kernel-lr: must be a number from 0 to 1000"},
           {"--label-smoothing 1", "--label-smoothing: must be a number from 0 to 0.999"},
           {"--decaying biases", "--decaying: must be one of all, trunk, matrices"},
           {"--tno-decay spectra", "--tno-decay: must be one of none, fixed, spectrum, learned"},
           {"--kernel-input ln", "--kernel-input: must be one of linear, log"},
           {"--batch-tokens 30 --shards 4", "--batch-tokens: a batch of the longest examples"},
           {"--shortest 9 --longest 8", "--longest: must be at least the 9 of --shortest, got 8"},
           {"--shortest 31", "--shortest, --longest: none of the 200 training examples"}}) {
    const std::string words = options, part = message;
    CAPTURE(words);
    const Outcome o = place.train_here("wrong", "--force " + words);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  }
}

TEST_CASE("tuning: options without effect are named") {
  const TinyRun place;
  for (const auto& [options, message] : std::vector<std::pair<std::string, std::string>>{
           {"--mixer none --kernel-lr 0.3", "--kernel-lr has no effect with --mixer none"},
           {"--mixer none --filter 3", "--filter has no effect with --mixer none"},
           {"--batch-tokens 80 --bucket", "--bucket has no effect beside --batch-tokens"},
           {"--init-moments", "--init-moments has no effect without --init"},
           {"--optimizer sgd --beta2 0.9", "--beta2 has no effect with --optimizer sgd"},
           {"--mixer tno --tno-decay spectrum --gamma 0.5",
            "--gamma has no effect with --tno-decay spectrum"}}) {
    const std::string words = options, part = message;
    CAPTURE(words);
    const Outcome o = place.train_here("note", "--force --steps 1 " + words);
    CAPTURE(o.err);
    CHECK(o.code == 0);
    CHECK(contains(o.err, part));
  }
}

TEST_CASE("tuning: --init-moments goes on with what the optimizer keeps, --init begins anew") {
  const TinyRun place;
  REQUIRE(place.train_here("first", "--average 0.9 --steps 10").code == 0);
  const std::string from =
      " --average 0.9 --steps 2 --init " + place / "first/ckpt-00000010.safetensors";
  REQUIRE(place.train_here("with", "--init-moments" + from).code == 0);
  REQUIRE(place.train_here("without", from).code == 0);
  const auto steps = [&](const std::string& run, const char* name) {
    return item(safetensors::read(place / (run + "/ckpt-00000002.safetensors")).at(name));
  };
  CHECK(steps("with", "optimizer.steps") == 12);
  CHECK(steps("with", "optimizer.average_steps") == 12);
  CHECK(steps("without", "optimizer.steps") == 2);
  CHECK(steps("without", "optimizer.average_steps") == 2);
}
