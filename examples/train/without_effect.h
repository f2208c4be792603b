// Options of the command line that change nothing beside the others: what a training program says
// of them.
#pragma once

#include <string>
#include <vector>

#include "examples/train/run_options.h"
#include "layers/options.h"

namespace skiff {

class WithoutEffect {
 public:
  // given: the names on the command line.
  explicit WithoutEffect(const std::vector<std::string>& given) : given_(given) {}

  // Unless `holds`, those of the names that are given have no effect, for this reason: "with
  // --mixer ski".
  void unless(bool holds, const std::string& reason, const std::vector<std::string>& names);
  // What every training has: steps, schedule, optimizer, shards.
  void of_training(const TrainOptions& train, const ModelOptions& model);

  const std::vector<std::string>& notes() const { return notes_; }  // a sentence per option

 private:
  const std::vector<std::string>& given_;
  std::vector<std::string> notes_;
};

}  // namespace skiff
