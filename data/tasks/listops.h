// ListOps (Nangia and Bowman, 2018) as in the Long Range Arena (Tay et al., 2021): prefix
// expressions of digits under MIN, MAX, MED (median) and SM (sum modulo 10); the class is the
// value. Generator and file format: google-research/long-range-arena,
// lra_benchmarks/data/listops.py. Tokens: the S4 protocol (state-spaces/s4,
// src/dataloaders/lra.py).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/random.h"
#include "data/tasks.h"

namespace skiff::listops {

// An expression, one character per token: a digit, or 'n' [MIN, 'x' [MAX, 'd' [MED, 's' [SM,
// ']' the end of an operator. "x4n37]0]" is [MAX 4 [MIN 3 7 X 0 X.
using Tokens = std::string;

inline constexpr std::string_view kCodes = "0123456789nxds]";  // every token
inline constexpr int64_t kClasses = 10;

std::string_view name_of(char code);        // 'n' -> "[MIN", ']' -> "X"
std::string to_text(const Tokens& tokens);  // "[MAX 4 [MIN 3 7 X 0 X"

// Reads the text of an expression: tokens between blanks, parentheses dropped, "]" or "X" as the
// end of an operator. DataError for any other token or when there is none.
Tokens parse(std::string_view text);

// The text of the original files: an operator is paired with its first argument, the pair with the
// next, and so on up to the end: "( ( ( [MAX 4 ) 3 ) ] )".
std::string to_source(const Tokens& tokens);

// The value, 0..9. DataError says what is wrong with tokens that are not one expression.
int evaluate(const Tokens& tokens);

// ---- Generator

struct Limits {
  int64_t max_depth = 10;    // an operator at depth 1 is the root
  int64_t max_args = 10;     // an operator has 2 .. max_args arguments
  int64_t min_length = 500;  // in tokens without end mark; both limits are exclusive
  int64_t max_length = 2000;
};

// Draws trees until one is new and within the limits. Attempt a draws from random stream a of the
// seed, so leaving a tree that has become too long does not change the trees that follow.
class Generator {
 public:
  explicit Generator(uint64_t seed, Limits limits = {});

  const Tokens& next();  // UsageError when the limits leave no new tree
  int64_t attempts() const { return accepted() + too_short_ + too_long_ + duplicates_; }
  int64_t accepted() const { return int64_t(seen_.size()); }
  int64_t duplicates() const { return duplicates_; }

 private:
  bool grow(Random& random, int64_t depth);  // appends a tree to tokens_; false: too long
  [[noreturn]] void give_up(int64_t attempts) const;

  uint64_t seed_;
  Limits limits_;
  Tokens tokens_;
  std::unordered_set<Tokens> seen_;
  int64_t too_short_ = 0, too_long_ = 0, duplicates_ = 0;
};

struct Counts {
  int64_t train = 96000, val = 2000, test = 2000;
  int64_t total() const { return train + val + test; }
};

struct Generated {
  int64_t attempts = 0, accepted = 0;
  double mean_length = 0;
};

// Writes DIR/basic_{train,val,test}.tsv, the training file last, so that it is there only beside
// the other two. Existing files are an error unless `overwrite`; they stay until all new ones are
// complete. progress(done, total) is called after each tree.
Generated generate(const std::string& folder, uint64_t seed, const Counts& counts,
                   const Limits& limits, bool overwrite = false,
                   const std::function<void(int64_t, int64_t)>& progress = {});

// ---- Files

struct Record {
  int64_t line = 0;  // in the file, from 1; the header is line 1
  Tokens tokens;
  int label = 0;
};

// The rows of one file. With check_values also: parentheses in the original format, and a target
// that is the value of the source. DataError names the first bad line.
std::vector<Record> read_tsv(const std::string& file, bool check_values = false);

// The folder that holds basic_train.tsv: `folder` itself, or in it listops, lra_release/
// lra_release/listops-1000, lra_release/listops-1000, listops-1000: of the two nested folders of
// the release the inner one counts. Else the archive of find_release() (data/files/archive.h).
// Empty if there is none.
std::string find(const std::string& folder);

struct LoadOptions {
  int64_t max_length = 2048;  // longer expressions lose their last tokens; end mark included
  int64_t min_frequency = 1;  // of a token in the vocabulary
  bool append_eos = true;
  bool padded = false;                       // batches have max_length, whatever is in them
  bool check_values = false;                 // as in read_tsv
  bool cache = true;                         // keep what was read from an archive (data/cache.h)
  std::vector<std::string> vocabulary = {};  // in place of that of the training split
};

// The three splits found from `folder` (or given one of the three files), as ids. Of an archive
// with several listops-1000 the innermost counts: the outer ones of the release are left over.
TaskData load(const std::string& folder, const LoadOptions& options = {});

// Reads every row of the three files, and goes on after a bad one.
TaskReport check_files(const std::string& folder);

Task task();  // its row in the table of tasks

}  // namespace skiff::listops
