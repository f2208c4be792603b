// The programs as a user meets them: exit codes, messages, files, stopping and going on.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "core/memory.h"
#include "core/version.h"
#include "data/tasks/fashion.h"
#include "examples/train/recipes.h"
#include "tests/support/programs.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

// metrics.csv without its two last columns, which are times.
std::string without_times(const std::string& csv) {
  std::string result;
  std::istringstream in(csv);
  for (std::string line; std::getline(in, line);) {
    const size_t last = line.rfind(',');
    result += line.substr(0, line.rfind(',', last - 1)) + "\n";
  }
  return result;
}

void check_same_run(const Place& place, const std::string& a, const std::string& b) {
  for (const char* name :
       {"ckpt-00000030.safetensors", "ckpt-00000025.safetensors", "best.safetensors"}) {
    CAPTURE(name);
    const std::string left = slurp(place / (a + "/" + name));
    CHECK(!left.empty());
    CHECK((left == slurp(place / (b + "/" + name))));
  }
  CHECK(without_times(slurp(place / (a + "/metrics.csv"))) ==
        without_times(slurp(place / (b + "/metrics.csv"))));
}

}  // namespace

#if !defined(__clang__)  // LLVM's OpenMP has other settings
TEST_CASE(
    "programs: waiting threads sleep after a short spin, unless the user says how they wait") {
  const Place place;
  const auto shown = [&](const std::string& environment) {
    const std::string settings =
        place.run_with(environment + " OMP_DISPLAY_ENV=VERBOSE", "explain --help").err;
    const size_t at = settings.rfind("GOMP_SPINCOUNT = ");
    REQUIRE(at != std::string::npos);
    return settings.substr(at, settings.find('\n', at) - at);
  };
  CHECK(shown("env -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY") == "GOMP_SPINCOUNT = '2000'");
  CHECK(shown("env -u OMP_WAIT_POLICY GOMP_SPINCOUNT=77") == "GOMP_SPINCOUNT = '77'");
  CHECK(shown("env -u GOMP_SPINCOUNT OMP_WAIT_POLICY=PASSIVE") == "GOMP_SPINCOUNT = '0'");
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(SKIFF_CUDA)  // CUDA's libraries alone do not fit in there
TEST_CASE(
    "programs: too small an address space is one line, where OpenBLAS would never come back") {
  const Place place;
  const Outcome small =
      place.run_with("ulimit -v 150000; exec env OMP_NUM_THREADS=1", "explain --help");
  CHECK(small.code == 1);
  CHECK(small.err ==
        "error: the address space is limited to 146 MB (ulimit -v); OpenBLAS alone needs 416 MB "
        "for 1 "
        "thread\n");
  CHECK(place.run_with("ulimit -v 2000000; exec env OMP_NUM_THREADS=1", "explain --help").code ==
        0);
}
#endif

TEST_CASE("programs: --help explains itself on standard output") {
  const Place place;
  for (const char* name : {"train_lra", "evaluate", "predict", "lra_data", "gradcheck", "golden",
                           "bench", "report", "explain"}) {
    const Outcome o = place.run(std::string(name) + " --help");
    CAPTURE(name);
    CHECK(o.code == 0);
    CHECK(contains(o.out, "Example"));
    CHECK(o.err.empty());
  }
}

TEST_CASE("programs: --version prints the version of the project") {
  const Place place;
  const Outcome o = place.run("gradcheck --version");
  CHECK(o.code == 0);
  CHECK(o.out == "skiff " + std::string(kVersion) + "\n");
}

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
  for (const std::string mixer : {"ski", "tno", "fd"}) {
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

TEST_CASE("train_lra: a device that is missing is refused, or the CPU is taken with a reason") {
  if (memory::cuda_available()) return;  // tests/core/test_cuda.cpp computes on it
  const std::string reason = memory::cuda_unavailable_reason();
  const TinyRun place;
  const Outcome refused = place.train("a", "--device cuda");
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, "--device cuda"));
  CHECK(contains(refused.err, reason));
  const Outcome chosen = place.train("b", "--device auto");
  CHECK(chosen.code == 0);
  CHECK(contains(chosen.err, "the CPU, because " + reason));
}

TEST_CASE("train_lra: --profile measures every op and changes no byte of the run") {
  const TinyRun place;
  REQUIRE(place.train("plain").code == 0);
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
  REQUIRE(place.train("run", "--force").code == 0);  // removes what the last run left
  CHECK_FALSE(fs::exists(place / "run/profile.csv"));
}

TEST_CASE("train_lra: stopped at any of five places and resumed equals never stopped") {
  const TinyRun place;
  REQUIRE(place.train("whole").code == 0);
  for (const int stop : {1, 6, 10, 17, 29}) {
    CAPTURE(stop);
    const std::string name = "stop" + std::to_string(stop);
    const Outcome o = place.train(name, "--stop-at " + std::to_string(stop));
    REQUIRE(o.code == 0);
    CHECK(contains(o.err, "stopped at step " + std::to_string(stop)));
    REQUIRE(place.train(name, "--resume").code == 0);
    check_same_run(place, "whole", name);
  }
}

