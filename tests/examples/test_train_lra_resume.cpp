// train_lra: stopping by a signal, going on with --resume, and checkpoints that are damaged.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE("train_lra: stopped at any of five places and resumed equals never stopped") {
  const TinyRun place;
  REQUIRE(place.train("whole").code == 0);
  for (const int stop : {1, 6, 10, 17, 29}) {
    CAPTURE(stop);
    const std::string name = "stop" + std::to_string(stop);
    const Outcome o = place.train_here(name, "--stop-at " + std::to_string(stop));
    REQUIRE(o.code == 0);
    CHECK(contains(o.err, "stopped at step " + std::to_string(stop)));
    REQUIRE(place.train(name, "--resume").code == 0);
    check_same_run(place, "whole", name);
  }
}

namespace {

// Starts a program, sends it the signal as soon as `file` exists and contains `text`, and returns
// its exit code.
int code_after_signal(const std::string& program, int signal, const std::string& file,
                      const std::string& text = "", const std::string& err = "/dev/null") {
  const std::string command = "exec " + programs() + '/' + program + " >/dev/null 2>" + err;
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  for (int i = 0; i < 20000 && !(fs::exists(file) && contains(slurp(file), text)); ++i)
    ::usleep(500);
  ::kill(child, signal);
  ::kill(child, signal);  // an echo, as `timeout` and batch systems send
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("train_lra: a signal saves, exits 130 or 143, and the run goes on from there") {
  const TinyRun place;
  REQUIRE(place.train("whole", "--steps 600 --warmup 10 --save-every 300 --stop-at 600 --threads 1")
              .code == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = place / ("run" + std::to_string(signal));
    const std::string command = "train_lra --data " + place / "data" + " --out " + out + kTiny +
                                " --steps 600 --warmup 10 --save-every 300 --threads 1 --quiet";
    CHECK(code_after_signal(command, signal, out + "/best.safetensors") == 128 + signal);
    REQUIRE(place.run("train_lra --config " + out + "/config.toml --resume --quiet").code == 0);
    CHECK((slurp(out + "/ckpt-00000600.safetensors") ==
           slurp(place / "whole/ckpt-00000600.safetensors")));
    CHECK(without_times(slurp(out + "/metrics.csv")) ==
          without_times(slurp(place / "whole/metrics.csv")));
  }
}

TEST_CASE(
    "train_lra: a signal during the last evaluation stops it, and --resume comes back to it") {
  const Place place;
  make_listops(place / "data/listops", /*seed=*/3, /*val=*/40, /*test=*/30000);
  const std::string out = place / "run";
  const std::string command =
      "train_lra --data " + place / "data" + " --out " + out + kTiny + " --quiet";
  CHECK(code_after_signal(command, SIGTERM, out + "/metrics.csv", "\n30,") == 143);
  const std::string metrics = slurp(out + "/metrics.csv");
  const auto of_training = nlohmann::json::parse(slurp(out + "/result.json"));
  const Outcome resumed =
      place.run("train_lra --config " + out + "/config.toml --resume --quiet --json");
  REQUIRE(resumed.code == 0);
  const auto result = nlohmann::json::parse(resumed.out);
  CHECK(result.contains("best_test_accuracy"));
  CHECK(result.at("peak_tensor_bytes") == of_training.at("peak_tensor_bytes"));
  CHECK(slurp(out + "/metrics.csv") == metrics);
}

TEST_CASE(
    "train_lra: a signal during a validation stops it, and --resume begins with that validation") {
  const Place place;
  make_listops(place / "data/listops", /*seed=*/3, /*val=*/1500, /*test=*/40);
  const auto command = [&](const std::string& out) {
    return "train_lra --data " + place / "data" + " --out " + place / out + kTiny +
           " --eval-every 15 --threads 1";
  };
  REQUIRE(place.run(command("whole")).code == 0);
  CHECK(code_after_signal(command("run"), SIGTERM, place / "run/ckpt-00000015.safetensors", "",
                          place / "err") == 143);
  CHECK(contains(slurp(place / "err"),
                 "stopped at step 15, saved; --out " + place / "run --resume goes on"));
  CHECK_FALSE(contains(slurp(place / "err"), "error:"));
  const auto stopped = safetensors::read(place / "run/ckpt-00000015.safetensors").metadata;
  CHECK(stopped.at("validated") == "0");
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000016.safetensors"));
  REQUIRE(place.run(command("run") + " --resume").code == 0);
  check_same_run(place, "whole", "run");
}

TEST_CASE("train_lra: a closed terminal and a batch system's signals save and stop as well") {
  const TinyRun place;
  for (const int signal : {SIGHUP, SIGUSR1, SIGXCPU}) {
    CAPTURE(signal);
    const std::string out = place / ("run" + std::to_string(signal));
    const std::string command =
        "train_lra --data " + place / "data" + " --out " + out + kTiny +
        " --steps 100000 --save-every 100000 --eval-every 100000 --log-every 1 --quiet";
    CHECK(code_after_signal(command, signal, out + "/config.toml") == 128 + signal);
    const auto is_checkpoint = [](const fs::directory_entry& e) {
      return e.path().extension() == ".safetensors";
    };
    CHECK(std::count_if(fs::directory_iterator(out), fs::directory_iterator(), is_checkpoint) == 1);
  }
}

TEST_CASE("train_lra: when no checkpoint is whole, 3 is the exit code and nothing is overwritten") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10 --keep 1").code == 0);
  const std::string path = place / "run/ckpt-00000010.safetensors", good = slurp(path);
  const std::string metrics = slurp(place / "run/metrics.csv");
  std::string flipped = good;
  flipped[good.size() - 100] = char(flipped[good.size() - 100] ^ 4);
  std::string name_flipped = good;
  name_flipped[good.find("encoder")] = 'E';
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good.substr(0, good.size() / 2), "ckpt-00000010"},
      {good.substr(0, 4), "ckpt-00000010"},
      {"", "ckpt-00000010"},
      {flipped, "checksum"},
      {name_flipped, "checksum"},
      {good + "x", "ckpt-00000010"},
      {std::string(good.size(), 'x'), "ckpt-00000010"}};
  for (const auto& c : cases) {
    const std::string &bytes = c.first, &part = c.second;
    spill(path, bytes);
    const Outcome o = place.train_here("run", "--resume");
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, "no checkpoint is whole"));
    CHECK(contains(o.err, part));
    CHECK((slurp(path) == bytes));
    CHECK(slurp(place / "run/metrics.csv") == metrics);
  }
  // A checkpoint of another model, and one without a training state.
  REQUIRE(place.train_here("other", "--stop-at 10 --mixer fd").code == 0);
  fs::copy_file(place / "other/ckpt-00000010.safetensors", path,
                fs::copy_options::overwrite_existing);
  const Outcome other = place.train_here("run", "--resume");
  CHECK(other.code == 3);
  CHECK(contains(other.err, "not a checkpoint of this model"));
  CHECK(contains(other.err, "missing 'layers.0.gtu.toep.alphas'"));
  safetensors::write(path, {{"x", zeros({1}, DType::Float32)}});
  const Outcome foreign = place.train("run", "--resume");
  CHECK(foreign.code == 3);
  CHECK(contains(foreign.err, "not a training checkpoint"));
  // And the good one still works.
  spill(path, good);
  CHECK(place.train_here("run", "--resume").code == 0);
}

