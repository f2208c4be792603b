// The scores of runs, one by one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "examples/evaluate/options.h"
#include "examples/train/display.h"
#include "examples/train/evaluation.h"

namespace skiff {

// The splits that --split names, with their examples.
std::vector<std::pair<std::string, const std::vector<Example>*>> splits_of(
    const TaskData& data, const std::string& split);

// The model of `run` on the examples that --limit leaves. `doing`: what the progress says, such as
// "evaluating on test". DataError if there is no example.
struct ScoredExamples {
  std::vector<Example> examples;
  Evaluation evaluation;
};
ScoredExamples scores_of(const EvaluateOptions& o, const OpenedRun& run, const InputFormat& format,
                         const std::vector<Example>& examples, const std::string& split,
                         const std::string& doing, Device device, Display& display);

// One run: tables of its splits and classes, or a JSON object, and a confusion matrix per split.
int evaluate_run(const EvaluateOptions& o);

}  // namespace skiff
