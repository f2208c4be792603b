// train_lra: which files of the run folder it keeps and removes, and files that cannot be written.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE("train_lra: a run folder is never overwritten by accident") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const Outcome again = place.train_here("run");
  CHECK(again.code == 2);
  CHECK(contains(again.err, "holds a run already; --resume goes on with it"));
  const Outcome changed = place.train_here("run", "--resume --lr 0.5");
  CHECK(changed.code == 2);
  CHECK(contains(changed.err, "--lr is 0.5, was"));
  const Outcome nothing = place.train_here("empty", "--resume");
  CHECK(nothing.code == 3);
  CHECK(contains(nothing.err, "holds no run"));
  CHECK(place.train("run", "--force").code == 0);
  spill(place / "file", "x");
  const Outcome not_folder = place.train_here("file");
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

TEST_CASE("train_lra: two programs cannot train in one folder") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const int lock = ::open((place / "run/lock").c_str(), O_RDWR);
  REQUIRE(lock >= 0);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  const Outcome o = place.train("run", "--resume");
  CHECK(o.code == 2);
  CHECK(contains(o.err, "another program trains in"));
  ::close(lock);  // releases the lock
  CHECK(place.train_here("run", "--resume").code == 0);
}

TEST_CASE("train_lra: --force removes the old run only when the new one can begin") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--stop-at 10").code == 0);
  const std::string checkpoint = slurp(place / "run/ckpt-00000010.safetensors"),
                    metrics = slurp(place / "run/metrics.csv");
  for (const auto& [given, code] : {std::pair<std::string, int>{"--data " + place / "nowhere", 3},
                                    {"--init " + place / "none.safetensors", 3},
                                    {"--batch-size 1000", 2}}) {
    const std::string options = given;
    CAPTURE(options);
    CHECK(place.train_here("run", "--force " + options).code == code);
    CHECK((slurp(place / "run/ckpt-00000010.safetensors") == checkpoint));
    CHECK(slurp(place / "run/metrics.csv") == metrics);
    CHECK(fs::exists(place / "run/best.safetensors"));
  }
  CHECK(place.train("run", "--force --stop-at 5").code == 0);
  CHECK_FALSE(fs::exists(place / "run/ckpt-00000010.safetensors"));
}

namespace {

// Runs a line of the shell in which $train means train_lra and the options of a tiny run.
int code_in_shell(const TinyRun& place, const std::string& out, const std::string& line) {
  const std::string train =
      programs() + "/train_lra --data " + place / "data" + " --out " + place / out + kTiny;
  const int status = std::system(
      ("train='" + train + "'; cd " + fs::current_path().string() + "; " + line).c_str());
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

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
  REQUIRE(place.train_here("whole").code == 0);
  // Other files have all the names that the temporary file may take; exec keeps the process number.
  // A file of the user keeps the run from removing them.
  const std::string run = place / "run";
  const auto blocked = [&](const std::string& name) {
    return "mkdir " + run + "; : >" + run +
           "/notes.txt; i=$$; while [ $i -le $(($$ + 1000)) ]; do : >" + run + "/" + name +
           ".safetensors.tmp.$i; i=$((i + 1)); done; exec $train 2>" + place / "err >" +
           place / "out";
  };
  CHECK(code_in_shell(place, "run", blocked("ckpt-00000010")) == 0);
  CHECK(contains(slurp(place / "err"), "ckpt-00000010.safetensors"));
  CHECK(contains(slurp(place / "err"), "tries again at the next save"));
  CHECK_FALSE(fs::exists(run + "/ckpt-00000010.safetensors"));
  check_same_run(place, "whole", "run");
  // After the last save there is no other; --resume repeats it.
  fs::remove_all(run);
  CHECK(code_in_shell(place, "run", blocked("ckpt-00000030")) == 5);
  CHECK(fs::exists(run + "/ckpt-00000025.safetensors"));
  CHECK(place.train_here("run", "--resume").code == 0);
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

TEST_CASE("train_lra: a run does not end because nobody reads its progress") {
  const TinyRun place;
  code_in_shell(place, "run",
                "($train 2>&1 >" + place / "table" + "; echo $? >" + place / "code" + ") | :");
  CHECK(slurp(place / "code") == "0\n");
  CHECK(contains(slurp(place / "table"), "best weights (step"));
}