// Runs a program, sends it the signal as soon as `file` is there and has `text`, and returns its
// exit code.
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
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST_CASE("train_lra: a signal saves, exits 130 or 143, and the run goes on from there") {
  const TinyRun place;
  REQUIRE(place.train("whole", "--steps 600 --warmup 10 --stop-at 600 --threads 1").code == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = place / ("run" + std::to_string(signal));
    const std::string command = "train_lra --data " + place / "data" + " --out " + out + kTiny +
                                " --steps 600 --warmup 10 --threads 1 --quiet";
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
  REQUIRE(place
              .run("lra_data generate listops --out " + place / "data/listops" +
                   " --seed 3 --train 200 --val 40 --test 30000 --min-length 2 --max-length 20")
              .code == 0);
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
  REQUIRE(place
              .run("lra_data generate listops --out " + place / "data/listops" +
                   " --seed 3 --train 200 --val 1500 --test 40 --min-length 2 --max-length 20")
              .code == 0);
  const auto command = [&](const std::string& out) {
    return "train_lra --data " + place / "data" + " --out " + place / out + kTiny +
           " --eval-every 15 --threads 1";
  };
  REQUIRE(place.run(command("whole")).code == 0);
  CHECK(code_after_signal(command("run"), SIGTERM, place / "run/ckpt-00000015.safetensors", "",
                          place / "err") == 143);
  CHECK(contains(slurp(place / "err"), "stopped at step 15, saved; --resume goes on"));
  const auto stopped = safetensors::read(place / "run/ckpt-00000015.safetensors").metadata;
  CHECK(stopped.at("validated") == "0");
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000016.safetensors"));
  REQUIRE(place.run(command("run") + " --resume").code == 0);
  check_same_run(place, "whole", "run");
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

  const Outcome resumed = place.run(command + " --resume");  // makes up for the validation
  CHECK(resumed.code == 0);
  CHECK(resumed.out.substr(0, resumed.out.find("trained")) ==
        few.out.substr(0, few.out.find("trained")));
  const std::string csv = without_times(slurp(place / "run/metrics.csv"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 21);
}

TEST_CASE("train_lra: notes on cut examples, too long a warm-up and options without effect") {
  const TinyRun place;
  const Outcome cut = place.train("cut", "--max-length 4 --inducing-points 4 --steps 11");
  CHECK(cut.code == 0);
  CHECK(contains(cut.err, " of 200 training examples are longer than --max-length 4 and are cut"));
  CHECK(contains(cut.err,
                 "note: 11 steps are less than the 200 of --warmup: the learning rate only rises, "
                 "to 0.0001 of 0.002\n"));
  const Outcome none = place.train("none", "--steps 2 --warmup 2");
  CHECK_FALSE(contains(none.err, "are cut"));
  CHECK_FALSE(contains(none.err, "--warmup"));
  CHECK_FALSE(contains(none.err, "no effect"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--heads 3", "--heads has no effect with --mixer ski"},
      {"--mixer fd --inducing-points 9", "--inducing-points has no effect with --mixer fd"},
      {"--mixer attention --gamma 0.5", "--gamma has no effect with --mixer attention"},
      {"--mixer tno --rpe-layers 2", "--rpe-layers has no effect with --tno-rpe lra"},
      {"--gamma 0.5", "--gamma has no effect with --warp auto"},
      {"--val-split 0.5", "--val-split has no effect with --task listops"},
      {"--layout image", "--layout has no effect with --task listops: it has no images"},
      {"--epochs 3", "--epochs has no effect beside --steps"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome o = place.train("some", "--force --steps 1 " + c.first);
    CHECK(o.code == 0);
    CHECK(contains(o.err, "note: " + c.second + "\n"));
    CHECK_FALSE(
        contains(place.train("some", "--force --quiet --steps 1 " + c.first).err, "no effect"));
  }
  const Outcome points = place.train("points", "--rank 33");  // an old name
  CHECK(points.code == 2);
  CHECK(contains(points.err,
                 "--inducing-points: at most 32 inducing points fit the 32 positions of a "
                 "sequence, got 33"));
  const Outcome image = place.run("train_lra --task image --max-length 9 --data " + place / "none" +
                                  " --out " + place / "image");
  CHECK(contains(image.err,
                 "note: --max-length has no effect with --task image: its images have one size"));
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
        ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);  // until the program has it
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
      CHECK(seen.substr(end, 3) == "\033[K");  // what was longer before is erased
    }
    CHECK(bars >= 7);  // those of metrics.csv at least
    CHECK(longest == size_t(width - 1));
  }
}

TEST_CASE("train_lra: odd texts survive --print-config and --config") {
  const Place place;
  const std::vector<std::string> texts = {
      "a#b",   "#",    "a b",          " a ", "'",    "\"",   "'\"", "a'b", "a\"b",
      "\\",    "\\n",  "a\nb",         "\n",  "\r",   "a\tb", "=",   "a=b", "[]",
      "[a,b]", "a,b",  "true",         "1e5", "0x1f", "nan",  "{}",  "%%",  "$x",
      "\x01",  "\xff", "\xE6\x97\xA5", ";",   "-",    "--",   "++",  "a\\"};
  const auto quote = [](const std::string& text) {  // for the shell
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
  };
  for (size_t i = 0; i < texts.size(); i += 3) {
    const std::string &out = texts[i], &data = texts[(i + 1) % texts.size()],
                      &init = texts[(i + 2) % texts.size()];
    CAPTURE(out);
    CAPTURE(data);
    CAPTURE(init);
    const Outcome printed = place.run("train_lra --print-config --out=" + quote(out) +
                                      " --data=" + quote(data) + " --init=" + quote(init));
    REQUIRE(printed.code == 0);
    spill(place / "config", printed.out);
    const Outcome again = place.run("train_lra --print-config --config " + place / "config");
    CHECK(again.code == 0);
    CHECK(again.out == printed.out);
  }
  // The files of another program's quoting: no escapes, and quotes of the other kind around quotes.
  spill(place / "config", "task=\"text\"\nsteps=7\nlr=0.5\nout='a\"b'\nmask-padding=false\n");
  const Outcome old = place.run("train_lra --print-config --config " + place / "config");
  CHECK(old.code == 0);
  for (const char* line :
       {"task=\"text\"\n", "steps=7\n", "lr=0.5\n", "out=\"a\\\"b\"\n", "mask-padding=false\n"})
    CHECK(contains(old.out, line));
  // Read once, so that a pipe will do.
  const std::string piped = "cat " + place / "config" + " | " + programs() +
                            "/train_lra --print-config --config /dev/stdin >" + place / "out";
  CHECK(std::system(piped.c_str()) == 0);
  CHECK(slurp(place / "out") == old.out);
}

TEST_CASE("train_lra: the printed configuration, fed back, is the same run") {
  const TinyRun place;
  const Outcome printed = place.train("a", "--print-config --mixer fd --no-bucket --seed 5");
  REQUIRE(printed.code == 0);
  CHECK_FALSE(fs::exists(place / "a"));
  spill(place / "config", printed.out);
  REQUIRE(place.train("a", "--mixer fd --no-bucket --seed 5").code == 0);
  REQUIRE(place.run("train_lra --config " + place / "config --out " + place / "b").code == 0);
  check_same_run(place, "a", "b");
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

TEST_CASE("train_lra: wrong options exit with 2 and one line that names the option") {
  const TinyRun place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--modle ski", "unknown option '--modle'"},
      {"--mixr ski", "did you mean '--mixer'"},
      {"--mixer sky", "did you mean 'ski'"},
      {"--mixer recurrent", "must be one of ski, tno, fd, attention, got 'recurrent'"},
      {"--task listop", "did you mean 'listops'"},
      {"--task chess", "--task: must be one of listops, text, "},
      {"--recipe tny", "did you mean 'tiny'"},
      {"--recipe huge", "listops has paper, tiny, small; got 'huge'"},
      {"--steps -1", "--steps"},
      {"--steps ten", "must be a number from 0"},
      {"--lr nan", "--lr"},
      {"--lr -1", "--lr"},
      {"--dropout 1", "must be a number from 0 to 0.999, got '1'"},
      {"--gamma 1.5", "--gamma"},
      {"--norm batc", "did you mean 'batch'"},
      {"--schedule cosin", "did you mean 'cosine'"},
      {"--seed -3", "--seed"},
      {"--rank 1", "--inducing-points: must be a number from 2"},
      {"--batch-size 0", "--batch-size"},
      {"--batch-size 100000", "is more than the 200 training examples"},
      {"--epochs 0 --steps 0", "--steps or --epochs must be positive"},
      {"--expand 0.05", "width"},
      {"--max-length 1", "--max-length"},
      {"--dtype float16", "must be one of float32, float64"},
      {"extra", "unexpected argument 'extra'"},
      {"--config " + place / "none.toml", "none.toml"},
      {"--steps", "--steps"},
  };
  for (const auto& c : cases) {
    const std::string &options = c.first, &part = c.second;
    CAPTURE(options);
    // Of an option given twice the last one counts, so these override the tiny ones.
    const Outcome o = place.run("train_lra --data " + place / "data" + " --out " + place / "run" +
                                kTiny + " " + options);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
    CHECK(contains(o.err, "error: "));
    CHECK(o.out.empty());
    CHECK_FALSE(fs::exists(place / "run/ckpt-00000030.safetensors"));
    fs::remove_all(place / "run");
  }
}

TEST_CASE("train_lra: wrong configuration files exit with 2") {
  const TinyRun place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"stepz=10\n", "stepz"},
      {"steps=abc\n", "steps"},
      {"mixer=\"sky\"\n", "mixer"},
      {"task=\"chess\"\n", "chess"},
      {"recipe=\"none\"\n", "none"},
      {"task=[]\n", "config:1:6: a value must be"},
      {"seed=1\nfoo\n", "config:2:4: '=' must follow the key 'foo'"},
      {"\nsteps=-1\n", "config:2: --steps: must be a number"},
      {"stepz=10\n", "config:1: unknown option 'stepz'; did you mean 'steps'?"},
      {"resume=true\n", "config:1: 'resume' belongs on the command line"},
      {std::string(2 << 20, '\0'), "longer than"}};
  for (const auto& c : cases) {
    const std::string &text = c.first, &part = c.second;
    CAPTURE(text);
    spill(place / "config", text);
    const Outcome o = place.run("train_lra --config " + place / "config --data " +
                                place / "data --out " + place / "run");
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  }
}

