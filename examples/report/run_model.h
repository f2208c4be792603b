// The model of a run of train_lra, or a fresh one: what the report needs of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace skiff::report {

// An operator that mixes the positions of (B, n, channels).
struct SequenceOperator {
  int64_t layer, channels, n;  // n: positions to look at
  std::string name;
  std::function<Variable(const Variable&)> apply;
};

struct RunModel {
  std::string task, mixer, recipe;
  uint64_t seed = 0;
  DType dtype = DType::Float32;
  int64_t parameters = 0, best_step = 0;
  double best_accuracy = 0;
  std::vector<SequenceOperator> operators;
  std::shared_ptr<void> model;  // keeps alive what the operators use
};

RunModel read_model(const std::string& folder);
RunModel fresh_model(uint64_t seed);  // of the default task and recipe, before any training

}  // namespace skiff::report
