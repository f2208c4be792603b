// What a checkpoint of a run says about it, apart from the model; and where the checkpoint of a run
// is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/options.h"

namespace skiff {

// Leaves out what newer options say while they have their defaults: older checkpoints do not have
// them either, so the options in a checkpoint keep their text from version to version. `more`:
// those that only one program has, with their defaults.
void leave_out_defaults(std::map<std::string, std::string>& metadata,
                        std::map<std::string, std::string> more = {});

struct CheckpointPlace {
  std::string file, folder;  // folder: that the file lies in
};
// `path`: a run folder, whose best weights are taken, or a checkpoint. DataError if it is not
// there.
CheckpointPlace checkpoint_at(const std::string& path);

// The same places, but for a folder of runs (of a sweep, of stages) its runs that have best
// weights, by name.
std::vector<std::string> runs_in(const std::vector<std::string>& places);

}  // namespace skiff
