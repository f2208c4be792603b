// train_lra: whole runs, their bytes, their results and the messages on the way.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/io/safetensors.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE(
    "train_lra: a run leaves configuration, metrics, checkpoints and curves, and prints a table") {
  const TinyRun place;
  const Outcome o = place.train("run");
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "best weights (step"));
  CHECK(contains(o.out, "majority class"));
  CHECK(contains(o.out, "tokens/s"));
  CHECK(contains(o.err, "step 30/30"));
  CHECK_FALSE(contains(o.err, "\r"));  // plain lines when stderr is no terminal
  for (const char* name :
       {"config.toml", "metrics.csv", "curves.svg", "best.safetensors", "ckpt-00000030.safetensors",
        "ckpt-00000025.safetensors", "ckpt-00000020.safetensors"})
    CHECK(fs::exists(place / ("run/" + std::string(name))));
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000015.safetensors"));  // --keep 3
  CHECK(slurp(place / "run/metrics.csv").starts_with("step,epoch,train_loss"));
  CHECK(slurp(place / "run/curves.svg").starts_with("<svg"));
  for (const auto& entry : fs::directory_iterator(place / "run"))
    CHECK(entry.path().string().find(".tmp") == std::string::npos);
}

TEST_CASE("train_lra: the same command twice gives the same bytes, with every mixer") {
  const TinyRun place;
  for (const std::string mixer : {"ski", "tno", "fd", "attention", "conv"}) {
    CAPTURE(mixer);
    REQUIRE(place.train("a" + mixer, "--mixer " + mixer).code == 0);
    REQUIRE(place.train("b" + mixer, "--mixer " + mixer).code == 0);
    check_same_run(place, "a" + mixer, "b" + mixer);
  }
}

TEST_CASE("train_lra: the number of threads changes no byte") {
  const TinyRun place;
  REQUIRE(place.train("one", "--threads 1").code == 0);
  REQUIRE(place.train("four", "--threads 4").code == 0);
  check_same_run(place, "one", "four");
}

TEST_CASE("train_lra: --checkpoint-activations changes no byte") {
  const TinyRun place;
  for (const char* norm : {"batch", "layer"}) {
    const std::string options = std::string("--layers 2 --dropout 0.1 --norm ") + norm;
    REQUIRE(place.train(std::string("kept-") + norm, options).code == 0);
    REQUIRE(place.train(std::string("again-") + norm, options + " --checkpoint-activations").code ==
            0);
    check_same_run(place, std::string("kept-") + norm, std::string("again-") + norm);
  }
}

TEST_CASE("train_lra: --profile measures every op and changes no byte of the run") {
  const TinyRun place;
  REQUIRE(place.train_here("plain").code == 0);
  const Outcome o = place.train("run", "--profile");
  REQUIRE(o.code == 0);
  check_same_run(place, "plain", "run");
  for (const char* name :
       {"linear", "backward", "optimizer", "make batch", "gradient norm", "not in an op"}) {
    CAPTURE(name);
    CHECK(contains(o.out, name));
    CHECK(contains(slurp(place / "run/profile.csv"), name));
  }
  CHECK(
      slurp(place / "run/profile.csv").starts_with("name,phase,steps,calls,seconds,share,bytes\n"));
  CHECK_FALSE(fs::exists(place / "plain/profile.csv"));
  CHECK(slurp(place / "run/config.toml").find("profile") == std::string::npos);
  REQUIRE(place.train("run", "--force").code == 0);  // removes the files of the last run
  CHECK_FALSE(fs::exists(place / "run/profile.csv"));
}