TEST_CASE("train_lra: bad data exits with 3, naming file, line and reason") {
  const TinyRun place;
  const std::string train_file = place / "data/listops/basic_train.tsv", good = slurp(train_file);
  struct Case {
    std::string text, part;
  };
  const std::string header = "Source\tTarget\r\n";
  const std::vector<Case> cases = {
      {"", "basic_train.tsv"},
      {header, "no rows"},
      {"Source,Target\r\n" + good.substr(header.size()), ":1:"},
      {header + "( [MAX 4 ) ] )\t4\textra\r\n", ":2:"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\r\n", ":2:"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\t10\r\n", "10"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\t-1\r\n", "-1"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\tfour\r\n", "four"},
      {header + "( ( ( [SUM 4 ) 3 ) ] )\t4\r\n", "[SUM"},
      {header + "\t4\r\n", ":2:"},
      {good + std::string(3, '\0'), "basic_train.tsv"},
      {good.substr(0, good.size() - 6), "basic_train.tsv"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    spill(train_file, cases[i].text);
    const Outcome o = place.train("run", "--force");
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, cases[i].part));
  }
  spill(train_file, good);
  const Outcome missing =
      place.run("train_lra --data " + place / "nowhere --out " + place / "run" + kTiny);
  CHECK(missing.code == 3);
  CHECK(contains(missing.err, "lra_data generate listops"));
  fs::remove(place / "data/listops/basic_test.tsv");
  const Outcome partial = place.train("run", "--force");
  CHECK(partial.code == 3);
  CHECK(contains(partial.err, "basic_test.tsv"));
}

