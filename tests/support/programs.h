// Programs as a user starts them, in a folder of their own; and train_lra without a start, for the
// many command lines that it refuses.
#pragma once

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

// 200 expressions to train on, 40 for validation, and 40 or `test` to test on.
void make_listops(const std::string& folder, int64_t seed = 3, int64_t val = 40, int64_t test = 40);

// With make_listops(data/listops).
struct TinyRun : Place {
  TinyRun();
  Outcome train(const std::string& out, const std::string& more = "") const;
  // The same in this process, but for the printed result.
  Outcome train_here(const std::string& out, const std::string& more = "") const;

 private:
  std::string words(const std::string& out, const std::string& more) const;
};

// What train_lra does in this process with words between blanks, but for the printed result.
Outcome train_lra_here(const Place& place, const std::string& words);

// metrics.csv without its last two columns, which are times.
std::string without_times(const std::string& csv);
// The last checkpoints, the best one and metrics.csv of two tiny runs are the same bytes.
void check_same_run(const Place& place, const std::string& a, const std::string& b);

}  // namespace skiff::testing