TEST_CASE(
    "train_lra: reading, validating and testing are announced, each on the examples it is limited "
    "to") {
  const TinyRun place;
  const Outcome o = place.train("run", "--eval-limit 9 --test-limit 7 --json --threads 1");
  REQUIRE(o.code == 0);
  CAPTURE(o.err);
  const auto times = [&](const std::string& part) {
    int64_t count = 0;
    for (size_t at = o.err.find(part); at != std::string::npos; at = o.err.find(part, at + 1))
      ++count;
    return count;
  };
  CHECK(o.err.starts_with("reading listops from '" + place / "data'\n"));
  CHECK(times("\nvalidating on 9 examples\n") == 3);  // at steps 10, 20 and 30, and no more
  CHECK(times("validating on") == 3);
  CHECK(times("\ntesting the ") == times(" weights on 7 examples\n"));
  CHECK(times("\ntesting the last weights on 7") <= 1);
  const auto json = nlohmann::json::parse(o.out);
  CHECK(json.at("validation_examples") == 9);
  CHECK(json.at("validation_limited") == true);
  CHECK(json.at("test_examples") == 7);
  CHECK(json.at("test_limited") == true);
  CHECK(json.at("threads") == 1);
  CHECK(json.at("run_folder") == place / "run");
  for (const char* loss :
       {"train_loss", "best_val_loss", "last_val_loss", "best_test_loss", "last_test_loss"})
    CHECK(json.at(loss).get<double>() > 0);
  const double ninths = 9 * json.at("last_val_accuracy").get<double>();
  CHECK(ninths == doctest::Approx(std::round(ninths)).epsilon(1e-4));

  const Outcome all = place.train("all");
  CHECK(contains(all.out, "on 40 validation and 40 test examples\n"));
  CHECK(contains(place.train("some", "--eval-limit 9 --test-limit 7").out,
                 "on 9 of 40 validation and 7 of 40 test examples\n"));
}

TEST_CASE("train_lra: where validation is the test split, the test computes nothing again") {
  const Place place;
  for (const std::string part : {"train/neg", "train/pos", "test/neg", "test/pos"}) {
    fs::create_directories(place / ("data/aclImdb/" + part));
    for (const char* name : {"0_1", "1_2"})
      spill(place / ("data/aclImdb/" + part + "/" + name + ".txt"),
            part.ends_with("pos") ? "good film" : "bad film");
  }
  const std::string command =
      "train_lra --task text --dim 8 --layers 1 --batch-size 2 --steps 4 --eval-every 2 --data " +
      place / "data" + " --out " + place / "run" + " --eval-limit 0 --test-limit ";
  const Outcome o = place.run(command + "0");
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, "validating on 4 examples"));
  CHECK_FALSE(contains(o.err, "testing"));
  const Outcome resumed = place.run(command + "0 --resume --json");
  REQUIRE(resumed.code == 0);
  const auto json = nlohmann::json::parse(resumed.out);
  CHECK(json.at("best_test_accuracy") == json.at("best_val_accuracy"));
  CHECK(json.at("last_test_loss") == json.at("last_val_loss"));
  CHECK(contains(place.run(command + "3 --force").err, "testing the last weights on 3 examples"));
}