TEST_CASE("train_lra: when no checkpoint is whole, 3 is the exit code and nothing is overwritten") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10 --keep 1").code == 0);
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
    const Outcome o = place.train("run", "--resume");
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, "no checkpoint is whole"));
    CHECK(contains(o.err, part));
    CHECK((slurp(path) == bytes));
    CHECK(slurp(place / "run/metrics.csv") == metrics);
  }
  // A checkpoint of another model, and one without a training state.
  REQUIRE(place.train("other", "--stop-at 10 --mixer fd").code == 0);
  fs::copy_file(place / "other/ckpt-00000010.safetensors", path,
                fs::copy_options::overwrite_existing);
  const Outcome other = place.train("run", "--resume");
  CHECK(other.code == 3);
  CHECK(contains(other.err, "not a checkpoint of this model"));
  CHECK(contains(other.err, "missing 'layers.0.gtu.toep.alphas'"));
  safetensors::write(path, {{"x", zeros({1}, DType::Float32)}});
  const Outcome foreign = place.train("run", "--resume");
  CHECK(foreign.code == 3);
  CHECK(contains(foreign.err, "not a training checkpoint"));
  // And the good one still works.
  spill(path, good);
  CHECK(place.train("run", "--resume").code == 0);
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
  CHECK(
      contains(model.err,
               "--dim: several tasks take the 'tiny' recipe of each; of its numbers only --steps, "
               "--eval-limit and --test-limit can be given"));
  const Outcome mixed = place.run(command + " --resume --json --mixer fd");
  REQUIRE(mixed.code == 0);
  const auto runs = nlohmann::json::parse(mixed.out);
  REQUIRE(runs.is_array());
  REQUIRE(runs.size() == 4);
  CHECK(runs[2].at("mixer") == "fd");
  CHECK(runs[2].at("run_folder") == place / "all/listops-fd");
  CHECK(runs[2].at("best_test_accuracy").get<double>() >= 0);
  CHECK(place.run("train_lra --task listops,chess --data " + place / "data").code == 2);
  spill(place / "file", "x");
  CHECK(place.run("train_lra --task listops, --data " + place / "data" + " --out " + place / "file")
            .code == 5);
}

TEST_CASE("train_lra: --test-limit tests on that many examples and says so") {
  const TinyRun place;
  const Outcome o = place.train("limited", "--test-limit 7 --json");
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, "tested on 7 of 40 examples"));
  const double sevenths = 7 * nlohmann::json::parse(o.out).at("best_test_accuracy").get<double>();
  CHECK(sevenths == doctest::Approx(std::round(sevenths)).epsilon(1e-4));
  const Outcome all = place.train("all", "--test-limit 41 --json");
  REQUIRE(all.code == 0);
  CHECK_FALSE(contains(all.err, "tested on"));
}

TEST_CASE("train_lra: --init starts from another run's parameters") {
  const TinyRun place;
  REQUIRE(place.train("a").code == 0);
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
  const Outcome missing = place.train("c", "--init " + place / "none.safetensors");
  CHECK(missing.code == 3);
  CHECK(contains(missing.err, "none.safetensors"));
  CHECK(place.train("d", "--dim 16" + from).code == 3);
}

TEST_CASE("train_lra: an example whose logits are not finite counts as wrong, and is reported") {
  const TinyRun place;
  REQUIRE(place.train("a", "--norm batch").code == 0);
  safetensors::File file = safetensors::read(place / "a/best.safetensors");
  int changed = 0;
  for (safetensors::Entry& e : file.tensors) {  // training does not read it
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

TEST_CASE("train_lra: --list prints every recipe with what it reached") {
  const Place place;
  const Outcome o = place.run("train_lra --list");
  CHECK(o.code == 0);
  CHECK(std::count(o.out.begin(), o.out.end(), '\n') ==
        int64_t(recipes().size()) + 2);  // a header and what '-' means
  CHECK(contains(o.out, "pathx         paper"));
  CHECK(contains(o.out, "not yet measured"));
}

TEST_CASE("train_lra: a run folder is never overwritten by accident") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
  const Outcome again = place.train("run");
  CHECK(again.code == 2);
  CHECK(contains(again.err, "holds a run already; --resume goes on with it"));
  const Outcome changed = place.train("run", "--resume --lr 0.5");
  CHECK(changed.code == 2);
  CHECK(contains(changed.err, "--lr is 0.5, was"));
  const Outcome nothing = place.train("empty", "--resume");
  CHECK(nothing.code == 3);
  CHECK(contains(nothing.err, "holds no run"));
  CHECK(place.train("run", "--force").code == 0);
  spill(place / "file", "x");
  const Outcome not_folder = place.train("file");
  CHECK(not_folder.code == 5);
  CHECK(contains(not_folder.err, "cannot create the run folder"));
}

TEST_CASE("train_lra: somebody's own files in the folder given as --out are left alone") {
  const Place place;
  fs::create_directories(place / "mine/empty.tmp.d");
  spill(place / "mine/thesis.tmp.tex", "years of work");
  CHECK(place.run("train_lra --data " + place / "nowhere" + " --out " + place / "mine").code == 3);
  CHECK(slurp(place / "mine/thesis.tmp.tex") == "years of work");
  CHECK(fs::is_directory(place / "mine/empty.tmp.d"));
}

TEST_CASE("train_lra: a copy of a checkpoint and a damaged metrics.csv do not hinder --resume") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
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

TEST_CASE("train_lra: two programs cannot train in one folder") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
  const int lock = ::open((place / "run/lock").c_str(), O_RDWR);
  REQUIRE(lock >= 0);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  const Outcome o = place.train("run", "--resume");
  CHECK(o.code == 2);
  CHECK(contains(o.err, "another program trains in"));
  ::close(lock);  // the lock goes with the program that held it
  CHECK(place.train("run", "--resume").code == 0);
}