TEST_CASE(
    "train_lra: a damaged newest checkpoint is put aside, and the one before it goes on to the "
    "same end") {
  const TinyRun place;
  REQUIRE(place.train_here("whole").code == 0);
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const std::string path = place / "run/ckpt-00000010.safetensors",
                    cut = slurp(path).substr(0, 100);
  spill(path, cut);
  const Outcome o = place.train("run", "--resume");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(contains(o.err, "ckpt-00000010.safetensors.damaged"));
  CHECK(contains(o.err, "resumed at step 5"));
  CHECK(slurp(path + ".damaged") == cut);
  check_same_run(place, "whole", "run");
}

TEST_CASE("train_lra: a copy of a checkpoint and a damaged metrics.csv do not hinder --resume") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  fs::copy_file(place / "run/ckpt-00000005.safetensors", place / "run/ckpt-good.safetensors");
  spill(place / "run/metrics.csv", slurp(place / "run/metrics.csv") + "12,0.5");
  const Outcome o = place.train("run", "--resume --keep 1");
  CHECK(o.code == 0);
  CHECK(contains(o.err, "resumed at step 10"));
  CHECK(contains(o.err, "metrics.csv': line 5 cannot be read as a row; left out"));
  CHECK(fs::exists(place / "run/ckpt-good.safetensors"));
  CHECK(fs::exists(place / "run/ckpt-00000030.safetensors"));
  const std::string metrics = slurp(place / "run/metrics.csv");
  CHECK_FALSE(contains(metrics, "12,0.5\n"));
  CHECK(contains(metrics, "\n30,"));
}