TEST_CASE(
    "train_lra: a run of few steps is validated at its end alone, and one to profile it not at "
    "all") {
  const TinyRun place;
  const std::string command = "train_lra --dim 8 --layers 1 --batch-size 8 --steps 20 --data " +
                              place / "data" + " --out " + place / "run";
  const Outcome few = place.run(command);
  REQUIRE(few.code == 0);
  CHECK(few.err.find("validation loss") == few.err.rfind("validation loss"));
  CHECK(contains(few.err, "step 20: validation loss"));

  const Outcome profiled = place.run(command + " --force --profile");
  REQUIRE(profiled.code == 0);
  CHECK_FALSE(contains(profiled.err, "validating"));
  CHECK_FALSE(contains(profiled.err, "testing"));
  CHECK(contains(
      profiled.err,
      "note: with --profile nothing is validated or tested, unless --eval-every is given"));
  CHECK(contains(profiled.out, "neither validated nor tested"));
  CHECK(contains(profiled.out, "not in an op"));
  CHECK(contains(slurp(place / "run/profile.csv"), ",20,"));
  const Outcome json = place.run(command + " --force --profile --json");
  CHECK(nlohmann::json::parse(json.out).at("best_test_accuracy").is_null());

  const Outcome resumed =
      place.run(command + " --resume");  // the validation that --profile left out comes now
  CHECK(resumed.code == 0);
  CHECK(resumed.out.substr(0, resumed.out.find("trained")) ==
        few.out.substr(0, few.out.find("trained")));
  const std::string csv = without_times(slurp(place / "run/metrics.csv"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 21);
}

TEST_CASE("train_lra: a bar is never wider than the terminal") {
  const TinyRun place;
  for (const int width : {80, 40}) {
    CAPTURE(width);
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    REQUIRE(::grantpt(terminal) == 0);
    REQUIRE(::unlockpt(terminal) == 0);
    winsize size{};
    size.ws_col = (unsigned short)width;
    size.ws_row = 24;
    REQUIRE(::ioctl(terminal, TIOCSWINSZ, &size) == 0);
    const std::string command = "TERM=xterm exec " + programs() + "/train_lra --force --data " +
                                place / "data" + " --out " + place / "run" + kTiny +
                                " >/dev/null 2>" + ::ptsname(terminal);
    const int keeps_open =
        ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);  // until the program has opened it
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(terminal);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    std::string seen(1, '\0');
    while (::read(terminal, seen.data(), 1) != 1) {
    }
    ::close(keeps_open);
    char part[4096];
    for (ssize_t count; (count = ::read(terminal, part, sizeof part)) > 0;)
      seen.append(part, size_t(count));
    ::close(terminal);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    int64_t bars = 0;
    size_t longest = 0;
    for (size_t at = seen.find("\rstep "); at != std::string::npos;
         at = seen.find("\rstep ", at + 1), ++bars) {
      const size_t end = seen.find_first_of("\r\n\033", at + 1);
      longest = std::max(longest, end - at - 1);
      CHECK(seen.substr(end, 3) == "\033[K");  // erases the rest of a longer bar
    }
    CHECK(bars >= 7);  // at least one per row of metrics.csv
    CHECK(longest == size_t(width - 1));
  }
}

TEST_CASE("train_lra: a loss or gradient that is not finite stops the run and names the op") {
  const TinyRun place;
  const Outcome o = place.train("run", "--lr 1e30 --clip 0 --warmup 0 --norm none");
  CHECK(o.code == 4);
  CAPTURE(o.err);
  CHECK(contains(o.err, "is not finite"));
  CHECK(contains(o.err, "is the first that is not finite"));
  CHECK(contains(o.err, "error: step "));
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000030.safetensors"));
}

TEST_CASE("train_lra: after a run went wrong the last good checkpoint is still there") {
  const TinyRun place;
  const Outcome o = place.train("run",
                                "--optimizer sgd --lr 30 --schedule constant --warmup 0 --clip 0 "
                                "--norm none --save-every 1 --steps 300");
  CAPTURE(o.err);
  REQUIRE(o.code == 4);
  const size_t at = o.err.find("The last good checkpoint is ");
  REQUIRE(at != std::string::npos);
  const size_t begin = at + std::string("The last good checkpoint is ").size();
  const safetensors::File file =
      safetensors::read(o.err.substr(begin, o.err.find(';', begin) - begin));
  for (const safetensors::Entry& e : file.tensors) CHECK(all_finite(e.tensor));
}