TEST_CASE("train_lra: --force removes the old run only when the new one can begin") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
  const std::string checkpoint = slurp(place / "run/ckpt-00000010.safetensors"),
                    metrics = slurp(place / "run/metrics.csv");
  for (const auto& [given, code] : {std::pair<std::string, int>{"--data " + place / "nowhere", 3},
                                    {"--init " + place / "none.safetensors", 3},
                                    {"--batch-size 1000", 2}}) {
    const std::string options = given;
    CAPTURE(options);
    CHECK(place.train("run", "--force " + options).code == code);
    CHECK((slurp(place / "run/ckpt-00000010.safetensors") == checkpoint));
    CHECK(slurp(place / "run/metrics.csv") == metrics);
    CHECK(fs::exists(place / "run/best.safetensors"));
  }
  CHECK(place.train("run", "--force --stop-at 5").code == 0);
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000010.safetensors"));
}

TEST_CASE("train_lra: a resumed run without best.safetensors says so and chooses the best anew") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
  const std::string best = slurp(place / "run/best.safetensors");
  fs::remove(place / "run/best.safetensors");
  const Outcome stopped = place.train("run", "--resume --stop-at 11");
  CHECK(stopped.code == 0);
  CHECK(contains(stopped.err, "the best weights so far are lost"));
  CHECK((slurp(place / "run/best.safetensors") == best));  // those of step 10 again
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

// Runs a line of the shell in which $train means train_lra and the options of a tiny run.
int code_in_shell(const TinyRun& place, const std::string& out, const std::string& line) {
  const std::string train =
      programs() + "/train_lra --data " + place / "data" + " --out " + place / out + kTiny;
  const int status = std::system(
      ("train='" + train + "'; cd " + fs::current_path().string() + "; " + line).c_str());
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST_CASE("train_lra: a run does not end because nobody reads its progress") {
  const TinyRun place;
  code_in_shell(place, "run",
                "($train 2>&1 >" + place / "table" + "; echo $? >" + place / "code" + ") | :");
  CHECK(slurp(place / "code") == "0\n");
  CHECK(contains(slurp(place / "table"), "best weights (step"));
}

TEST_CASE(
    "train_lra: a limit on the size of files is an error of the write, and leaves no half file") {
  const TinyRun place;
  CHECK(code_in_shell(place, "run", "ulimit -f 8; $train 2>" + place / "err >" + place / "out") ==
        5);
  CHECK(contains(slurp(place / "err"), "File too large"));
  CHECK(contains(slurp(place / "err"), "step 30/30"));
  for (const auto& entry : fs::directory_iterator(place / "run"))
    CHECK(entry.path().string().find(".tmp") == std::string::npos);
}

TEST_CASE("train_lra: a save that fails is reported, and the run goes on to the same end") {
  const TinyRun place;
  REQUIRE(place.train("whole").code == 0);
  // Other files have all the names that the temporary file may take; exec keeps the process number.
  const std::string run = place / "run";
  const auto blocked = [&](const std::string& name) {
    return "mkdir " + run + "; i=$$; while [ $i -le $(($$ + 1000)) ]; do : >" + run + "/" + name +
           ".safetensors.tmp.$i; i=$((i + 1)); done; exec $train 2>" + place / "err >" +
           place / "out";
  };
  CHECK(code_in_shell(place, "run", blocked("ckpt-00000010")) == 0);
  CHECK(contains(slurp(place / "err"), "ckpt-00000010.safetensors"));
  CHECK(contains(slurp(place / "err"), "tries again at the next save"));
  CHECK_FALSE(fs::exists(run + "/ckpt-00000010.safetensors"));
  check_same_run(place, "whole", "run");
  // The last one has nothing after it; --resume comes back to it.
  fs::remove_all(run);
  CHECK(code_in_shell(place, "run", blocked("ckpt-00000030")) == 5);
  CHECK(fs::exists(run + "/ckpt-00000025.safetensors"));
  CHECK(place.train("run", "--resume").code == 0);
  check_same_run(place, "whole", "run");
  fs::remove_all(run);
  CHECK(code_in_shell(place, "run", blocked("best")) == 5);
  CHECK(contains(slurp(place / "err"), "step 30/30"));
}

TEST_CASE("train_lra: curves that cannot be written cost the exit code, not the run") {
  const TinyRun place;
  fs::create_directories(place / "run/curves.svg/x");
  const Outcome o = place.train("run");
  CHECK(o.code == 5);
  CHECK(contains(o.err, "curves.svg"));
  CHECK(contains(o.out, "best weights (step"));
  CHECK(fs::exists(place / "run/ckpt-00000030.safetensors"));
}

TEST_CASE(
    "train_lra: a damaged newest checkpoint is put aside, and the one before it goes on to the "
    "same end") {
  const TinyRun place;
  REQUIRE(place.train("whole").code == 0);
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
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

TEST_CASE("train_lra: --resume on other data is refused") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10").code == 0);
  fs::rename(place / "data", place / "moved");
  REQUIRE(place
              .run("lra_data generate listops --out " + place / "data/listops" +
                   " --seed 77 --train 200 --val 40 --test 40 --min-length 2 --max-length 20")
              .code == 0);
  const Outcome o = place.train("run", "--resume");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "was started on other data: the training split in"));
  // The same rows in another place are the same data; a checkpoint of before does not say what it
  // saw.
  const std::string moved = " --data " + place / "moved";
  CHECK(place.train("run", "--resume --stop-at 11" + moved).code == 0);
  safetensors::File file = safetensors::read(place / "run/ckpt-00000011.safetensors");
  REQUIRE(file.metadata.erase("train_data") == 1);
  safetensors::write(place / "run/ckpt-00000011.safetensors", file.tensors, file.metadata);
  const Outcome unknown = place.train("run", "--resume" + moved);
  CHECK(unknown.code == 0);
  CHECK(contains(unknown.err, "does not name the data it was trained on"));
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