TEST_CASE("train_lra: a resumed run without best.safetensors says so and chooses the best anew") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const std::string best = slurp(place / "run/best.safetensors");
  fs::remove(place / "run/best.safetensors");
  const Outcome stopped = place.train_here("run", "--resume --stop-at 11");
  CHECK(stopped.code == 0);
  CHECK(contains(stopped.err, "the best weights so far are lost"));
  CHECK((slurp(place / "run/best.safetensors") == best));  // the weights of step 10 again
  fs::remove(place / "run/best.safetensors");
  const Outcome ended = place.train("run", "--resume");
  CHECK(ended.code == 0);
  CHECK(contains(ended.out, "best weights (step"));
  CHECK(fs::exists(place / "run/best.safetensors"));
  spill(place / "run/best.safetensors", "no weights");
  fs::remove(place / "run/result.json");
  const Outcome again = place.train("run", "--resume");
  CHECK(again.code == 0);
  CHECK(contains(again.out, "best weights (step 30)"));
  CHECK(slurp(place / "run/best.safetensors.damaged") == "no weights");
}

TEST_CASE("train_lra: --resume on other data is refused") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  fs::rename(place / "data", place / "moved");
  make_listops(place / "data/listops", /*seed=*/77);
  const Outcome o = place.train_here("run", "--resume");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "was started on other data: the training split in"));
  // The same rows in another folder are the same data. An older checkpoint does not name its data.
  const std::string moved = " --data " + place / "moved";
  CHECK(place.train_here("run", "--resume --stop-at 11" + moved).code == 0);
  safetensors::File file = safetensors::read(place / "run/ckpt-00000011.safetensors");
  REQUIRE(file.metadata.erase("train_data") == 1);
  safetensors::write(place / "run/ckpt-00000011.safetensors", file.tensors, file.metadata);
  const Outcome unknown = place.train("run", "--resume" + moved);
  CHECK(unknown.code == 0);
  CHECK(contains(unknown.err, "does not name the data it was trained on"));
}

TEST_CASE(
    "train_lra: --resume compares what shapes the result, and an option of before has its "
    "default") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10 --lr 0.002").code == 0);
  const std::string path = place / "run/config.toml", config = slurp(path);
  const std::string same = "--resume --lr 2e-3 --save-every 7 --keep 2 --log-every 5 --stop-at 11";
  CHECK(place.train("run", same).code == 0);
  CHECK(contains(slurp(path), "save-every=7"));
  std::string older = config;
  for (const std::string key : {"\nheads=", "\npostnorm=", "\neval-limit="}) {
    const size_t at = older.find(key);
    REQUIRE(at != std::string::npos);
    older.erase(at, older.find('\n', at + 1) - at);
  }
  spill(path, older);
  CHECK(place.train_here("run", same).code == 0);
  spill(path, older);
  const Outcome other = place.train_here("run", same + " --heads 4");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--heads is 4, was 0"));
  spill(path, config + "sparkle=1\n");
  const Outcome newer = place.train_here("run", same);
  CHECK(newer.code == 2);
  CHECK(contains(newer.err, "sets 'sparkle', which this program does not know"));
}

TEST_CASE(
    "train_lra: --resume of a finished run prints its result, with the memory it took, from the "
    "folder") {
  const TinyRun place;
  const Outcome first = place.train("run", "--json");
  REQUIRE(first.code == 0);
  fs::remove_all(place / "data");
  const Outcome again = place.train("run", "--json --resume");
  CHECK(again.code == 0);
  CHECK(again.out == first.out);
}

TEST_CASE("train_lra: a run can be made longer, and nothing else") {
  const TinyRun place;
  const std::string constant = "--schedule constant --warmup 0 ";
  REQUIRE(place.train_here("whole", constant).code == 0);
  REQUIRE(place.train_here("run", constant + "--steps 20").code == 0);
  const Outcome o = place.train("run", constant + "--resume --steps 30");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(contains(o.err, "the run has 30 steps now"));
  check_same_run(place, "whole", "run");
  CHECK(contains(slurp(place / "run/config.toml"), "steps=30\n"));
  CHECK(contains(o.out, "last weights (step 30)"));
  const Outcome shorter = place.train_here("run", constant + "--resume --steps 25");
  CHECK(shorter.code == 2);
  CHECK(contains(shorter.err, "has taken 30 steps already, got 25"));
  CHECK(place.train_here("run", constant + "--resume --epochs 9").code == 2);
  // What is not said is as the run has it.
  CHECK(train_lra_here(place,
                       "--task listops --data " + place / "data --resume --out " + place / "run")
            .code == 0);
}

TEST_CASE("train_lra: --stop-at takes no step beyond it, also when the run is resumed there") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  for (const std::string stop : {"10", "4"}) {
    const Outcome o = place.train_here("run", "--resume --stop-at " + stop);
    CHECK(o.code == 0);
    CHECK(contains(o.err, "at step 10 already: --stop-at " + stop + " takes no step"));
    CHECK_FALSE(fs::exists(place / "run/ckpt-00000015.safetensors"));
  }
  REQUIRE(place.train_here("run", "--resume").code == 0);
  REQUIRE(place.train_here("whole").code == 0);
  check_same_run(place, "whole", "run");
}
