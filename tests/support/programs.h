// Programs as a user starts them, in a folder of their own. train_lra and train_lm can also run
// inside the test, which saves the start of a process: use that where the test is not about the
// program itself.
#pragma once

#include <functional>
#include <string>

#include "tests/support/folder.h"

namespace skiff::testing {

struct Outcome {
  int code;
  std::string out, err;
};

std::string slurp(const std::string& path);
void spill(const std::string& path, const std::string& bytes);
std::string programs();  // the folder that holds them

struct Place : Folder {
  Outcome run(const std::string& command) const { return run_with("", command); }
  // `before`: what comes before the program's name in the line for the shell.
  Outcome run_with(const std::string& before, const std::string& command) const;
};

inline const char* const kTiny =
    " --dim 8 --layers 1 --batch-size 8 --steps 30 --max-length 32 --eval-every 10 --log-every 4 "
    "--save-every 5 --keep 3 --encoder-dropout 0.1";

// A small ListOps: 200 expressions for training, `val` for validation and `test` for the test.
void make_listops(const std::string& folder, int64_t seed = 3, int64_t val = 40, int64_t test = 40);

// A folder with a small ListOps in data/listops, and runs of a tiny model on it.
struct TinyRun : Place {
  TinyRun();
  Outcome train(const std::string& out, const std::string& more = "") const;
  // The same inside the test; the result is not printed.
  Outcome train_here(const std::string& out, const std::string& more = "") const;

 private:
  std::string words(const std::string& out, const std::string& more) const;
};

// train_lra inside the test, with the words between the blanks as its command line; the result is
// not printed.
Outcome train_lra_here(const Place& place, const std::string& words);

// train_lm, likewise. `taken`: called when the run keeps its options in its folder.
Outcome train_lm_here(const Place& place, const std::string& words,
                      const std::function<void()>& taken = {});

// metrics.csv without its last two columns, which are times.
std::string without_times(const std::string& csv);
// Checks that the last checkpoints, the best one and metrics.csv of two tiny runs are equal, byte
// for byte but for the times.
void check_same_run(const Place& place, const std::string& a, const std::string& b);

}  // namespace skiff::testing