TEST_CASE(
    "train_lra: --resume compares what shapes the result, and an option of before has its "
    "default") {
  const TinyRun place;
  REQUIRE(place.train("run", "--stop-at 10 --lr 0.002").code == 0);
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
  CHECK(place.train("run", same).code == 0);
  spill(path, older);
  const Outcome other = place.train("run", same + " --heads 4");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--heads is 4, was 0"));
  spill(path, config + "sparkle=1\n");
  const Outcome newer = place.train("run", same);
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
  REQUIRE(place.train("whole", constant).code == 0);
  REQUIRE(place.train("run", constant + "--steps 20").code == 0);
  const Outcome o = place.train("run", constant + "--resume --steps 30");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(contains(o.err, "the run has 30 steps now"));
  check_same_run(place, "whole", "run");
  CHECK(contains(slurp(place / "run/config.toml"), "steps=30\n"));
  CHECK(contains(o.out, "last weights (step 30)"));
  const Outcome shorter = place.train("run", constant + "--resume --steps 25");
  CHECK(shorter.code == 2);
  CHECK(contains(shorter.err, "has taken 30 steps already, got 25"));
  CHECK(place.train("run", constant + "--resume --epochs 9").code == 2);
  CHECK(
      place.run("train_lra --task listops --data " + place / "data --resume --out " + place / "run")
          .code == 2);
}

TEST_CASE("golden: every reference file agrees, in float64 and float32") {
  const Place place;
  const Outcome o = place.run("golden tests/reference");
  CAPTURE(o.out);
  CHECK(o.code == 0);
  CHECK(contains(o.out, "files agree"));
}

TEST_CASE("golden: a wrong number, an unknown case and a missing tensor exit with 6") {
  const Place place;
  fs::create_directories(place / "cases");
  const auto with = [&](const std::string& from, const auto& change) {
    safetensors::File file = safetensors::read("tests/reference/" + from + ".safetensors");
    change(file);
    safetensors::write(place / "cases/case.safetensors", file.tensors, file.metadata);
    return place.run("golden " + place / "cases");
  };
  const auto entry = [](safetensors::File& file, const std::string& name) -> Tensor& {
    for (safetensors::Entry& e : file.tensors)
      if (e.name == name) return e.tensor;
    FAIL("no such tensor");
    return file.tensors[0].tensor;
  };
  CHECK(with("tno_bi_decay_n16", [](safetensors::File&) {}).code == 0);
  for (const char* name : {"y", "grad.x", "grad.param.rpe.out.2.weight", "loss"}) {
    const std::string tensor =
        std::string(name) == "grad.param.rpe.out.2.weight" ? "grad.param.rpe.out.weight" : name;
    const Outcome o = with("tno_bi_decay_n16", [&](safetensors::File& file) {
      Tensor& x = entry(file, tensor);
      x = x.clone();
      x.data<double>()[0] += 1e-3;
    });
    CHECK(o.code == 6);
    CHECK(contains(o.out, tensor));
    CHECK(contains(o.out, "MISSED"));
  }
  const Outcome unknown =
      with("act_relu", [](safetensors::File& file) { file.metadata["op"] = "wavelet"; });
  CHECK(unknown.code == 6);
  CHECK(contains(unknown.out, "unknown case: op 'wavelet'"));
  const Outcome missing =
      with("act_relu", [](safetensors::File& file) { file.tensors.pop_back(); });
  CHECK(missing.code == 6);
  const Outcome extra = with("act_relu", [](safetensors::File& file) {
    file.tensors.push_back({"grad.param.ghost", zeros({1}, DType::Float64)});
  });
  CHECK(extra.code == 6);
  CHECK(contains(extra.out, "'grad.param.ghost' belongs to nothing"));
  CHECK(place.run("golden " + place / "none").code == 3);
  fs::create_directories(place / "empty");
  CHECK(place.run("golden " + place / "empty").code == 3);
  CHECK(place.run("golden").code == 2);
}

TEST_CASE("gradcheck: one row an op; unknown ops and limits that cannot be met are told") {
  const Place place;
  const Outcome all = place.run("gradcheck");
  CHECK(all.code == 0);
  for (const char* op :
       {"rfft", "irfft", "hilbert", "spectral_conv", "toeplitz", "conv1d", "interpolate",
        "interpolate_adjoint", "warped_kernel", "linear_resize", "batch_norm"})
    CHECK(contains(all.out, "\n" + std::string(op) + " "));
  const Outcome unknown = place.run("gradcheck hilbrt");
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "did you mean 'hilbert'"));
  const Outcome strict = place.run("gradcheck toeplitz --differences 1e-30");
  CHECK(strict.code == 6);
  CHECK(contains(strict.out, "FAILED"));
}

