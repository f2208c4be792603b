// Programs as a user starts them, in a folder of their own.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace skiff::testing {

struct Outcome {
  int code;
  std::string out, err;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string programs() {
  const char* folder = std::getenv("SKIFF_PROGRAMS");
  return folder ? folder : "build/cpu";
}

// A folder for this test run, with a small ListOps in it; removed at the end.
class Place {
 public:
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "skiff-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Place() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  Outcome run(const std::string& command) const { return run_with("", command); }
  // `before`: what comes before the program's name in the line for the shell.
  Outcome run_with(const std::string& before, const std::string& command) const {
    const std::string line = "(" + before + " " + programs() + "/" + command + ")" + " >" + path_ +
                             "/out 2>" + path_ + "/err";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(*this / "out"),
            slurp(*this / "err")};
  }

 private:
  std::string path_;
};

inline const char* const kGenerate =
    " --seed 3 --train 200 --val 40 --test 40 --min-length 2 --max-length 20";
inline const char* const kTiny =
    " --dim 8 --layers 1 --batch-size 8 --steps 30 --max-length 32 --eval-every 10 --log-every 4 "
    "--save-every 5 --keep 3 --encoder-dropout 0.1";

struct TinyRun : Place {
  TinyRun() {
    REQUIRE(run("lra_data generate listops --out " + *this / "data/listops" + kGenerate).code == 0);
  }
  Outcome train(const std::string& out, const std::string& more = "") const {
    return run("train_lra --data " + *this / "data" + " --out " + *this / out + kTiny + " " + more);
  }
};

}  // namespace skiff::testing
