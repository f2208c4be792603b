// What a training program does when a launcher has started several processes of it
// (core/processes.h). All read the same command line and the same data, hold the same weights and
// take the same decisions; they divide the shards of each step among them (gradients.h). Process 0
// is the one that a user sees. Each of the others runs quietly, in a folder of its own, which is
// removed at the end; at --resume it gets copies of the files of the run folder. So the run folder
// need not be shared.
#pragma once

#include <optional>
#include <string>

#include "examples/train/run_options.h"

namespace skiff {

class Launched {
 public:
  // Changes the options of this process: its folder, whether it prints, and its threads. Every
  // process calls it before it opens the run folder. `options`: what shapes the result, the same
  // on all processes.
  Launched(RunOptions& run, SessionOptions& session, const std::string& options);

 private:
  // A new folder, locked until it is removed, when this object ends.
  class OwnFolder {
   public:
    OwnFolder();
    ~OwnFolder();
    OwnFolder(const OwnFolder&) = delete;
    OwnFolder& operator=(const OwnFolder&) = delete;
    const std::string& path() const { return path_; }

   private:
    std::string path_;
    int lock_;
  };

  std::optional<OwnFolder> own_folder_;  // of the other processes
};

}  // namespace skiff