TEST_CASE(
    "lra_data: check counts what is there and exits with 3 when it cannot be used; show prints "
    "it") {
  const Place place;
  const std::string data = place / "data";
  for (const char* part : {"train/neg", "train/pos", "test/neg", "test/pos"})
    fs::create_directories(data + "/aclImdb/" + part);
  spill(data + "/aclImdb/train/neg/0_1.txt", "bad \x1b\n film");
  spill(data + "/aclImdb/train/pos/0_9.txt", "good film");
  spill(data + "/aclImdb/test/neg/0_1.txt", "bad");
  const Outcome missing = place.run("lra_data check " + data);
  CHECK(missing.code == 3);
  CHECK(contains(missing.out, "test/pos: there are no reviews"));
  CHECK(contains(missing.out, "listops: not found; 'lra_data generate listops"));
  spill(data + "/aclImdb/test/pos/0_9.txt", "good");
  const Outcome good = place.run("lra_data check " + data);
  CHECK(good.code == 0);
  CHECK(contains(good.out, "2 training and 2 test reviews instead of 25000 each"));
  CHECK(place.run("lra_data check " + place / "nowhere").code == 3);

  const Outcome shown = place.run("lra_data show text " + data + " --count 1");
  CHECK(shown.code == 0);
  CHECK(contains(shown.out,
                 "text: 2 train examples, 2 classes, 3 ids; validation is the test split"));
  CHECK(contains(shown.out, "example 0: class 0, 12 tokens\n<unk>"));
  CHECK(!contains(shown.out, "example 1"));
  const Outcome unknown = place.run("lra_data show tekst " + data);
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "did you mean 'text'?"));
  CHECK(place.run("lra_data show retrieval " + data).code == 3);
  CHECK(place.run("lra_data show text " + data + " --split all").code == 2);
  const Outcome sheet = place.run("lra_data show text " + data + " --png " + place / "x.png");
  CHECK(sheet.code == 2);
  CHECK(contains(sheet.err, "text has no images that --png could write"));
}

TEST_CASE("lra_data: names from an archive reach the terminal without control characters") {
  const Place place;
  const std::string name = "train/neg/\x1b]0;title\x07\x1b[31m\xC2\x9B_1.txt";
  spill(place / "aclImdb_v1.tar", tar_of({{name, "bad \xFF"}}));
  for (const char* command : {"check ", "show text "}) {
    const Outcome o = place.run("lra_data " + std::string(command) + place / "aclImdb_v1.tar");
    CAPTURE(o.out);
    CHECK(o.code == 3);
    for (const char* code : {"\x1b", "\x07", "\xC2\x9B"})
      CHECK_FALSE(contains(o.out + o.err, code));
  }
  const Outcome o = place.run("lra_data check '" + place / "none\x1b[31m" + "'");
  CHECK(contains(o.err, "none\\x1b[31m'"));
}

TEST_CASE("lra_data: check prints no table of zeros for data that cannot be read") {
  const Place place;
  fs::create_directories(place / "data");
  spill(place / "data/aclImdb_v1.tar.gz", "no archive");
  spill(place / "data/cifar-10-binary.tar.gz", "no archive");
  spill(place / "data/train-images-idx3-ubyte", "no images");
  const Outcome o = place.run("lra_data check " + place / "data");
  CAPTURE(o.out);
  CHECK(o.code == 3);
  CHECK_FALSE(contains(o.out, "majority class"));
  CHECK_FALSE(contains(o.out, "share of each class"));
  CHECK_FALSE(contains(o.out, "0 / 0"));
  size_t count = 0;
  for (size_t at = 0; (at = o.out.find("no row could be read", at)) != o.out.npos; ++at) ++count;
  CHECK(count == 3);
}

TEST_CASE("lra_data: check finds Fashion-MNIST where train_lra finds it") {
  if (fashion::find(fashion::kSystemFolder).empty()) return;  // the package is not installed
  const Place place;
  const Outcome o = place.run("lra_data check " + place / "");
  CHECK(contains(o.out, std::string("fashion: ") + fashion::kSystemFolder + "\n"));
  CHECK(o.code == 3);  // in the folder itself there is nothing
}

TEST_CASE("lra_data: an image that cannot be written is named with the reason") {
  const Place place;  // a limit on the size of files; what is printed goes through a pipe
  const std::string command = "(trap '' XFSZ; ulimit -f 2; " + programs() +
                              "/lra_data generate pathfinder --size 256 --count 1 --out " +
                              place / "data" + " 2>&1; echo $?) | cat >" + place / "out";
  REQUIRE(std::system(command.c_str()) == 0);
  const std::string out = slurp(place / "out");
  CAPTURE(out);
  CHECK(contains(out, "imgs/0/sample_0.png': File too large\n5\n"));
}

