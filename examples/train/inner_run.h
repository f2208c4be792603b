// Runs of train_lra inside another one: the stages of a run (stages.h), the points of a sweep
// (sweep.h); and the files of words that describe them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/train/options.h"
#include "examples/train/result.h"
#include "examples/train/run_folder.h"

namespace skiff {

// A line of a file: its words, without those from a '#' on.
struct WordRow {
  std::vector<std::string> words;
  std::string place;  // file:line
};
// Every line that has words. UsageError for a file without any.
std::vector<WordRow> read_words(const std::string& path);

// The file that says what the run of several consists of: that of --stages or --sweep; with
// --resume and without a name on the command line the copy in the run folder, since the first one
// may have been changed or moved. Empty for runs of several tasks.
std::string plan_file(const CommandLine& asked);

// Sets an option; UsageError names the place of the word.
void set_option(Options& options, const std::string& name, const std::string& value,
                const std::string& place);

// Prints which options of the command line have no effect in any of these runs. UsageError for what
// one of them cannot have.
void note_options_without_effect(const CommandLine& asked, const std::vector<Options>& runs);

// UsageError if --out holds an ordinary run, whose files those of a run of several would replace.
void check_folder_of_several(const std::string& out);

// The options and the plan of a run of several, as its folder keeps them for --resume.
class OptionsOfSeveral {
 public:
  // text: of the options; minutes: of kSweepBudget, "" for none. UsageError, before anything is
  // written, if the folder holds runs and neither --resume nor --force is given, and with --resume
  // for what shapes the result and differs, or for fewer steps. A new run is kept at once.
  OptionsOfSeveral(const CommandLine& asked, const RunFolder& folder, const std::string& text,
                   const std::string& minutes = "");
  // The run in this folder has taken them: now they are kept in any case. With --force, the other
  // runs that a run of several has left in its folder are over.
  void accept(const std::string& running);

 private:
  void keep();

  const RunFolder& folder_;
  const std::string text_, plan_, minutes_;
  bool kept_ = false, over_ = false;  // over_: --force, and the runs of before are still there
};

struct InnerRun {
  std::optional<Result> result;  // nothing: it was stopped
  std::string write_error;       // what could not be written on the way; empty: nothing

  void check_written() const;  // IoError for a write error
};
// Trains with these options in this folder, as the session asks: with --resume it goes on where the
// folder holds checkpoints, begins where it holds none, and returns the result of a finished run at
// once. only_best_test: see LraRun. What a stopped run says of going on names asked.session.outer,
// or the folder of `asked` where that is empty. `kept` are accepted before the run keeps its own
// options; nullptr: there are none.
InnerRun run_inside(const CommandLine& asked, Options options, const std::string& folder,
                    bool only_best_test, OptionsOfSeveral* kept);

}  // namespace skiff