TEST_CASE(
    "train_lra: several tasks run with every mixer; resumed, finished runs are not trained again") {
  const TinyRun place;
  const std::string command = "train_lra --task listops, --steps 3 --eval-limit 9 --quiet --data " +
                              place / "data" + " --out " + place / "all";
  const Outcome o = place.run(command);
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  std::istringstream csv(slurp(place / "all/results.csv"));
  std::string header, line;
  std::getline(csv, header);
  CHECK(std::count(header.begin(), header.end(), ',') == 9);
  for (const char* mixer : {"ski", "tno", "fd", "attention"}) {
    CAPTURE(mixer);
    REQUIRE(std::getline(csv, line));
    CHECK(contains(line, std::string("listops,") + mixer + ",tiny,1,0."));
    CHECK(contains(o.out, mixer));
  }
  CHECK_FALSE(std::getline(csv, line));
  CHECK(contains(slurp(place / "all/results.svg"), "listops"));

  CHECK(place.run(command).code == 2);  // not overwritten by accident
  const std::string before = slurp(place / "all/results.csv");
  const std::string best = slurp(place / "all/listops-fd/best.safetensors");
  fs::remove_all(place / "all/listops-tno");
  const Outcome again = place.run(command + " --resume");
  CAPTURE(again.err);
  CHECK(again.code == 0);
  CHECK((best == slurp(place / "all/listops-fd/best.safetensors")));
  const auto accuracies = [](const std::string& text) {  // the columns before the times
    std::string kept;
    std::istringstream in(text);
    for (std::string row; std::getline(in, row);)
      for (int comma = 0; const char c : row)
        kept += (comma += c == ',') < 7 ? std::string(1, c) : "";
    return kept;
  };
  CHECK(accuracies(before) == accuracies(slurp(place / "all/results.csv")));

  const Outcome model = place.run(command + " --resume --dim 8");
  CHECK(model.code == 2);
  CHECK(contains(model.err,
                 "--dim: several tasks take the 'tiny' recipe of each; of its numbers only --steps "
                 "and those of limits, saving and logging can be given"));
  const Outcome mixed = place.run(command + " --resume --json --mixer fd");
  REQUIRE(mixed.code == 0);
  const auto runs = nlohmann::json::parse(mixed.out);
  REQUIRE(runs.is_array());
  REQUIRE(runs.size() == 1);  // the one that is asked for
  CHECK(runs[0].at("mixer") == "fd");
  CHECK(runs[0].at("run_folder") == place / "all/listops-fd");
  CHECK(runs[0].at("best_test_accuracy").get<double>() >= 0);
  CHECK(place.run("train_lra --task listops,chess --data " + place / "data").code == 2);
  const Outcome named = place.run("train_lra --task listops,text --mixer none --steps 1 --data " +
                                  place / "data" + " --out " + place / "named");
  CHECK(named.code == 3);  // asked for by name, and not there
  CHECK(contains(named.out, "text           no data in '"));
  CHECK(contains(named.out, "listops        none "));
  spill(place / "file", "x");
  CHECK(place.run("train_lra --task listops, --data " + place / "data" + " --out " + place / "file")
            .code == 5);
}

TEST_CASE(
    "train_lra: a task without the recipe or without data does not keep others from running") {
  const TinyRun place;
  fs::create_directories(place / "data/tsv_data");
  for (const char* split : {"train", "eval", "test"})
    spill(place / "data/tsv_data/new_aan_pairs." + std::string(split) + ".tsv", "1\t1\t2\ta\tb\n");
  const std::string rest = " --steps 1 --eval-limit 4 --test-limit 4 --quiet --mixer ski --out ";
  const Outcome o = place.run("train_lra --task retrieval,text,listops --recipe small --data " +
                              place / "data" + rest + place / "all");
  CAPTURE(o.out);
  CAPTURE(o.err);
  CHECK(o.code == 3);  // no data for text, which was named
  CHECK(contains(o.out, "retrieval      left out: --recipe: retrieval has "));
  CHECK(contains(o.out, "text           no data in '"));
  CHECK(contains(o.out, "listops        ski "));
  CHECK(contains(o.out, "table: "));
}

