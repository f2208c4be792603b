// What a training program does when a launcher has started several processes of it
// (core/processes.h). All read the same command line and the same data, hold the same weights and
// take the same decisions; they divide the shards of each step among them (gradients.h). Process 0
// is the one that a user sees. Each of the others runs quietly, in a folder of its own that begins
// as a copy of the run folder and is removed at the end. So the run folder need not be shared.
#pragma once

#include <csignal>
#include <string>

#include "examples/train/run_options.h"
#include "layers/parameters.h"

namespace skiff {

// Where the number of a signal goes while there are several processes. It reaches stop_signal of
// all of them in the same step, with the records of the shards.
inline volatile std::sig_atomic_t stop_request = 0;

class Launched {
 public:
  // Changes the options of this process: its folder, whether it prints, and its threads. Every
  // process calls it before it opens the run folder.
  Launched(RunOptions& run, SessionOptions& session);
  ~Launched();
  Launched(const Launched&) = delete;
  Launched& operator=(const Launched&) = delete;

 private:
  std::string own_folder_;  // of the other processes
};

// AgreedError unless all processes say the same of `what`: "data".
void check_same(const std::string& what, const std::string& mine);

// Parameters of process 0 for all. Mathematical functions may differ between machines.
void share_values(const Parameters& parameters);

}  // namespace skiff