TEST_CASE("lra_data: curves of other lengths alone, a level that train_lra takes as its data") {
  const Place place;
  REQUIRE(place
              .run("lra_data generate pathfinder --out " + place / "data" +
                   " --contour 4 --distractors 0 --count 40")
              .code == 0);
  const std::string level = place / "data/pathfinder32/curv_contour_length_4";
  CHECK(contains(slurp(level + "/metadata/0.npy"), " 1.0 4 1 "));
  REQUIRE(place.run("lra_data generate pathfinder --out " + place / "more --contour 4 --count 40")
              .code == 0);
  CHECK(slurp(level + "/imgs/0/sample_0.png") !=
        slurp(place / "more/pathfinder32/curv_contour_length_4/imgs/0/sample_0.png"));
  const std::string fair = place / "fair/pathfinder32/curv_contour_length_4";
  const Outcome told = place.run("lra_data generate pathfinder --out " +
                                 place / "fair --contour 4 --count 40 --fair-places");
  CHECK(contains(told.out, " distractors an image\n"));
  CHECK(contains(slurp(fair + "/settings.txt"), "(--fair-places)"));
  CHECK_FALSE(contains(slurp(level + "/settings.txt"), "(--fair-places)"));
  const Outcome o = place.run(
      "train_lra --task pathfinder32 --recipe tiny --layers 1 --dim 8 --batch-size 4 --steps 1 "
      "--quiet --json --data " +
      level + " --out " + place / "run");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(contains(o.out, "\"task\":\"pathfinder32\""));
  REQUIRE(place
              .run("lra_data generate pathfinder --out " +
                   place / "mixed --contour 3,4 --distractors 0,1 --count 4")
              .code == 0);
  const std::string rows = slurp(place / "mixed/pathfinder32/curv_mixed/metadata/0.npy");
  const size_t second = rows.find('\n', rows.find('\n') + 1);  // in turn: 3 3 4 4 dashes
  CHECK(contains(rows.substr(0, second), " 1.0 3 1 "));
  CHECK_FALSE(contains(rows.substr(0, second), " 1.0 4 1 "));
  CHECK(contains(rows.substr(second), " 1.0 4 1 "));
  CHECK(place.run("lra_data generate pathfinder --out " + place / "x --distractors -2 --count 1")
            .code == 2);
  CHECK(place.run("lra_data generate pathfinder --out " + place / "x --contour 4,one --count 1")
            .code == 2);
}

TEST_CASE("bench: every case runs; a table, a chart and JSON lines with the named fields") {
  const Place place;
  const Outcome o =
      place.run("bench --quick --n 8,16 --length 16 --dim 8 --repeats 1 --threads 1 --out " +
                place / "bench");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "op/ski/train"));
  const std::string svg = slurp(place / "bench/bench.svg");
  CHECK(svg.starts_with("<svg"));
  CHECK(contains(svg, "n log n"));
  CHECK_FALSE(contains(svg, "nan"));
  CHECK_FALSE(contains(svg, "inf"));

  std::istringstream lines(slurp(place / "bench/bench.jsonl"));
  std::map<std::string, int> kinds;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    const auto row = nlohmann::json::parse(line);
    ++kinds[row.at("kind").get<std::string>()];
    for (const char* field : {"name", "pass", "n", "batch", "dim", "threads", "repeats", "calls"})
      CHECK(row.contains(field));
    CHECK(row.at("threads") == 1);
    CHECK(row.at("min_s").get<double>() > 0);
    CHECK(row.at("min_s") <= row.at("q1_s"));
    CHECK(row.at("q1_s") <= row.at("median_s"));
    CHECK(row.at("median_s") <= row.at("q3_s"));
    CHECK(row.at("q3_s") <= row.at("max_s"));
    if (row.at("kind") == "floor") continue;
    CHECK(row.at("tokens_per_s").get<double>() > 0);
    CHECK(row.at("peak_tensor_bytes").get<int64_t>() > 0);
    CHECK(row.at("page_faults").get<double>() >= 0);
    CHECK(row.at("floor_s").get<double>() > 0);
    CHECK(row.at("floor_s").get<double>() == doctest::Approx(row.at("floor_gemm_s").get<double>() +
                                                             row.at("floor_copy_s").get<double>() +
                                                             row.at("floor_fft_s").get<double>()));
  }
  CHECK(kinds["op"] == 2 * 2 * 8);
  CHECK(kinds["layer"] == 2 * 2 * 8);
  CHECK(kinds["step"] == 3 * 4);
  CHECK(kinds["floor"] == 2 * 2 + 2);
}

TEST_CASE("bench: --json - prints JSON lines alone; a filter leaves the rest out") {
  const Place place;
  const Outcome o = place.run(
      "bench --quick --n 8 --repeats 1 --threads 1 --filter op/fd/train,layer/glu --json -");
  REQUIRE(o.code == 0);
  std::istringstream lines(o.out);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("kind") != "floor")
      names.push_back(row.at("name").get<std::string>() + " " + row.at("pass").get<std::string>());
  }
  CHECK(names == std::vector<std::string>{"fd train", "glu forward", "glu train"});
}

TEST_CASE("bench: wrong options exit with 2, a folder that cannot be written with 5") {
  const Place place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--fliter op", "did you mean '--filter'"},
      {"--filter nothing", "--list shows the names"},
      {"--n 1", "--n"},
      {"--n 64,x", "--n"},
      {"--recipe pepar", "did you mean 'paper'"},
      {"--repeats 0", "--repeats"},
      {"--threads -1", "--threads"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome o = place.run("bench --quick " + c.first);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, c.second));
    CHECK(o.out.empty());
  }
  spill(place / "file", "x");
  const std::string quick = "bench --quick --n 8 --repeats 1 --threads 1 --filter op/conv1d --out ";
  CHECK(place.run(quick + place / "file").code == 5);
  CHECK(place.run("bench --list").code == 0);
}

TEST_CASE("bench: attention is left out where its scores would take too much memory") {
  const Place place;
  const Outcome o = place.run("bench --list");
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "step/text-tno/train 4096"));
  CHECK_FALSE(contains(o.out, "step/text-attention/train 4096"));
  CHECK(contains(o.err, "left out: step/text-attention/train over 4096 positions"));
  CHECK(contains(place.run("bench --list --length 64").out, "step/text-attention/train 64"));
}