TEST_CASE("train_lra: --test-limit tests on that many examples and says so") {
  const TinyRun place;
  const Outcome o = place.train("limited", "--test-limit 7 --json");
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, "tested on 7 of 40 examples"));
  const double sevenths = 7 * nlohmann::json::parse(o.out).at("best_test_accuracy").get<double>();
  CHECK(sevenths == doctest::Approx(std::round(sevenths)).epsilon(1e-4));
  const Outcome all = place.train_here("all", "--test-limit 41");
  REQUIRE(all.code == 0);
  CHECK_FALSE(contains(all.err, "tested on"));
}

TEST_CASE("train_lra: --init starts from another run's parameters") {
  const TinyRun place;
  REQUIRE(place.train_here("a").code == 0);
  const std::string from = " --init " + place / "a/ckpt-00000030.safetensors";
  REQUIRE(place.train("b", "--lr 0 --weight-decay 0 --steps 1" + from).code == 0);
  const auto first = safetensors::read(place / "a/ckpt-00000030.safetensors");
  const auto second = safetensors::read(place / "b/best.safetensors");
  int compared = 0;
  for (const auto& e : first.tensors) {
    if (e.name.starts_with("optimizer.")) continue;
    CAPTURE(e.name);
    CHECK((to_vector(e.tensor) == to_vector(second.at(e.name))));
    ++compared;
  }
  CHECK(compared > 5);
  const Outcome missing = place.train_here("c", "--init " + place / "none.safetensors");
  CHECK(missing.code == 3);
  CHECK(contains(missing.err, "none.safetensors"));
  CHECK(place.train_here("d", "--dim 16" + from).code == 3);
}

TEST_CASE("train_lra: an example whose logits are not finite counts as wrong, and is reported") {
  const TinyRun place;
  REQUIRE(place.train_here("a", "--norm batch").code == 0);
  safetensors::File file = safetensors::read(place / "a/best.safetensors");
  int changed = 0;
  for (safetensors::Entry& e : file.tensors) {  // training does not read these
    if (!e.name.ends_with("running_mean")) continue;
    e.tensor = e.tensor.clone();
    e.tensor.data<float>()[0] = NAN;
    ++changed;
  }
  REQUIRE(changed > 0);
  safetensors::write(place / "nan.safetensors", file.tensors, file.metadata);
  const Outcome o = place.train(
      "b", "--norm batch --steps 2 --eval-every 2 --json --init " + place / "nan.safetensors");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.err,
                 "step 2: validation loss nan, accuracy 0.0 %; 40 examples have logits that are "
                 "not finite, counted as wrong"));
  CHECK(
      contains(o.err, "note: test: 40 examples have logits that are not finite, counted as wrong"));
  CHECK(contains(o.out, "\"best_test_accuracy\":0"));
}

TEST_CASE("train_lra: of several tasks one that fails keeps none of the others from running") {
  const TinyRun place;
  const auto review = [&](const std::string& split, int number, const std::string& text) {
    for (const char* label : {"neg", "pos"}) {
      const std::string folder = place / "data/aclImdb/" + split + "/" + label;
      fs::create_directories(folder);
      spill(folder + "/" + std::to_string(number) + "_5.txt", text);
    }
  };
  review("train", 0, "good"), review("test", 0, "bad");
  const std::string command =
      "train_lra --task text,listops --steps 1 --eval-limit 4 --test-limit 4 --data " +
      place / "data" + " --out " + place / "all";
  const Outcome o = place.run(command);
  CAPTURE(o.err);
  CHECK(o.code == 2);
  CHECK(contains(o.out, "text           attention  failed: --batch-size"));
  CHECK(std::count(o.out.begin(), o.out.end(), '\n') == 1 + 8 + 2);
  for (int i = 1; i < 20; ++i) review("train", i, "film");
  const Outcome again = place.run(command + " --resume");
  CAPTURE(again.err);
  CHECK(again.code == 0);
  CHECK_FALSE(contains(again.out, "failed"));
  CHECK(contains(again.err, "all/listops-fd' holds a finished run"));
  CHECK_FALSE(contains(again.err, "listops, fd, recipe tiny:"));
}
