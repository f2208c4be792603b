// The moving average of the weights over the steps (Polyak and Juditsky 1992), which is often
// better than the last ones: it lies in the middle of what the optimizer wanders through.
//
//   a <- a + (1 - d) (p - a) after step t = 0, 1, ..,   d = min(decay, (1 + t) / (10 + t))
//
// The second bound lets it follow the first steps quickly, so that the values before training are
// soon forgotten. Buffers, as the running statistics of batch norm, are averaged as well.
#pragma once

#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "layers/parameters.h"

namespace skiff {

class Average {
 public:
  Average(Parameters& parameters, double decay);

  int64_t steps() const { return steps_; }
  void restart();  // from the present values
  void update();   // after a step of the optimizer
  // Exchanges the averages with the values of the parameters; a second call brings both back.
  void swap();

  // Under "optimizer.average.NAME" and "optimizer.average_steps", as the state of an optimizer.
  std::vector<safetensors::Entry> state() const;
  void load(const safetensors::File& file);

 private:
  struct Pair {
    Parameter parameter;
    Tensor average;
  };
  double decay_;
  int64_t steps_ = 0;
  std::vector<Pair> pairs_;
};

}  // namespace skiff
